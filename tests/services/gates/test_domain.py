"""Kill switches, pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Contract
from agentos.contracts.commands import EngageKill
from agentos.contracts.errors import NotFound, Refused
from agentos.contracts.events.governance import KillEngaged, KillReleased, KillScope
from services.gates.domain import kill as switches
from tests.governance.scenario import OPERATOR, TENANT


def engage(scope: KillScope, target: str = "*") -> EngageKill:
    return EngageKill(tenant=TENANT, scope=scope, target=target, reason="a drill", by=OPERATOR)


@pytest.mark.parametrize("scope", ["pack", "provider", "task"])
@pytest.mark.parametrize("target", ["", "*"])
def test_a_scope_that_names_something_needs_its_name(scope: KillScope, target: str) -> None:
    with pytest.raises(Refused, match="needs a target"):
        switches.engage(engage(scope, target), [])


def test_the_global_scope_has_no_target_and_the_tenants_is_the_askers_own() -> None:
    assert switches.engage(engage("global", "whatever"), []).target == "*"
    assert switches.engage(engage("tenant"), []).target == TENANT
    assert switches.engage(engage("tenant", TENANT), []).target == TENANT
    with pytest.raises(Refused, match="own people"):
        switches.engage(engage("tenant", "other"), [])


def test_the_same_engagement_again_is_the_same_and_another_under_its_id_is_refused() -> None:
    engaged = switches.engage(engage("global"), [])
    assert switches.engage(engage("global"), [engaged]) == engaged
    with pytest.raises(Refused, match="another kill switch has this id"):
        switches.engage(engage("pack", "p"), [engaged])


@given(st.lists(st.sampled_from(["engage", "release"]), max_size=8))
def test_a_switch_is_released_only_when_engaged_and_only_once(actions: list[str]) -> None:
    events: list[Contract] = []
    for action in actions:
        if action == "engage":
            engaged = switches.engage(engage("global"), events)
            events += [] if engaged in events else [engaged]
            continue
        try:
            events.append(switches.release(events, "over", OPERATOR))
        except NotFound:
            assert not events
        except Refused:
            assert any(isinstance(event, KillReleased) for event in events)
    assert len([event for event in events if isinstance(event, KillEngaged)]) <= 1
    assert len([event for event in events if isinstance(event, KillReleased)]) <= 1
