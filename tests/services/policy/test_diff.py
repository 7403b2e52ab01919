"""What an edit changed: every change, by its place, and never a value in clear."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.events.approval import Change
from services.policy.diff import changes

leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "c d"])
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "a/b", "m~n"]), inner, max_size=3),
    max_leaves=8,
)


def applied(document: Any, found: tuple[Change, ...]) -> Any:
    """The document after the changes, as RFC 6902 applies them; those that remove from a list come last to first."""
    root = {"": document}
    removals = [change for change in found if change.op == "remove"]
    for change in [*(change for change in found if change.op != "remove"), *reversed(removals)]:
        tokens = [token.replace("~1", "/").replace("~0", "~") for token in change.path.split("/")]
        place: Any = root
        for token in tokens[:-1]:
            place = place[int(token)] if isinstance(place, list) else place[token]
        last: Any = int(tokens[-1]) if isinstance(place, list) else tokens[-1]
        if change.op == "remove":
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(change.new)
        else:
            place[last] = change.new
    return root[""]


@given(documents, documents)
def test_the_changes_turn_the_one_document_into_the_other(old: Any, new: Any) -> None:
    assert applied(copy.deepcopy(old), changes(old, new, copy.deepcopy(old), copy.deepcopy(new))) == new


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ({"a": 1}, {"a": True}, ["/a"]),
        ({"a": 1}, {"a": 1.0}, ["/a"]),
        ([1, 2], [1], ["/1"]),
        ({"a/b": {"c~d": 1}}, {"a/b": {"c~d": 2}}, ["/a~1b/c~0d"]),
        ({"a": [1]}, {"a": {"0": 1}}, ["/a"]),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_each_change_stands_at_its_place(old: Any, new: Any, paths: list[str]) -> None:
    assert [change.path for change in changes(old, new, old, new)] == paths


def test_what_is_redacted_to_the_same_is_shown_as_changed_all_the_same() -> None:
    (change,) = changes({"to": "ada"}, {"to": "bob"}, {"to": "***"}, {"to": "***"})
    assert (change.path, change.old, change.new) == ("/to", "***", "***")


def test_a_redacted_name_is_shown_in_place_of_the_clear_one() -> None:
    (change,) = changes(
        {"ada@example.org": 1, "b": 0}, {"ada@example.org": 2, "b": 0}, {"<EMAIL_1>": 1, "b": 0}, {"b": 0, "<EMAIL_1>": 2}
    )
    assert change == Change(op="replace", path="/<EMAIL_1>", old=1, new=2)


def test_names_that_became_one_are_shown_at_the_place_above() -> None:
    (change,) = changes({"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 3}}, {"a": {"*": 2}}, {"a": {"*": 3}})
    assert (change.path, change.new) == ("/a", {"*": 3})
