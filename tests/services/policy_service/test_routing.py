"""Which packs may take a task and which providers may serve a call, on a real broker with the shipped rules."""

from typing import Any

import pytest

from agentos.contracts.base import Json
from agentos.contracts.errors import RetryLater
from services.policy.questions import Decision, Question, RoutingQuestion
from tests.services.policy_service.site import Says, Shipped, Site, queued


def routing(**restrictions: dict[str, Any]) -> Shipped:
    """Restrictions by pack or provider, whichever it is."""
    return Shipped(routing={"packs": restrictions, "providers": restrictions})


# --- packs ------------------------------------------------------------------------------------------------------------


async def test_an_admission_names_the_packs_that_may_take_the_task(site: Site) -> None:
    for pack, types in (("engineering", ("triage",)), ("support", ("triage", "answer")), ("sales", ("offer",))):
        await site.register(pack, *types)
    policy = await site.policy(routing(support={"trusted_only": True}))
    await policy.on_task_queued(queued())
    decided = await site.admission()
    assert (decided.verdict, decided.package) == ("allow", "agentos/admission")
    assert decided.obligations == {"packs": ["engineering"]}


async def test_a_task_that_no_pack_may_take_is_denied_with_the_reason_of_each(site: Site) -> None:
    await site.register("engineering", "triage")
    await site.register("support", "triage")
    policy = await site.policy(routing(support={"trusted_only": True}, engineering={"tenants": ["elsewhere"]}))
    await policy.on_task_queued(queued())
    decided = await site.admission()
    assert (decided.verdict, decided.package, decided.obligations) == ("deny", "agentos/routing", {})
    assert decided.reasons == ("routing.none_permitted", "routing.tenant", "routing.untrusted")


async def test_a_pack_that_was_asked_for_by_name_must_be_permitted_itself(site: Site) -> None:
    await site.register("engineering", "triage")
    await site.register("support", "triage")
    policy = await site.policy(routing(support={"trusted_only": True}))
    await policy.on_task_queued(queued(1, pack="support"))
    await policy.on_task_queued(queued(2, pack="engineering"))
    assert (await site.admission(1)).verdict == "deny"
    assert (await site.admission(2)).obligations == {"packs": ["engineering"]}


async def test_before_any_pack_is_known_a_task_is_admitted_without_a_choice(site: Site) -> None:
    policy = await site.policy(routing())
    await policy.on_task_queued(queued())
    decided = await site.admission()
    assert (decided.verdict, decided.obligations) == ("allow", {})


async def test_a_monitored_restriction_excludes_no_pack_and_is_told(site: Site) -> None:
    await site.register("support", "triage")
    shut = {"packs": {"support": {"trusted_only": True}}, "providers": {}}
    policy = await site.policy(Shipped(routing=shut, modes={"routing.trusted_only": "monitor"}))
    await policy.on_task_queued(queued())
    decided = await site.admission()
    assert (decided.obligations, decided.monitored) == ({"packs": ["support"]}, ("routing.trusted_only",))


# --- providers --------------------------------------------------------------------------------------------------------


async def test_a_call_goes_to_the_providers_that_routing_permits_for_what_is_in_it(site: Site) -> None:
    await site.serve("anthropic", "ollama", "openai")
    policy = await site.policy(routing(openai={"denied_data_classes": ["EMAIL_ADDRESS"]}, anthropic={"packs": ["sales"]}))
    await policy.on_call_requested(await site.call("to ada@example.org", call="c1"))
    await policy.on_call_requested(await site.call("nobody's data", call="c2"))
    # An alias is redacted for the cloud, and so may go anywhere that is permitted.
    assert (await site.decided("c1")).obligations["providers"] == ["ollama"]
    assert (await site.decided("c2")).obligations["providers"] == ["ollama", "openai"]


async def test_a_call_that_no_provider_may_serve_is_denied_with_the_reason_of_each(site: Site) -> None:
    await site.serve("openai")
    policy = await site.policy(routing(openai={"trusted_only": True}))
    await policy.on_call_requested(await site.call())
    decided = await site.decided()
    assert (decided.verdict, decided.package, decided.obligations) == ("deny", "agentos/routing", {})
    assert decided.reasons == ("provider.none_permitted", "routing.none_permitted", "routing.untrusted")
    assert decided.reservations == ()


async def test_what_redaction_and_routing_permit_together_may_be_nobody(site: Site) -> None:
    await site.serve("openai")

    class Local(Says):
        async def decide(self, question: Question) -> Decision:
            said = await super().decide(question)
            providers: dict[str, Json] = {"providers": ["ollama"]}
            return (
                said.model_copy(update={"obligations": said.obligations | providers})
                if question.package == "agentos/redaction"
                else said
            )

    policy = await site.policy(Local("allow"))
    await policy.on_call_requested(await site.call())
    decided = await site.decided()
    assert (decided.verdict, decided.reasons) == ("deny", ("provider.none_permitted",))


async def test_before_the_router_has_said_what_it_serves_nothing_is_added(site: Site) -> None:
    rules = routing(openai={"trusted_only": True})
    policy = await site.policy(rules)
    await policy.on_call_requested(await site.call())
    decided = await site.decided()
    assert decided.verdict == "allow"
    assert not [question for question in rules.asked if isinstance(question, RoutingQuestion)]


async def test_like_calls_and_like_tasks_ask_once_for_as_long_as_the_rules_stay(site: Site) -> None:
    await site.serve("openai")
    await site.register("engineering", "triage")
    rules = Says("allow")
    policy = await site.policy(rules)
    for number in (1, 2):
        await policy.on_call_requested(await site.call("nobody's data", call=f"c{number}"))
        await policy.on_task_queued(queued(number))
    asked = [question.kind for question in rules.asked if isinstance(question, RoutingQuestion)]
    assert sorted(asked) == ["model", "task"]


@pytest.mark.parametrize("said", [{}, {"candidates": "openai"}, {"candidates": []}, {"candidates": ["another"]}])
async def test_rules_that_permit_nobody_that_can_be_understood_permit_no_call(site: Site, said: dict[str, Json]) -> None:
    await site.serve("openai")

    class Nonsense(Says):
        async def decide(self, question: Question) -> Decision:
            answer = await super().decide(question)
            return answer.model_copy(update={"obligations": said}) if isinstance(question, RoutingQuestion) else answer

    policy = await site.policy(Nonsense("allow"))
    with pytest.raises(RetryLater):
        await policy.on_call_requested(await site.call(deliveries=2))
    await policy.on_call_requested(await site.call(deliveries=3))
    assert (await site.decided()).reasons == ("policy.nonsense",)
