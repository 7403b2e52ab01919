"""Which pack takes a task."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.packs import AgentCard, Presence
from services.router.domain import packs


def presence(pack: str, *types: str, active: int = 0, max_active: int = 4, instance: str = "i1") -> Presence:
    return Presence(
        pack=pack,
        version="1",
        description="",
        agents=(AgentCard(name="agent", task_types=types),),
        tools=(),
        instance=instance,
        active=active,
        max_active=max_active,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_the_pack_with_the_most_free_room_over_all_its_instances_takes_the_task() -> None:
    alive = [
        presence("a", "triage", active=1),
        presence("b", "triage", active=3),
        presence("b", "triage", active=1, instance="i2"),
        presence("c", "other"),
    ]
    routed = packs.route("triage", None, "high", alive)
    assert routed is not None
    assert (routed.pack, routed.agent, routed.priority) == ("b", "agent", "high")
    assert {c.pack: c.eligible for c in routed.candidates} == {"a": True, "b": True, "c": False}


@given(st.permutations(["a", "b", "c"]))
def test_equal_packs_are_chosen_by_name_whatever_order_they_are_heard_in(order: list[str]) -> None:
    routed = packs.route("triage", None, "normal", [presence(name, "triage") for name in order])
    assert routed is not None
    assert routed.pack == "a"


def test_a_full_pack_still_takes_a_task_and_an_overfull_one_counts_as_full() -> None:
    routed = packs.route("triage", None, "normal", [presence("a", "triage", active=9), presence("b", "triage", active=4)])
    assert routed is not None
    assert routed.pack == "a"


def test_while_nothing_alive_takes_the_type_there_is_no_answer_yet() -> None:
    assert packs.route("triage", None, "normal", []) is None
    assert packs.route("triage", None, "normal", [presence("a", "other")]) is None
    assert packs.route("triage", "b", "normal", [presence("a", "triage")]) is None


def test_a_live_pack_that_was_asked_for_by_name_and_does_not_take_the_type_is_a_final_no() -> None:
    routed = packs.route("triage", "b", "normal", [presence("a", "triage"), presence("b", "other")])
    assert routed is not None
    assert routed.pack is None
    assert "b takes no triage" in routed.reason


def test_only_packs_that_policy_permits_are_considered_and_the_others_say_why_not() -> None:
    alive = [presence("a", "triage", active=0), presence("b", "triage", active=3)]
    routed = packs.route("triage", None, "normal", alive, ("b", "c"))
    assert routed is not None
    assert routed.pack == "b"
    assert [(c.pack, c.reason) for c in routed.candidates if not c.eligible] == [("a", "is not permitted by policy")]
    assert packs.route("triage", None, "normal", alive, ("c",)) is None


def test_a_live_pack_that_was_asked_for_by_name_and_is_not_permitted_is_a_final_no() -> None:
    routed = packs.route("triage", "a", "normal", [presence("a", "triage")], ())
    assert routed is not None
    assert routed.pack is None
    assert "a is not permitted by policy" in routed.reason
