"""Calls that wait for a person: the client is told to come back, and what it sends again joins the call that it made before."""

import asyncio
from typing import Any

import anthropic
import openai
import pytest

from tests.services.gateway.endpoint.world import HELD, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture(autouse=True)
def held(world: World) -> None:
    world.rules.verdict, world.rules.obligations = "hold", HELD


def calls_held(world: World) -> set[str]:
    return {entry.call for entry in world.gateway.endpoint.calls._held._entries.values()}


async def test_a_held_call_is_answered_429_in_the_clients_dialect_naming_the_approval(
    world: World, client: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    with pytest.raises(openai.RateLimitError) as told:
        await client.chat.completions.create(model="fast", messages=HELLO)
    call = told.value.response.headers["agentos-call"]
    assert told.value.code == "approval_required"
    assert told.value.response.headers["retry-after"] == "1"
    assert call in str(told.value)
    assert world.router.turns == []
    with pytest.raises(anthropic.RateLimitError) as theirs:
        await claude.messages.create(model="fast", max_tokens=9, messages=HELLO)
    body: Any = theirs.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "rate_limit_error")


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_unmodified_sdk_gets_the_answer_after_the_approval_from_one_provider_call(
    world: World, streamed: bool
) -> None:
    before = calls_held(world)

    async def approve() -> str:
        await world.until(lambda: bool(calls_held(world) - before))
        (call,) = calls_held(world) - before
        # Its client has been told to come back by now, once.
        await asyncio.sleep(0.6)
        await world.resolve(call)
        return call

    approving = asyncio.create_task(approve())
    async with openai.AsyncOpenAI(api_key=await world.key(), base_url=f"{world.url}/v1", max_retries=4) as client:
        if streamed:
            stream = await client.chat.completions.create(model="fast", messages=HELLO, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
        else:
            said = await client.chat.completions.create(model="fast", messages=HELLO)
            text = said.choices[0].message.content or ""
            assert said.id == f"chatcmpl-{await approving}"
        await approving
    assert text == "Hello"
    assert len(world.router.turns) == 1


async def test_the_same_request_after_its_answer_is_another_call(world: World) -> None:
    headers = {"authorization": f"Bearer {await world.key()}"}
    body = {"model": "fast", "messages": HELLO}
    first = await world.http.post("/v1/chat/completions", json=body, headers=headers)
    assert first.status_code == 429
    await world.resolve(first.headers["agentos-call"])
    second = await world.http.post("/v1/chat/completions", json=body, headers=headers)
    assert (second.status_code, second.headers["agentos-call"]) == (200, first.headers["agentos-call"])
    third = await world.http.post("/v1/chat/completions", json=body, headers=headers)
    assert third.status_code == 429
    assert third.headers["agentos-call"] != first.headers["agentos-call"]


async def test_another_key_does_not_join_the_held_call_of_the_first(world: World) -> None:
    body = {"model": "fast", "messages": HELLO}
    told = [
        await world.http.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {await world.key()}"})
        for _ in range(2)
    ]
    assert told[0].headers["agentos-call"] != told[1].headers["agentos-call"]


async def test_a_rejected_call_is_refused(world: World) -> None:
    headers = {"authorization": f"Bearer {await world.key()}"}
    body = {"model": "fast", "messages": HELLO}
    first = await world.http.post("/v1/chat/completions", json=body, headers=headers)
    await world.resolve(first.headers["agentos-call"], "rejected")
    second = await world.http.post("/v1/chat/completions", json=body, headers=headers)
    assert (second.status_code, second.json()["error"]["code"]) == (403, "approval_rejected")
    assert second.headers["x-should-retry"] == "false"


async def test_with_an_idempotency_key_the_same_call_is_joined_for_ever_and_another_request_is_refused(world: World) -> None:
    headers = {"authorization": f"Bearer {await world.key()}", "idempotency-key": "k1"}
    body = {"model": "fast", "messages": HELLO}
    first = await world.http.post("/v1/chat/completions", json=body, headers=headers)
    assert first.status_code == 429
    other = await world.http.post("/v1/chat/completions", json={**body, "temperature": 0.5}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    await world.resolve(first.headers["agentos-call"])
    said = [await world.http.post("/v1/chat/completions", json=body, headers=headers) for _ in range(2)]
    assert [each.status_code for each in said] == [200, 200]
    assert len(world.router.turns) == 1


async def test_a_gateway_that_was_started_again_still_finds_the_held_call(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("again")
    body = {"model": "fast", "messages": HELLO}
    async with opened(folder) as world:
        world.rules.verdict, world.rules.obligations = "hold", HELD
        key = await world.key()
        first = await world.http.post("/v1/chat/completions", json=body, headers={"x-api-key": key})
        assert first.status_code == 429
    async with opened(folder) as world:
        await world.resolve(first.headers["agentos-call"])
        second = await world.http.post("/v1/chat/completions", json=body, headers={"x-api-key": key})
        assert (second.status_code, second.headers["agentos-call"]) == (200, first.headers["agentos-call"])
        assert len(world.router.turns) == 1
