"""Model calls: one settlement each, no call that may not be made, none twice once settled."""

import asyncio

import pytest

from agentos.contracts.errors import RetryLater
from agentos.contracts.events.approval import ApprovalResolved, ApprovalRevised
from agentos.contracts.events.call import CallAbandoned, CallAttempted, ModelCallSettled
from agentos.contracts.events.kill import KillCancelled, KillScope
from agentos.contracts.events.task import TaskCancelling
from agentos.contracts.model import ModelRequest, ModelResponse, user
from agentos.ending import end
from agentos.keyring import KeyRing
from tests.governance.scenario import APPROVER, OPERATOR, TENANT, context, decision, engage, message, switch, until
from tests.loopback.provider import Answer, Garbage, Refuse, Stall, Status
from tests.services.router.conftest import Site


async def test_an_allowed_call_is_settled_with_the_sealed_answer_its_usage_and_its_cost(site: Site) -> None:
    site.provider.always(Answer(text="Dear <EMAIL_1>"))
    await site.decide("c1")
    settled = await site.settled("c1")
    assert (settled.outcome, settled.provider, settled.attempts) == ("completed", "openai", 1)
    assert settled.usage.input_tokens > 0
    assert settled.cost is not None
    assert settled.cost.priced
    assert settled.cost.usd > 0
    assert settled.placeholders == decision().placeholders
    assert settled.response is not None
    opened = await KeyRing(site.gateway, site.master).open_model(TENANT, "call.response", settled.response, ModelResponse)
    assert opened.text == "Dear <EMAIL_1>"
    raw = await site.gateway.get(f"evt.{TENANT}.call.c1.settled")
    assert raw is not None
    assert raw.meta.correlation_id == "t1"
    assert "Dear" not in raw.data.model_dump_json()


async def test_a_denied_call_is_settled_refused_with_the_reasons_and_reaches_no_provider(site: Site) -> None:
    await site.decide("c1", "deny")
    settled = await site.settled("c1")
    assert (settled.outcome, settled.reasons, settled.attempts) == ("refused", ("because",), 0)
    assert site.provider.requests == []


@pytest.mark.parametrize(
    ("outcome", "digest", "ends", "reasons"),
    [
        ("approved", None, "completed", ()),
        ("approved", "another", "refused", ("approval_digest_differs",)),
        ("rejected", None, "refused", ("approval_rejected",)),
        ("expired", None, "refused", ("approval_expired",)),
    ],
)
async def test_a_held_call_waits_for_its_approval_and_does_what_it_says(
    site: Site, outcome: str, digest: str | None, ends: str, reasons: tuple[str, ...]
) -> None:
    await site.decide("c1", "hold")
    resolved = ApprovalResolved.model_validate(
        {"context": context(), "kind": "model", "outcome": outcome, "by": APPROVER, "digest": digest or decision().digest}
    )
    assert await site.gateway.get(f"evt.{TENANT}.call.c1.settled") is None
    await site.gates.append("approval.resolved", "c1", resolved, tenant=TENANT, correlation_id="t1")
    settled = await site.settled("c1")
    assert (settled.outcome, settled.reasons) == (ends, reasons)
    assert len(site.provider.requests) == (1 if ends == "completed" else 0)


async def test_an_approved_call_whose_client_had_gone_before_this_router_began_is_cancelled_and_reaches_no_provider(
    site: Site,
) -> None:
    await site.gateway.append("call.abandoned", "c1", CallAbandoned(reason="key_revoked"), tenant=TENANT, correlation_id="t1")
    await site.decide("c1", "hold")
    _, router, _, _ = await site.parts()
    resolved = ApprovalResolved(context=context(), kind="model", outcome="approved", by=APPROVER, digest=decision().digest)
    await router.on_approval_resolved(message("approval.resolved", (TENANT, "c1"), resolved, correlation_id="t1"))
    settled = await site.settled("c1")
    assert settled.fault is not None
    assert (settled.outcome, settled.fault.code, settled.attempts, settled.cost) == ("cancelled", "abandoned", 0, None)
    assert site.provider.requests == []


