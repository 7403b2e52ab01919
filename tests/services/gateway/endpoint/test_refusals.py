"""Calls that bring no answer: each refusal and failure in the client's own dialect, with our reason and the event's id."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import openai
import pytest

from agentos.contracts.agents import AgentRecord, AgentState, agent_id
from agentos.contracts.base import Fault
from agentos.contracts.budgets import Budget
from agentos.contracts.model import ModelResponse, TextDelta
from agentos.killswitch import KillEntry
from tests.services.gateway.endpoint.world import BY, TENANT, Failed, Turn, World, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO: Any = [{"role": "user", "content": "Hello"}]


async def test_a_denial_is_a_permission_error_with_reason_call_and_event(
    world: World, client: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    world.rules.verdict = "deny"
    with pytest.raises(openai.PermissionDeniedError) as told:
        await client.chat.completions.create(model="fast", messages=HELLO)
    assert told.value.code == "rule.of_the_test"
    ours = told.value.body["agentos"]  # type: ignore[index]
    settled = await world.fact("call", ours["call"], "settled")
    assert (ours["event"], ours["reasons"]) == (settled.meta.event_id, ["rule.of_the_test"])
    with pytest.raises(anthropic.PermissionDeniedError) as theirs:
        await claude.messages.create(model="fast", max_tokens=9, messages=HELLO)
    body: Any = theirs.value.body
    assert body["error"]["type"] == "permission_error"
    assert body["request_id"] == theirs.value.response.headers["agentos-call"] == theirs.value.request_id


async def test_a_kill_switch_does_not_make_clients_hammer(world: World, client: openai.AsyncOpenAI) -> None:
    entry = KillEntry(
        switch="s1", tenant=TENANT, scope="pack", target="support", reason="drill", by=BY, engaged_at=datetime.now(UTC)
    )
    gates = await _gates(world)
    await gates.put("s1", entry.model_dump_json().encode())
    try:
        await world.until(lambda: bool(world.policy._kill.entries))
        with pytest.raises(openai.PermissionDeniedError) as told:
            await client.chat.completions.create(model="fast", messages=HELLO)
        assert told.value.code == "kill_switch"
        assert told.value.response.headers["x-should-retry"] == "false"
    finally:
        await gates.delete("s1")
        await world.until(lambda: not world.policy._kill.entries)


async def _gates(world: World) -> Any:
    return world.gates_bus.bucket("kill")


async def test_a_models_list_is_held_to_by_policy(world: World) -> None:
    async with openai.AsyncOpenAI(api_key=await world.key(models=("anthropic/*",)), base_url=f"{world.url}/v1") as client:
        with pytest.raises(openai.NotFoundError) as told:
            await client.chat.completions.create(model="fast", messages=HELLO)
        assert told.value.code == "model_not_found"
        await client.chat.completions.create(model="claude-fast", messages=HELLO)
    assert world.router.turns[0].request.model == "anthropic/claude-fast"


async def test_an_unknown_model_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="nobody/knows", messages=HELLO)


async def test_a_keys_own_budgets_limit_it(world: World) -> None:
    record, key = await world.key_and_record()
    whose = {"tenant": TENANT, "api_key": record.id}
    budgets = (
        Budget(id="key-requests-minute", key=whose, metric="requests", limit=1, window="minute", mode="hard", wait_s=0),  # type: ignore[arg-type]
    )
    _, key = await world.key_and_record(budgets=budgets)
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{world.url}/v1", max_retries=0) as client:
        await client.chat.completions.create(model="fast", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as told:
            await client.chat.completions.create(model="fast", messages=HELLO)
        assert told.value.code == "rate_limit_exceeded"
        assert 0 < int(told.value.response.headers["retry-after"]) <= 60
    dear = (Budget(id="key-usd-month", key=whose, metric="usd", limit="0.000001", window="month", mode="hard", wait_s=0),)  # type: ignore[arg-type]
    async with openai.AsyncOpenAI(api_key=await world.key(budgets=dear), base_url=f"{world.url}/v1") as client:
        with pytest.raises(openai.RateLimitError) as told:
            await client.chat.completions.create(model="fast", messages=HELLO)
        # Not retried, although the SDK would: it is not over soon.
        assert told.value.code == "insufficient_quota"
    assert len(world.router.turns) == 1


async def test_a_revoked_and_an_expired_key_open_nothing(world: World) -> None:
    record, key = await world.key_and_record()
    await world.gateway.endpoint.virtual_keys.revoke(record.id, TENANT, BY)
    await world.until(lambda: world.gateway.endpoint.virtual_keys.table.known(record.id).revoked_at is not None)  # type: ignore[union-attr]
    late = await world.key(expires_at=datetime.now(UTC) + timedelta(milliseconds=1))
    for each in (key, late):
        async with anthropic.AsyncAnthropic(api_key=each, base_url=world.url) as claude:
            with pytest.raises(anthropic.AuthenticationError):
                await claude.messages.create(model="fast", max_tokens=9, messages=HELLO)


async def test_an_agent_that_is_paused_or_taken_off_makes_no_call(world: World) -> None:
    key, kept = await world.key(pack="crew", agent="scout"), f"{TENANT}.{agent_id('crew', 'scout')}"
    standing: list[tuple[AgentState, str]] = [("paused", "agent_paused"), ("unregistered", "agent_unregistered")]
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{world.url}/v1") as client:
        for state, code in standing:
            record = AgentRecord(
                tenant=TENANT,
                pack="crew",
                agent="scout",
                kind="external",
                state=state,
                revision=1,
                changed_at=datetime.now(UTC),
            )
            await world.router.bus.bucket("agents").put(kept, record.model_dump_json().encode())
            await world.until(lambda state=state: world.policy.agents.known(TENANT, "crew", "scout") == state)
            with pytest.raises(openai.PermissionDeniedError) as told:
                await client.chat.completions.create(model="fast", messages=HELLO)
            assert told.value.code == code
        await world.router.bus.bucket("agents").delete(kept)
    assert world.router.turns == []


@pytest.mark.parametrize(
    ("fault", "last", "status", "code"),
    [
        ("rate_limit_exceeded", {"error_kind": "wait", "provider_status": 429}, 429, "rate_limit_exceeded"),
        ("context_length_exceeded", {"error_kind": "never", "provider_status": 400}, 400, "context_length_exceeded"),
        ("invalid_schema", {"error_kind": "never", "provider_status": 400}, 400, "invalid_schema"),
        ("model_not_found", {"error_kind": "other_provider", "provider_status": 404}, 404, "model_not_found"),
        ("invalid_api_key", {"error_kind": "needs_operator", "provider_status": 401}, 502, "invalid_api_key"),
        ("overloaded_error", {"error_kind": "retry", "provider_status": 529}, 503, "overloaded_error"),
        ("timeout", {"error_kind": "retry"}, 504, "timeout"),
        ("schema_not_object", {"error_kind": "other_provider"}, 400, "schema_not_object"),
        ("bad_answer", {"error_kind": "other_provider", "provider_status": 200}, 502, "bad_answer"),
        ("adapter_failed", {"error_kind": "other_provider"}, 502, "adapter_failed"),
        ("breaker_open", {"error_kind": "other_provider"}, 503, "breaker_open"),
        ("cannot_serve", {}, 400, "cannot_serve"),
        ("unreachable", {"error_kind": "retry"}, 502, "unreachable"),
    ],
)
async def test_failures_of_the_provider_are_mapped(
    world: World, client: openai.AsyncOpenAI, fault: str, last: dict[str, Any], status: int, code: str
) -> None:
    async def play(turn: Turn) -> ModelResponse:
        raise Failed(Fault(code=fault, message=f"openai: {fault}"), **last)

    world.router.play = play
    with pytest.raises(openai.APIStatusError) as told:
        await client.chat.completions.create(model="fast", messages=HELLO)
    assert (told.value.status_code, told.value.code) == (status, code)
    # The same before anything of a stream was sent.
    with pytest.raises(openai.APIStatusError) as told:
        await client.chat.completions.create(model="fast", messages=HELLO, stream=True)
    assert told.value.status_code == status


async def test_a_failure_in_the_middle_of_a_stream_is_told_in_the_dialects_way(
    world: World, client: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    read = asyncio.Event()

    async def play(turn: Turn) -> ModelResponse:
        await turn.say(TextDelta(text="Half of "))
        await read.wait()
        raise Failed(Fault(code="unreachable", message="openai: the connection broke"))

    world.router.play = play

    async def chat() -> None:
        async for chunk in await client.chat.completions.create(model="fast", messages=HELLO, stream=True):
            if chunk.choices[0].delta.content:
                read.set()

    async def messages() -> None:
        async with claude.messages.stream(model="fast", max_tokens=9, messages=HELLO) as events:
            async for _ in events.text_stream:
                read.set()

    with pytest.raises(openai.APIError, match="the connection broke"):
        await chat()
    read.clear()
    with pytest.raises(anthropic.APIStatusError, match="the connection broke"):
        await messages()
    read.clear()
    failed = []
    async for event in await client.responses.create(model="fast", input="Hello", stream=True):
        if event.type == "response.output_text.delta":
            read.set()
        failed.append(event.type)
    assert failed[-2:] == ["error", "response.failed"]


async def test_an_answer_that_policy_withholds_is_not_shown_nor_streamed(world: World, client: openai.AsyncOpenAI) -> None:
    world.rules.obligations, world.rules.withhold = {"inspect": "before"}, True
    for streamed in (False, True):
        with pytest.raises(openai.PermissionDeniedError) as told:
            await client.chat.completions.create(model="fast", messages=HELLO, stream=streamed)
        assert told.value.code == "answer_withheld"
    world.rules.withhold = False
    said = await client.chat.completions.create(model="fast", messages=HELLO)
    assert said.choices[0].message.content == "Hello"


async def test_a_revoked_key_stops_the_call_that_runs(world: World) -> None:
    record, key = await world.key_and_record()
    started = asyncio.Event()

    async def play(turn: Turn) -> ModelResponse:
        started.set()
        await asyncio.Event().wait()
        return answer("never")

    world.router.play = play
    asking = asyncio.create_task(
        world.http.post("/v1/chat/completions", json={"model": "fast", "messages": HELLO}, headers={"x-api-key": key})
    )
    await started.wait()
    await world.gateway.endpoint.virtual_keys.revoke(record.id, TENANT, BY)
    said = await asking
    assert said.status_code == 401
    call = (await world.log_calls(record.id))[0]
    assert (await world.fact("call", call, "abandoned")).data.reason == "key_revoked"  # type: ignore[attr-defined]
    assert (await world.fact("call", call, "settled")).data.outcome == "cancelled"  # type: ignore[attr-defined]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_hangs_up_stops_its_call(world: World, streamed: bool) -> None:
    record, key = await world.key_and_record()
    started = asyncio.Event()

    async def play(turn: Turn) -> ModelResponse:
        await turn.say(TextDelta(text="On and on "))
        started.set()
        await asyncio.Event().wait()
        return answer("never")

    world.router.play = play
    body = {"model": "fast", "messages": HELLO, "stream": streamed}
    asking = asyncio.create_task(world.http.post("/v1/chat/completions", json=body, headers={"x-api-key": key}))
    await started.wait()
    asking.cancel()
    call = (await world.log_calls(record.id))[0]
    assert (await world.fact("call", call, "settled")).data.outcome == "cancelled"  # type: ignore[attr-defined]
    assert world.router.abandoned[call] == "disconnected"
