"""Kill switches, pure."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import ConfirmRelease, DrillKill, EngageKill, ReleaseKill, TripKill
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.kill import (
    KillCancelled,
    KillEased,
    KillEngaged,
    KillReleased,
    KillReleaseRequested,
    KillScope,
    KillTightened,
)
from services.gates.domain import drill, kill
from services.gates.domain.kill import Switch
from tests.governance.scenario import APPROVER, OPERATOR, TENANT

THIRD = Principal(kind="api_key", id="carol", roles=("operator",))
TWO = {"global"}


def engage(scope: KillScope = "global", target: str = "*", **fields: Any) -> EngageKill:
    return EngageKill.model_validate(
        {"tenant": TENANT, "scope": scope, "target": target, "reason": "odd", "by": OPERATOR} | fields
    )


def release(by: Principal = OPERATOR, **fields: Any) -> ReleaseKill:
    return ReleaseKill.model_validate({"tenant": TENANT, "switch": "k1", "reason": "over", "by": by} | fields)


def confirm(by: Principal, request: int = 1) -> ConfirmRelease:
    return ConfirmRelease(tenant=TENANT, switch="k1", request=request, reason="agreed", by=by)


def after(*events: Contract) -> Switch:
    """The switch after ``events``, each of its kind numbered from 1."""
    counts: dict[type[Contract], int] = {}
    numbered: list[tuple[Contract, str | None]] = []
    for event in events:
        counts[type(event)] = counts.get(type(event), 0) + 1
        once = isinstance(event, KillEngaged | KillReleased)
        numbered.append((event, None if once else str(counts[type(event)])))
    return kill.fold(numbered)


def engaged(scope: KillScope = "global", target: str = "*", **fields: Any) -> KillEngaged:
    return kill.engage(engage(scope, target, **fields), Switch())


@pytest.mark.parametrize("scope", ["pack", "agent", "provider", "model", "tool", "task"])
@pytest.mark.parametrize("target", ["", "*"])
def test_a_scope_that_names_something_needs_its_name(scope: KillScope, target: str) -> None:
    with pytest.raises(Refused, match="needs a target"):
        kill.engage(engage(scope, target), Switch())


@pytest.mark.parametrize("target", ["triage", "/triage", "engineering/"])
def test_an_agent_is_named_with_its_pack(target: str) -> None:
    with pytest.raises(Refused, match="pack/agent"):
        kill.engage(engage("agent", target), Switch())


def test_the_global_scope_has_no_target_and_the_tenants_is_the_askers_own() -> None:
    assert engaged("global", "whatever").target == "*"
    assert engaged("tenant").target == TENANT
    assert engaged("tenant", TENANT).target == TENANT
    with pytest.raises(Refused, match="own people"):
        kill.engage(engage("tenant", "other"), Switch())


def test_the_same_engagement_again_is_the_same_and_another_under_its_id_is_refused() -> None:
    assert kill.engage(engage(), after(engaged())) == engaged()
    for other in (engage("pack", "p"), engage(mode="drain")):
        with pytest.raises(Refused, match="another kill switch has this id"):
            kill.engage(other, after(engaged()))


def test_a_narrow_switch_is_eased_or_released_by_one_person() -> None:
    narrow = after(engaged("pack", "p"))
    assert kill.release(narrow, release(stage="probation", share_percent=20), TWO) == KillEased(
        share_percent=20, reason="over", by=OPERATOR
    )
    assert kill.release(narrow, release(), TWO) == KillReleased(reason="over", by=OPERATOR)


@pytest.mark.parametrize("stage", ["probation", "released"])
def test_a_global_switch_takes_a_request_and_a_second_person(stage: str) -> None:
    switch = after(engaged())
    request = kill.release(switch, release(stage=stage, share_percent=5), TWO)
    assert isinstance(request, KillReleaseRequested)
    opened = kill.confirm(after(engaged(), request), confirm(APPROVER))
    assert isinstance(opened, KillEased if stage == "probation" else KillReleased)
    assert (opened.by, opened.request, opened.reason) == (APPROVER, 1, "agreed")
    assert getattr(opened, "share_percent", 5) == 5


def test_the_second_person_is_neither_who_asked_nor_who_engaged() -> None:
    asked = KillReleaseRequested(stage="released", share_percent=10, reason="over", by=APPROVER)
    switch = after(engaged(), asked)
    for same in (APPROVER, OPERATOR):
        with pytest.raises(Forbidden) as refused:
            kill.confirm(switch, confirm(same))
        assert refused.value.code == "same_person"
    assert isinstance(kill.confirm(switch, confirm(THIRD)), KillReleased)


def test_only_the_last_request_is_confirmed_and_only_once() -> None:
    """Otherwise somebody who has seen ten percent would agree to everything."""
    asked = KillReleaseRequested(stage="probation", share_percent=10, reason="over", by=OPERATOR)
    eased = KillEased(share_percent=10, reason="agreed", by=APPROVER, request=1)
    with pytest.raises(Refused, match="done or replaced"):
        kill.confirm(after(engaged(), asked, asked), confirm(APPROVER, 1))
    with pytest.raises(Refused, match="done or replaced"):
        kill.confirm(after(engaged(), asked, eased), confirm(APPROVER, 1))
    with pytest.raises(NotFound):
        kill.confirm(after(engaged()), confirm(APPROVER))


def trip(**fields: Any) -> TripKill:
    return TripKill.model_validate(
        {"tenant": TENANT, "scope": "pack", "target": "p", "trigger": "spend", "reason": "too much"} | fields
    )


def test_a_trip_ends_a_probation_and_changes_nothing_else() -> None:
    eased = KillEased(share_percent=10, reason="over", by=OPERATOR)
    tightened = kill.tighten(after(engaged("pack", "p"), eased), trip())
    assert tightened is not None
    assert tightened == KillTightened(reason="too much", by=kill.POLICY, trigger="spend")
    assert after(engaged("pack", "p"), eased, tightened).share_percent is None
    assert kill.tighten(after(engaged("pack", "p")), trip()) is None
    assert kill.tighten(after(engaged("pack", "p"), eased, KillReleased(reason="over", by=OPERATOR)), trip()) is None


def test_a_tripped_switch_says_which_trigger_and_that_the_policy_engaged_it() -> None:
    tripped = kill.trip(trip(mode="drain"))
    assert (tripped.scope, tripped.target, tripped.mode, tripped.trigger, tripped.by) == (
        "pack",
        "p",
        "drain",
        "spend",
        kill.POLICY,
    )
    with pytest.raises(Refused):
        kill.trip(trip(target="*"))


def cancelled(after_ms: float, *, confirmed: bool = True) -> KillCancelled:
    return KillCancelled(
        what="call", task="t", attempt=1, pack="p", agent="a", instance="i", after_ms=after_ms, confirmed=confirmed
    )


def test_an_account_tells_what_stopped_what_did_not_and_what_a_draining_switch_lets_finish() -> None:
    events = (cancelled(3.0), cancelled(9.0), cancelled(5.0, confirmed=False))
    halted = kill.account(after(engaged(), *events), 2)
    assert (halted.cancelled, halted.unconfirmed, halted.running, halted.last_after_ms) == (2, 3, 0, 9.0)
    drained = kill.account(after(engaged(mode="drain")), 2)
    assert (drained.cancelled, drained.unconfirmed, drained.running, drained.last_after_ms) == (0, 0, 2, None)


Action = Callable[[Switch], Contract | None]
ACTIONS: dict[str, Action] = {
    "engage": lambda switch: kill.engage(engage(), switch),
    "ask": lambda switch: kill.release(switch, release(OPERATOR), TWO),
    "ask to ease": lambda switch: kill.release(switch, release(OPERATOR, stage="probation"), TWO),
    "agree": lambda switch: kill.confirm(switch, confirm(APPROVER, max(switch.requests, default=1))),
    "agree oneself": lambda switch: kill.confirm(switch, confirm(OPERATOR, max(switch.requests, default=1))),
    "trip": lambda switch: kill.tighten(switch, trip()),
}


@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12))
def test_whatever_is_asked_in_whatever_order_a_global_switch_opens_only_by_two_persons_and_is_released_once(
    actions: list[str],
) -> None:
    events: list[Contract] = []
    for action in actions:
        try:
            made = ACTIONS[action](after(*events))
        except (Refused, NotFound, Forbidden):
            continue
        if made is not None and not (isinstance(made, KillEngaged) and made in events):
            events.append(made)
    opened = [event for event in events if isinstance(event, KillEased | KillReleased)]
    assert all(event.request is not None and event.by == APPROVER for event in opened)
    assert len([event for event in events if isinstance(event, KillReleased)]) <= 1
    assert len({event.request for event in opened}) == len(opened)


def test_a_drill_names_who_missed_a_round_and_takes_its_figures_from_what_was_seen() -> None:
    asked = DrillKill(tenant=TENANT, rounds=3, reason="monthly", by=OPERATOR)
    drilled = drill.drilled(asked, {"router.r1": [1.0, 2.0, 4.0], "worker.w1": [None, 3.0, None], "runner.gone": [None] * 3})
    by_name = {one.instance: one for one in drilled.instances}
    assert (by_name["r1"].missed, by_name["r1"].p50_ms, by_name["r1"].max_ms) == (0, 2.0, 4.0)
    assert (by_name["w1"].seen, by_name["w1"].missed, by_name["w1"].p99_ms) == (1, 2, 3.0)
    assert (by_name["gone"].seen, by_name["gone"].p50_ms) == (0, None)
    assert (drilled.p50_ms, drilled.max_ms) == (2.0, 4.0)