@pytest.mark.parametrize(
    ("verdict", "digest", "ends"),
    [("hold", "edited", "completed"), ("deny", "edited", "refused"), ("hold", "another", "refused")],
)
async def test_an_edit_that_was_approved_is_what_the_provider_gets_and_any_other_is_nothing(
    site: Site, verdict: str, digest: str, ends: str
) -> None:
    await site.decide("c1", "hold")
    revised = ApprovalRevised.model_validate(
        {
            "context": context(), "by": APPROVER, "base_digest": decision().digest, "digest": digest, "verdict": verdict,
            "reasons": (), "rules": (), "bundle": "b", "model": "openai/gpt-5-mini",
            "redacted_request": ModelRequest(model="openai/gpt-5-mini", messages=(user("Edited for <EMAIL_1>"),)),
            "placeholders": decision().placeholders,
        }
    )  # fmt: skip
    await site.policy.append("approval.revised", "c1", revised, tenant=TENANT, ordinal=1, correlation_id="t1")
    resolved = ApprovalResolved(context=context(), kind="model", outcome="approved", by=APPROVER, digest="edited", revision=1)
    await site.gates.append("approval.resolved", "c1", resolved, tenant=TENANT, correlation_id="t1")
    assert (await site.settled("c1")).outcome == ends
    assert ["Edited for" in request.body.decode() for request in site.provider.requests] == (
        [True] if ends == "completed" else []
    )


async def _attempts(site: Site, call: str) -> list[CallAttempted]:
    return [one.data for one in await site.gateway.load(TENANT, "call", call) if isinstance(one.data, CallAttempted)]


async def test_a_passing_fault_is_noted_and_tried_again(site: Site) -> None:
    site.provider.script(Status(500))
    await site.decide("c1")
    settled = await site.settled("c1")
    assert (settled.outcome, settled.attempts) == ("completed", 2)
    (attempted,) = await _attempts(site, "c1")
    assert (attempted.target, attempted.next, attempted.provider_status) == ("openai/gpt-5-mini", "openai/gpt-5-mini", 500)
    assert attempted.delay_ms > 0


async def test_the_next_provider_of_the_chain_takes_over_and_the_permitted_ones_only(site: Site) -> None:
    site.provider.script(Garbage())
    await site.decide("c1", model="default")
    settled = await site.settled("c1")
    assert (settled.outcome, settled.attempts) == ("completed", 2)
    (attempted,) = await _attempts(site, "c1")
    assert attempted.next == "second/gpt-5-mini"
    site.provider.script(Garbage())
    await site.decide("c2", model="default", obligations={"providers": ["openai"]})
    assert (await site.settled("c2")).outcome == "failed"
    assert len(site.provider.requests) == 3


@pytest.mark.parametrize("behaviour", [Status(400), Garbage(), Refuse()])
async def test_what_no_attempt_can_mend_settles_failed_with_the_fault(site: Site, behaviour: Status | Garbage | Refuse) -> None:
    site.provider.always(behaviour)
    await site.decide("c1")
    settled = await site.settled("c1")
    assert settled.outcome == "failed"
    assert settled.fault is not None
    assert len(site.provider.requests) == settled.attempts


async def test_a_model_that_nobody_serves_and_a_decision_without_a_request_settle_failed(site: Site) -> None:
    await site.decide("c1", model="mystery/model")
    await site.decide("c2", redacted_request=None)
    faults = [(await site.settled(call)).fault for call in ("c1", "c2")]
    assert [fault.code for fault in faults if fault is not None] == ["no_provider", "decision_incomplete"]


async def test_an_adapters_defect_settles_the_call_instead_of_leaving_it_open(site: Site) -> None:
    await site.decide("c1", model="broken/m")
    fault = (await site.settled("c1")).fault
    assert fault is not None
    assert fault.code == "adapter_failed"


