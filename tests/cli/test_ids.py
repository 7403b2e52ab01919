"""Which id is meant by its beginning."""

from typing import Any, cast

import pytest

from agentos.cli import ids
from agentos.cli.client import Api, Failure

ONE = "0198c7d2-0000-7000-8000-000000000001"
TWO = "0198c7d2-0000-7000-8000-000000000002"


class Listed:
    """An API that lists these ids, whatever is asked; ``asked`` counts."""

    def __init__(self, *found: str) -> None:
        self.found = found
        self.asked = 0

    def get(self, path: str, **_: Any) -> Any:
        self.asked += 1
        return {"items": [{"id": id_, "subject": f"evt.default.x.{id_}.decided"} for id_ in self.found]}


def listed(*found: str) -> Api:
    return cast("Api", Listed(*found))


def test_a_whole_id_is_taken_without_asking() -> None:
    server = Listed()
    assert ids.task(cast("Api", server), ONE) == ONE
    assert ids.approval(cast("Api", server), f"{ONE}-s0003-e1") == f"{ONE}-s0003-e1"
    assert [ids.decided(cast("Api", server), id_) for id_ in (ONE, f"{ONE}-s0003-e1")] == [ONE, f"{ONE}-s0003-e1"]
    assert server.asked == 0


def test_a_task_with_one_approval_stands_for_it() -> None:
    assert ids.approval(listed(f"{ONE}-s0003-e1"), ONE) == f"{ONE}-s0003-e1"
    with pytest.raises(Failure) as caught:
        ids.approval(listed(f"{ONE}-s0003-e1", f"{ONE}-s0004-e1"), ONE)
    assert caught.value.title == "Ambiguous id"


def test_of_a_task_and_its_calls_the_task_is_meant() -> None:
    assert ids.decided(listed(f"{ONE}-s0001-e1", ONE, f"{ONE}-s0002-e1"), "0198c7d2") == ONE
    with pytest.raises(Failure, match="Ambiguous"):
        ids.decided(listed(ONE, TWO), "0198c7d2")


def test_what_only_looks_alike_to_the_database_is_another_id() -> None:
    assert ids.task(listed("ABCDEF-1", "abcdef-2"), "abcdef") == "abcdef-2"


def test_many_are_named_in_part() -> None:
    with pytest.raises(Failure) as caught:
        ids.task(listed(*(f"abcdef-{n}" for n in range(9))), "abcdef")
    assert caught.value.detail.endswith("abcdef-4, …")
    assert (caught.value.exit_code, caught.value.mend) == (2, "type more of it")
