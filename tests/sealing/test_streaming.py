"""Restoring in a stream gives what restoring the whole gives, wherever the stream was cut, and holds back one placeholder at most."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentos.sealing import PlaceholderVault, restore, restore_json_text
from agentos.sealing.streaming import HELD_BACK, JsonRestorer, Restorer

NASTY = 'a"b\\c\nd\té'
VAULT, _ = PlaceholderVault().add_all(
    [("EMAIL", "ann@x.org"), ("EMAIL", "Ann@x.org"), ("SECRET", NASTY), ("NUMBER", "4111111111111111"), ("PERSON", "Jürgen 😀")]
)

TEXT = (
    "To <EMAIL_1>, [email_1] and (EMAIL_1): **<EMAIL_1_2>** < SECRET_1 > &lt;PERSON_1&gt; EMAIL\\_1 x[EMAIL_1] MY_EMAIL_1 "
    "<EMAIL_9> \\<EMAIL_1\\> {{EMAIL_1}} [EMAIL_1](mailto:EMAIL_1) \\u003cEMAIL_1\\u003e EMAIL_1"
)
JSON_TEXT = (
    '{"to": ["<EMAIL_1>", "\\u003cEMAIL_1\\u003e", "a\\nEMAIL_1\\t<SECRET_1>"], "<PERSON_1>" : "<NUMBER_1>", "n":"x <NUMBER_1>",\n'
    ' "deep": "{\\"k\\": \\"<SECRET_1>\\", \\"l\\": [\\"\\\\u00e4 EMAIL_1\\"]}", "no": "[see] \\"<EMAIL_1>\\"", "e": "\\ud83d\\ude00", "": ""}'
)


def through(restorer: Restorer | JsonRestorer, pieces: Sequence[str]) -> str:
    sent: list[str] = []
    for piece in pieces:
        sent.append(restorer.feed(piece))
        assert restorer.held <= HELD_BACK
    return "".join((*sent, restorer.flush()))


def splits(text: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def test_every_split_in_two_and_in_single_characters_restores_the_whole() -> None:
    whole = restore(TEXT, VAULT)
    assert "<" not in whole.replace("<EMAIL_9>", "")
    for cut in range(len(TEXT) + 1):
        assert through(Restorer(VAULT), (TEXT[:cut], TEXT[cut:])) == whole
    for size in (1, 2, 3, 5, 7):
        assert through(Restorer(VAULT), [TEXT[at : at + size] for at in range(0, len(TEXT), size)]) == whole


pieces = st.sampled_from(
    [
        *TEXT.split(" "), "<", ">", "[", "]", "(", "{", "}", "\\", "&", "&lt;", "EMAIL", "EMAIL_1", "_", "1", "_2", " ", "$", "é", "\n", "😀",
        '"', "\\u003c", "<NUMBER_1>", "x",
    ]
)  # fmt: skip
texts = st.lists(pieces | st.text(max_size=3), max_size=12).map("".join)
cuts = st.lists(st.integers(0, 400), max_size=12)


@settings(max_examples=1500, deadline=None)
@given(texts, cuts)
def test_every_split_of_every_text_restores_the_whole(text: str, cuts: list[int]) -> None:
    assert through(Restorer(VAULT), splits(text, cuts)) == restore(text, VAULT)


def test_what_cannot_be_part_of_a_placeholder_is_sent_at_once() -> None:
    restorer = Restorer(VAULT)
    assert restorer.feed("Dear reader") == "Dear reader"
    assert restorer.feed(", I wrote to <EMA") == ", I wrote to "
    assert restorer.feed("IL_1>") == "ann@x.org"
    assert restorer.feed(" < 3 EMAIL") == " < 3 "
    assert restorer.feed(" it") == "EMAIL it"
    assert restorer.flush() == ""


def test_a_megabyte_that_always_might_be_a_placeholder_is_passed_on() -> None:
    restorer = Restorer(VAULT)
    for food in ("<", "<EMAIL_", "EMAIL_1", "[ ", "&lt;"):
        text = food * 20_000
        assert through(restorer, [text[at : at + 1000] for at in range(0, len(text), 1000)]) == restore(text, VAULT)


def test_two_streams_of_two_tasks_never_see_each_others_values() -> None:
    other, _ = PlaceholderVault().add("EMAIL", "eve@y.org")
    mine, theirs = Restorer(VAULT), Restorer(other)
    said: tuple[list[str], list[str]] = ([], [])
    for piece in ("<EM", "AIL", "_1", "> and <", "SECRET_1>"):
        said[0].append(mine.feed(piece))
        said[1].append(theirs.feed(piece))
    assert "".join(said[0]) + mine.flush() == f"ann@x.org and {NASTY}"
    assert "".join(said[1]) + theirs.flush() == "eve@y.org and <SECRET_1>"


def test_json_is_restored_as_json_wherever_it_is_cut() -> None:
    whole = json.loads(restore_json_text(JSON_TEXT, VAULT))
    assert whole["to"] == ["ann@x.org", "ann@x.org", f"a\nann@x.org\t{NASTY}"]
    assert whole["Jürgen 😀"] == 4111111111111111
    assert json.loads(whole["deep"])["k"] == NASTY
    for cut in range(len(JSON_TEXT) + 1):
        assert _plain(through(JsonRestorer(VAULT), (JSON_TEXT[:cut], JSON_TEXT[cut:]))) == _plain(json.dumps(whole))
    assert _plain(through(JsonRestorer(VAULT), list(JSON_TEXT))) == _plain(json.dumps(whole))


def test_a_string_that_only_began_like_json_is_passed_on_as_it_was_written() -> None:
    for text in (
        r'{"0EMAIL\_1',
        r'{"a": "x\_y", "b": "<EMAIL_1>"}',
        r'{"": "<PERSON\_1> \d+"}',
        r'["\x"]',
        r'{"\\'[:-1],
        r'{"\u00',
    ):
        for written in (json.dumps({"": text}), json.dumps({"": json.dumps({"": text})})):
            expected = _plain(restore_json_text(written, VAULT))
            for cut in range(len(written) + 1):
                assert _plain(through(JsonRestorer(VAULT), (written[:cut], written[cut:]))) == expected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.sampled_from(["<NUMBER_1>", "NUMBER_1", "<SECRET_1>"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(texts, texts | st.just("<NUMBER_1>"), max_size=3).map(json.dumps)
    ),
    max_leaves=8,
)


def _puts_escapes_where_none_belong(value: Any) -> bool:
    """Whether in a string that only begins like JSON something is put that JSON would escape: a stream cannot know."""
    if isinstance(value, dict):
        return any(map(_puts_escapes_where_none_belong, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(_puts_escapes_where_none_belong, value))
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return _puts_escapes_where_none_belong(json.loads(value))
    except ValueError:
        return "secret" in value.casefold()


@settings(max_examples=1000, deadline=None)
@given(st.dictionaries(texts, values, max_size=3), st.booleans(), cuts)
def test_every_split_of_every_json_restores_the_whole(value: Any, ascii_only: bool, cuts: list[int]) -> None:
    assume(not _puts_escapes_where_none_belong(value))
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert _plain(through(JsonRestorer(VAULT), splits(text, cuts))) == _plain(restore_json_text(text, VAULT))


def _plain(text: str) -> Any:
    """The JSON, with JSON in its strings read too: how that is written is not promised."""

    def read(value: Any) -> Any:
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                return read(json.loads(value))
            except ValueError:
                return value
        if isinstance(value, dict):
            return [(name, read(item)) for name, item in value.items()]
        return [read(item) for item in value] if isinstance(value, list) else value

    return read(json.loads(text))


@pytest.mark.parametrize(
    "broken", ['{"a": "<EMAIL_1', '{"a": "\\u00', '{"n": <NUMBER_1>}', '{"a": "\\q<EMAIL_1>"}', "<EMAIL_1>", ""]
)
def test_json_that_breaks_off_or_is_none_is_passed_on(broken: str) -> None:
    sent = through(JsonRestorer(VAULT), list(broken))
    assert sent == through(JsonRestorer(VAULT), [broken])
    assert "ann@x.org" in sent or "EMAIL" not in broken