async def test_an_answer_whose_key_was_erased_meanwhile_is_settled_with_its_cost_and_without_its_text(site: Site) -> None:
    erased = decision().placeholders
    assert erased is not None
    await site.decide("c1", placeholders=erased.model_copy(update={"key": "gone"}))
    settled = await site.settled("c1")
    assert settled.fault is not None
    assert (settled.outcome, settled.response, settled.fault.code) == ("failed", None, "key_erased")
    assert settled.cost is not None
    assert settled.cost.usd > 0


async def test_a_call_that_is_settled_is_never_made_again_however_often_its_message_comes(site: Site) -> None:
    """The crash after the settlement: the acknowledgement was lost. And the one before it: the same call is made again."""
    _, router, _, _ = await site.parts()
    lost = message("call.decided", (TENANT, "c1"), decision(), correlation_id="t1")
    await router.on_call_decided(lost)
    again = message("call.decided", (TENANT, "c1"), decision(), correlation_id="t1", deliveries=2)
    await router.on_call_decided(again)
    assert len(site.provider.requests) == 1
    site.provider.always(Stall())
    dying = asyncio.create_task(router.on_call_decided(message("call.decided", (TENANT, "c2"), decision())))
    await site.provider.wait_for(in_flight=1)
    await end(dying)
    site.provider.always(Answer())
    await router.on_call_decided(message("call.decided", (TENANT, "c2"), decision(), deliveries=2))
    assert (await site.settled("c2")).outcome == "completed"
    keys = [request.headers.get("idempotency-key") for request in site.provider.requests[1:]]
    assert len(set(keys)) == 1


async def test_the_kill_switch_cancels_twenty_calls_in_flight_and_no_call_starts_afterwards(site: Site) -> None:
    site.provider.always(Stall())
    for number in range(20):
        await site.decide(f"c{number}")
    await site.provider.wait_for(in_flight=20)
    await engage(site.gates, switch())
    for number in range(20):
        settled = await site.settled(f"c{number}")
        assert settled.outcome == "cancelled"
        assert settled.fault is not None
        assert "a test" in settled.fault.message
    await site.provider.wait_for(in_flight=0)
    for number in range(20, 40):
        await site.decide(f"c{number}")
    for number in range(20, 40):
        settled = await site.settled(f"c{number}")
        assert (settled.outcome, settled.reasons) == ("refused", ("kill_switch",))
    assert len(site.provider.requests) == 20
    await site.gates.bucket("kill").delete("k1")
    site.provider.always(Answer())
    await until(lambda: _released(site))


async def _released(site: Site) -> bool:
    call = f"after{len(site.provider.requests)}-{id(object())}"
    await site.decide(call)
    return (await site.settled(call)).outcome == "completed"


async def test_a_switch_for_another_pack_or_provider_touches_nothing(site: Site) -> None:
    await engage(site.gates, switch("pack", "sales", id_="k1"))
    await engage(site.gates, switch("provider", "gemini", id_="k2"))
    await site.decide("c1")
    assert (await site.settled("c1")).outcome == "completed"


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ("agent", "engineering/a"),
        ("provider", "openai"),
        ("model", "openai/gpt-5-mini"),
        ("model", "default"),
    ],
)
async def test_what_a_switch_cancels_is_told_one_by_one_before_it_is_settled(site: Site, scope: KillScope, target: str) -> None:
    """The model is asked for by an alias: the switch may name either."""
    site.provider.always(Stall())
    await asyncio.gather(*(site.decide(f"c{number}", model="default") for number in range(3)))
    await site.provider.wait_for(in_flight=3)
    await engage(site.gates, switch(scope, target))
    for number in range(3):
        settled = await until(lambda number=number: site.gateway.get(f"evt.{TENANT}.call.c{number}.settled"))
        told = await site.gateway.get(f"evt.{TENANT}.kill.k1.call-cancelled.c{number}")
        assert told is not None
        assert told.seq < settled.seq
        cancelled = told.payload(KillCancelled)
        assert (cancelled.what, cancelled.task, cancelled.pack, cancelled.confirmed) == ("call", "t1", "engineering", True)
        assert cancelled.instance == site.bus.instance
    await site.decide("late", model="default")
    late = await site.settled("late")
    assert (late.outcome, late.attempts) == ("refused", 0)


