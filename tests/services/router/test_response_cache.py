"""Answers that are given again: to the same request of the same tenant and to no other, while the data of whoever paid for them live."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.model import ModelRequest, ModelResponse, ToolCallPart, ToolSpec, user
from agentos.keyring import KeyRing
from agentos.sealing import MasterKey
from services.router.configuration import Configuration
from tests.conftest import Broker
from tests.governance.scenario import SEALED, TENANT, context, decision, engage, switch, until
from tests.loopback.provider import Answer, LoopbackProvider, Stall, Status
from tests.services.router.conftest import Site

CACHED: dict[str, Any] = {
    "aliases": {
        "default": {"targets": ["openai/gpt-5-mini", "second/gpt-5-mini"], "cache": {"ttl_s": 3600}},
        "acting": {"targets": ["openai/gpt-5-mini"], "cache": {"ttl_s": 3600, "tool_calls": True}},
        "brief": {"targets": ["openai/gpt-5-mini"], "cache": {"ttl_s": 1}},
        "fresh": {"targets": ["openai/gpt-5-mini"]},
    },
    "retries": {"tries_per_target": 1},
}

FILTERED = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-5-mini",
    "choices": [{"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant", "content": "Half"}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}  # fmt: skip


@pytest.fixture
async def site(broker: Broker, tmp_path: Path) -> AsyncIterator[Site]:
    async with LoopbackProvider(latency=0.1) as provider:
        made = Site(broker, MasterKey.load_or_create(tmp_path / "keys" / "master.key"), provider)
        made.configuration = Configuration.model_validate(CACHED)
        await made.start()
        await KeyRing(made.gateway, made.master).create(TENANT, "others")
        provider.always(Answer(text="Dear <EMAIL_1>, yes."))
        yield made
        await made.stop()


def asked(text: str = "Write to <EMAIL_1>", model: str = "default", **fields: Any) -> dict[str, Any]:
    """What policy decided on: a redacted request, and whose vault restores it."""
    whose = SEALED.model_copy(update={"key": fields.pop("family", "family"), "purpose": "placeholders"})
    request = ModelRequest(model=model, messages=(user(text),), **fields.pop("request", {}))
    return {"model": model, "redacted_request": request, "placeholders": whose, **fields}


async def call(site: Site, name: str, **fields: Any) -> ModelCallSettled:
    await site.decide(name, **asked(**fields))
    return await site.settled(name)


async def opened(site: Site, settled: ModelCallSettled) -> str:
    assert settled.response is not None
    found = await KeyRing(site.gateway, site.master).open_model(TENANT, "call.response", settled.response, ModelResponse)
    return found.text


async def kept(site: Site) -> int:
    return len(await site.bus.bucket("responses").entries(f"{TENANT}."))


async def until_kept(site: Site, count: int = 1) -> None:
    async with asyncio.timeout(120):
        while await kept(site) < count:
            await asyncio.sleep(0.01)


async def test_the_same_request_is_answered_again_without_a_provider_and_without_cost(site: Site) -> None:
    first = await call(site, "c1")
    await until_kept(site)
    again = await call(site, "c2")
    assert len(site.provider.requests) == 1
    assert first.cached is None
    assert first.cost is not None
    assert again.cached is not None
    assert (again.cached.call, again.cached.saved, again.cached.saved_usage) == ("c1", first.cost, first.usage)
    assert (again.outcome, again.attempts, again.cost, again.last) == ("completed", 0, None, None)
    assert (again.usage.input_tokens, again.usage.output_tokens) == (0, 0)
    assert (again.provider, again.model, again.finish_reason) == (first.provider, first.model, first.finish_reason)
    assert await opened(site, again) == "Dear <EMAIL_1>, yes."
    streamed = await call(site, "c3", stream=True)
    assert streamed.cached is not None, "a stream gets it from the settlement"


async def test_no_value_of_one_task_reaches_another_that_asks_the_same_about_somebody_else(site: Site) -> None:
    """Of two people both requests say <EMAIL_1>. The answer does too, and each settlement carries its own task's vault and key."""
    await call(site, "c1")
    await until_kept(site)
    other = await call(site, "c2", family="others")
    assert other.cached is not None
    assert other.response is not None
    assert other.placeholders is not None
    assert (other.response.key, other.placeholders.key) == ("others", "others")
    assert await opened(site, other) == "Dear <EMAIL_1>, yes."
    (entry,) = await site.bus.bucket("responses").entries(f"{TENANT}.")
    assert b"Dear" not in (entry.value or b""), "sealed where it is kept"
    assert SEALED.ciphertext not in (entry.value or b""), "and no vault beside it"


ASKS_FOR_A_TOOL = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-5-mini",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": "{\"to\": \"<EMAIL_1>\"}"}},
    ]}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}  # fmt: skip


