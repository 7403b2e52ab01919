"""The policy service on a real broker: one verdict for everything asked, no yes when anything is amiss, nothing in clear."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from agentos.bus import Bus
from agentos.bus.server import free_port
from agentos.contracts.base import Sealed, Verdict
from agentos.contracts.budgets import Budget, ModelCatalogue, UnitPrice
from agentos.contracts.errors import RetryLater, Unavailable
from agentos.contracts.events.call import ToolCallRequested
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import PolicyEvaluator, read_bundle
from services.policy.opa import OpaEvaluator
from tests.governance.scenario import TENANT, engage, event, switch
from tests.services.policy_service.site import SECRETS, Broken, Says, Site, queued


async def test_the_shipped_rules_admit_a_known_task_and_refuse_an_unknown_type(site: Site) -> None:
    policy = await site.policy(EmbeddedEvaluator())
    await policy.on_task_queued(queued(1))
    assert (await site.admission(1)).verdict == "allow"
    await site.register("sales", "offer")
    await policy.on_task_queued(queued(2))
    denied = await site.admission(2)
    assert denied.verdict == "deny"
    assert denied.reasons


@pytest.mark.parametrize("verdict", ["allow", "deny", "hold"])
async def test_a_model_calls_verdict_holds_the_redacted_request_and_nothing_in_clear(site: Site, verdict: Verdict) -> None:
    evaluator = Says(verdict)
    policy = await site.policy(evaluator, consume=True)
    del policy
    asked = await site.call()
    await site.runner.append("call.requested", "c1", asked.data, tenant=TENANT, correlation_id="t1")
    decided = await site.decided()
    assert (decided.verdict, decided.reasons, decided.kind, decided.digest) == (verdict, ("said",), "model", "d")
    assert decided.redacted_request is not None
    assert "<EMAIL_1>" in decided.redacted_request.model_dump_json()
    assert len(decided.entities) >= 2
    recorded = await event(site.gateway, "call.c1.decided")
    assert recorded.meta.correlation_id == "t1"
    assert not [secret for secret in SECRETS if secret in recorded.data.model_dump_json()]
    assert not [secret for secret in SECRETS if secret in repr(evaluator.asked)]


async def test_a_tool_calls_verdict_shows_redacted_arguments_and_keeps_the_sealed_ones(site: Site) -> None:
    policy = await site.policy(EmbeddedEvaluator())
    asked = await site.tool(b'{"body": "write to ada@example.org", "issue": 7}')
    await policy.on_tool_requested(asked)
    decided = await site.decided(aggregate="tool")
    assert (decided.verdict, decided.kind) == ("hold", "tool")
    assert decided.redacted_arguments is not None
    assert decided.redacted_arguments["body"] == "write to <EMAIL_1>"
    assert decided.arguments == asked.payload(ToolCallRequested).arguments
    assert "ada@" not in decided.model_dump_json()


@pytest.mark.parametrize(("mode", "most"), [("hard", "0.5"), ("soft", None)])
async def test_a_call_is_obliged_to_what_hard_money_budgets_hold_back_for_it(site: Site, mode: str, most: str | None) -> None:
    price = UnitPrice(input_usd=Decimal(0), output_usd=Decimal(0), request_usd=Decimal("0.5"))
    catalogue = ModelCatalogue(providers=("mine",), aliases={"default": ("mine/m",)}, prices={"mine/m": price})
    router = await site.broker.connect("router")
    await router.bucket("models").put("catalogue", catalogue.model_dump_json().encode())
    evaluator = Says("allow")
    budget = Budget.model_validate(
        {"id": "b", "key": {"tenant": TENANT}, "metric": "usd", "limit": "10", "window": "day", "mode": mode}
    )
    evaluator.budgets = [budget.model_dump(mode="json")]
    policy = await site.policy(evaluator)
    await policy.on_call_requested(await site.call())
    decided = await site.decided()
    assert decided.obligations.get("max_cost_usd") == most
    assert [reservation.amount for reservation in decided.reservations] == [Decimal("0.5")]


async def test_an_engaged_kill_switch_denies_everything_and_says_which_and_why(site: Site) -> None:
    await engage(await site.broker.connect("gates"), switch())
    policy = await site.policy(Says("allow"))
    await policy.on_task_queued(queued())
    await policy.on_call_requested(await site.call())
    await policy.on_tool_requested(await site.tool(b"{}"))
    for reasons in (
        (await site.admission()).reasons,
        (await site.decided()).reasons,
        (await site.decided(aggregate="tool")).reasons,
    ):
        assert reasons[0] == "kill_switch"
        assert "a test" in reasons[1]


SILENT: dict[str, Callable[[], PolicyEvaluator]] = {
    "policy.unreachable": lambda: Says(Unavailable("The policy server does not answer.", code="policy.unreachable")),
    "policy.undefined": lambda: Says(Unavailable("The rule is undefined.", code="policy.undefined")),
    "policy_failed": lambda: Says(ZeroDivisionError("a defect in the evaluator")),
}


@pytest.mark.parametrize("code", SILENT)
async def test_while_no_verdict_can_be_had_the_message_waits_and_then_the_answer_is_no(site: Site, code: str) -> None:
    policy = await site.policy(SILENT[code]())
    for deliveries in (1, 2):
        with pytest.raises(RetryLater):
            await policy.on_call_requested(await site.call(deliveries=deliveries))
        with pytest.raises(RetryLater):
            await policy.on_task_queued(queued(deliveries=deliveries))
    assert await site.undecided()
    await policy.on_call_requested(await site.call(deliveries=3))
    await policy.on_tool_requested(await site.tool(b'{"body": "x"}', deliveries=3))
    await policy.on_task_queued(queued(deliveries=3))
    decided = await site.decided()
    assert (decided.verdict, decided.reasons, decided.redacted_request) == ("deny", (code,), None)
    assert (await site.decided(aggregate="tool")).reasons == (code,)
    assert (await site.admission()).reasons == (code,)


async def test_without_the_opa_server_it_is_told_to_ask_the_service_does_not_even_start() -> None:
    with pytest.raises(Unavailable):
        await OpaEvaluator.connect(f"http://127.0.0.1:{free_port()}", read_bundle())


async def test_a_redactor_that_raises_sends_nothing_anywhere(site: Site) -> None:
    policy = await site.policy(Says("allow"), Broken(), consume=True)
    del policy
    asked = await site.call()
    await site.runner.append("call.requested", "c1", asked.data, tenant=TENANT, correlation_id="t1")
    decided = await site.decided()
    assert (decided.verdict, decided.reasons, decided.redacted_request) == ("deny", ("redactor_failed",), None)


async def test_an_erased_key_a_broken_seal_and_a_name_out_of_bounds_are_denied_at_once(site: Site) -> None:
    policy = await site.policy(Says("allow"))
    await policy.on_call_requested(await site.call(call="c1", key="erased"))
    assert (await site.decided("c1")).reasons == ("key_erased",)
    await site.keys.create(TENANT, "other")
    await policy.on_call_requested(await site.call(call="c2", key="other"))
    assert (await site.decided("c2")).reasons == ("seal_broken",)
    await policy.on_tool_requested(await site.tool(b'{"body": "x"}', tool='quote " in a name'))
    assert (await site.decided(aggregate="tool")).reasons == ("bad_question",)


async def test_placeholders_stay_the_same_over_all_calls_of_a_task_family(site: Site) -> None:
    policy = await site.policy(Says("allow"))
    await policy.on_call_requested(await site.call("to ada@example.org", call="c1"))
    await policy.on_call_requested(await site.call("from bob@example.org to ada@example.org", call="c2"))
    texts = [(await site.decided(call)).redacted_request for call in ("c1", "c2")]
    assert [text.messages[0].parts[0].model_dump()["text"] for text in texts if text is not None] == [
        "to <EMAIL_1>",
        "from <EMAIL_2> to <EMAIL_1>",
    ]
    reader = await site.broker.connect("policy")
    entry = await reader.bucket("placeholders").get(f"{TENANT}.family")
    assert entry is not None
    assert entry.value is not None
    assert b"@" not in entry.value
    assert Sealed.model_validate_json(entry.value).purpose == "placeholders"


async def test_instances_that_race_give_each_value_one_placeholder_of_its_own(site: Site) -> None:
    for _ in range(3):
        await site.policy(Says("allow"), consume=True)
    for number in range(24):
        asked = await site.call(f"to person{number % 8}@example.org", call=f"c{number}")
        await site.runner.append("call.requested", f"c{number}", asked.data, tenant=TENANT, correlation_id="t1")
    by_person: dict[int, set[str]] = {}
    for number in range(24):
        request = (await site.decided(f"c{number}")).redacted_request
        assert request is not None
        by_person.setdefault(number % 8, set()).add(request.messages[0].parts[0].model_dump()["text"])
    assert all(len(found) == 1 for found in by_person.values())
    assert len({next(iter(found)) for found in by_person.values()}) == 8


async def test_an_erased_placeholder_map_begins_anew(site: Site) -> None:
    policy = await site.policy(Says("allow"))
    await policy.on_call_requested(await site.call("to ada@example.org", call="c1"))
    bus: Bus = site.broker.buses[-1]
    await bus.bucket("placeholders").delete(f"{TENANT}.family")
    await policy.on_call_requested(await site.call("to bob@example.org", call="c2"))
    assert (await site.decided("c2")).verdict == "allow"


async def test_a_question_that_comes_again_keeps_its_first_verdict(site: Site) -> None:
    evaluator = Says("deny")
    policy = await site.policy(evaluator)
    await policy.on_call_requested(await site.call())
    evaluator.answer = "allow"
    await policy.on_call_requested(await site.call(deliveries=2))
    assert (await site.decided()).verdict == "deny"