async def test_draining_a_pack_lets_the_calls_of_its_attempts_go_on(site: Site) -> None:
    await engage(site.gates, switch("pack", "engineering", mode="drain"))
    await until(lambda: _hears(site))
    await site.decide("c1")
    assert (await site.settled("c1")).outcome == "completed"


async def test_draining_a_provider_lets_a_call_finish_and_no_other_begin(site: Site) -> None:
    site.provider.always(Stall())
    await site.decide("c1")
    await site.provider.wait_for(in_flight=1)
    await engage(site.gates, switch("provider", "openai", mode="drain"))
    await until(lambda: _hears(site))
    await site.decide("c2")
    assert (await site.settled("c2")).reasons == ("kill_switch",)
    assert site.provider.in_flight == 1
    assert await site.gateway.get(f"evt.{TENANT}.call.c1.settled") is None


async def _hears(site: Site) -> bool:
    return bool(site.routers[0][0].entries)


async def test_the_kill_switch_reaches_the_pause_before_the_next_attempt(site: Site) -> None:
    site.provider.script(Status(429, {"retry-after": "25"}))
    await site.decide("c1")
    await until(lambda: _attempts(site, "c1"))
    await engage(site.gates, switch("task", "t1"))
    assert (await site.settled("c1")).outcome == "cancelled"
    assert len(site.provider.requests) == 1


async def test_while_the_kill_switch_cannot_be_seen_no_call_starts(site: Site) -> None:
    bus, router, _, kill = await site.parts()
    await site.broker.server.stop()
    while bus.connected:
        await asyncio.sleep(0.01)
    # Whichever is missed first, the switch or the settlement that may stand already: nothing starts.
    with pytest.raises(RetryLater):
        await router.on_call_decided(message("call.decided", (TENANT, "c1"), decision()))
    assert not kill.synchronised
    assert site.provider.requests == []
    await site.broker.server.start()
    await until(lambda: _synchronised(kill))


async def _synchronised(kill: object) -> bool:
    return bool(getattr(kill, "synchronised", False))


async def test_a_cancelled_task_loses_its_call_in_flight_and_starts_no_other_but_its_next_attempt_does(site: Site) -> None:
    orchestrator = await site.broker.connect("orchestrator")
    site.provider.always(Stall())
    await site.decide("c1")
    await site.decide("other", task="t2")
    await site.provider.wait_for(in_flight=2)
    stop = TaskCancelling(outcome="cancelled", reason="enough", by=OPERATOR)
    await orchestrator.append("task.cancelling", "t1", stop, ordinal=1, tenant=TENANT, correlation_id="t1")
    assert (await site.settled("c1")).outcome == "cancelled"
    site.provider.always(Answer())
    await site.decide("c2")
    assert (await site.settled("c2")).outcome == "cancelled"
    await site.decide("c3", context=context("t1", attempt=2))
    assert (await site.settled("c3")).outcome == "completed"
    assert site.provider.in_flight == 1
    assert await site.gateway.get(f"evt.{TENANT}.call.other.settled") is None


async def test_a_call_that_comes_again_after_its_task_was_cancelled_elsewhere_is_not_made(site: Site) -> None:
    orchestrator = await site.broker.connect("orchestrator")
    stop = TaskCancelling(outcome="cancelled", reason="enough", by=OPERATOR)
    await orchestrator.append("task.cancelling", "t1", stop, ordinal=1, tenant=TENANT, correlation_id="t1")
    _, router, _, _ = await site.parts()
    await router.on_call_decided(message("call.decided", (TENANT, "c1"), decision(), deliveries=2))
    settled = await site.gateway.get(f"evt.{TENANT}.call.c1.settled")
    assert settled is not None
    assert settled.payload(ModelCallSettled).outcome == "cancelled"
    assert site.provider.requests == []