@pytest.mark.parametrize(("model", "kept_too"), [("acting", True), ("default", False)])
async def test_an_answer_that_asks_for_tools_is_kept_where_it_is_switched_on_and_for_its_own_tenant_alone(
    site: Site, model: str, kept_too: bool
) -> None:
    site.provider.always(Answer(body=ASKS_FOR_A_TOOL))
    await KeyRing(site.gateway, site.master).create("acme", "family")
    tools = {"tools": (ToolSpec(name="send", description="", parameters={"type": "object"}),)}
    first = await call(site, "c1", model=model, request=tools)
    assert first.finish_reason == "tool_calls"
    if kept_too:
        await until_kept(site)
    again = await call(site, "c2", model=model, request=tools)
    assert (again.cached is not None) is kept_too
    asked_so_far = len(site.provider.requests)
    decided = decision(**asked(model=model, request=tools))
    await site.policy.append("call.decided", "c3", decided, tenant="acme", correlation_id="t1")
    other = await until(lambda: site.gateway.get("evt.acme.call.c3.settled"))
    assert other.payload(ModelCallSettled).cached is None
    assert len(site.provider.requests) == asked_so_far + 1
    if kept_too:
        assert again.response is not None
        opened_again = await KeyRing(site.gateway, site.master).open_model(
            TENANT, "call.response", again.response, ModelResponse
        )
        assert opened_again.parts == (ToolCallPart(id="call_1", name="send", arguments={"to": "<EMAIL_1>"}),)


async def test_an_answer_is_gone_with_the_data_of_the_task_that_paid_for_it(site: Site) -> None:
    await call(site, "c1")
    await until_kept(site)
    await KeyRing(site.gateway, site.master).erase(TENANT, "family")
    # Data keys are remembered for a second.
    await asyncio.sleep(1.1)
    again = await call(site, "c2", family="others")
    assert again.cached is None
    assert len(site.provider.requests) == 2


@pytest.mark.parametrize(
    "different",
    [
        {"text": "Write to <EMAIL_2>"},
        {"request": {"seed": 7}},
        {"request": {"max_output_tokens": 9}},
        {"request": {"reuse": False}},
        {"obligations": {"cache": False}},
        {"obligations": {"cache": "no"}},
        {"obligations": {"providers": ["second"]}},
        {"obligations": {"models": ["openai/gpt-5-mini"]}},
        {"model": "fresh"},
    ],
)
async def test_another_request_or_one_that_may_not_have_it_is_asked_of_a_provider(
    site: Site, different: dict[str, Any]
) -> None:
    await call(site, "c1")
    await until_kept(site)
    assert (await call(site, "c2", **different)).cached is None
    assert len(site.provider.requests) == 2


async def test_an_answer_is_kept_for_as_long_as_the_configuration_says(site: Site) -> None:
    await call(site, "c1", model="brief")
    await until_kept(site)
    await asyncio.sleep(1.1)
    assert (await call(site, "c2", model="brief")).cached is None


@pytest.mark.parametrize("behaviour", [Answer(body=FILTERED), Status(400)])
async def test_what_is_no_whole_answer_is_not_kept(site: Site, behaviour: Any) -> None:
    site.provider.always(behaviour)
    await call(site, "c1")
    await call(site, "c2")
    assert await kept(site) == 0


async def test_equal_requests_at_the_same_time_are_asked_once(site: Site) -> None:
    for number in range(5):
        await site.decide(f"c{number}", **asked())
    settled = [await site.settled(f"c{number}") for number in range(5)]
    assert sum(each.cached is None for each in settled) == 1
    assert len(site.provider.requests) == 1


async def test_those_that_waited_for_a_request_that_failed_go_on_together(site: Site) -> None:
    site.provider.always(Status(400))
    for number in range(4):
        await site.decide(f"c{number}", **asked())
    settled = [await site.settled(f"c{number}") for number in range(4)]
    assert {each.outcome for each in settled} == {"failed"}
    assert all(each.attempts for each in settled)


async def test_a_call_that_waits_for_anothers_answer_is_stopped_at_once(site: Site) -> None:
    site.provider.always(Stall())
    await site.decide("first", **asked())
    await site.provider.wait_for(in_flight=1)
    await site.decide("waits", **asked(context=context("t2")))
    stops = site.calls[0].stops
    await until(lambda: _found((TENANT, "waits") in stops.flights))
    await engage(site.gates, switch("task", "t2"))
    settled = await site.settled("waits")
    assert (settled.outcome, settled.attempts) == ("cancelled", 0)
    assert await site.gateway.get(f"evt.{TENANT}.call.first.settled") is None


async def _found(there: bool) -> bool:
    return there


async def test_the_kill_switch_stops_a_call_whose_answer_is_kept(site: Site) -> None:
    await call(site, "c1")
    await until_kept(site)
    kill = site.routers[0][0]
    await engage(site.gates, switch("pack", context().pack))
    async with asyncio.timeout(120):
        while not kill.entries:
            await asyncio.sleep(0.01)
    refused = await call(site, "c2")
    assert (refused.outcome, refused.reasons, refused.cached) == ("refused", ("kill_switch",), None)
