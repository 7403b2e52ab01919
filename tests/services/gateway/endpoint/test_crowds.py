"""Clients that read slowly or not at all, and many that wait: each costs little, and the others do not feel it."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agentos.contracts.model import ModelResponse, TextDelta
from services.gateway.endpoint.ears import MOST_BYTES
from tests.services.gateway.endpoint.world import Turn, World, answer, echo, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
PIECE = "All work and no play. " * 1_000
PIECES = 200
"""Some four megabytes together."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(tmp_path_factory.mktemp("crowds"), slow_reader_after=timedelta(seconds=5)) as world:
        yield world


async def _ask(stack: AsyncExitStack, world: World, key: str, body: dict[str, Any] = BODY) -> asyncio.StreamReader:
    """A client of sockets, which reads what it is told to and no more."""
    host, _, port = world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4_096)
    stack.callback(writer.close)
    sent = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: {len(sent)}\r\n\r\n"
    writer.write(head.encode() + sent)
    await writer.drain()
    return reader


async def long_winded(turn: Turn) -> ModelResponse:
    for _ in range(PIECES):
        await turn.say(TextDelta(text=PIECE))
    return answer(PIECE * PIECES)


async def _another_is_served(world: World, key: str) -> None:
    world.router.play = echo
    said = await world.http.post("/v1/chat/completions", json={**BODY, "stream": False}, headers={"x-api-key": key})
    assert said.json()["choices"][0]["message"]["content"] == "Hello"


async def test_a_client_that_reads_slowly_gets_all_of_it_and_holds_up_nobody(world: World) -> None:
    key = await world.key()
    world.router.play = long_winded
    async with world.http.stream("POST", "/v1/chat/completions", json=BODY, headers={"x-api-key": key}) as said:
        (ear,) = [each for ears in world.gateway.endpoint.calls._open.values() for each in ears]
        await world.until(lambda: ear.deaf or ear.has("call.settled"))
        # What it did not read in time was let go: the settlement has it.
        assert ear._bytes <= MOST_BYTES
        await _another_is_served(world, key)
        text = ""
        async for line in said.aiter_lines():
            if line.startswith("data: {"):
                text += "".join(each["delta"].get("content") or "" for each in json.loads(line[6:])["choices"])
                await asyncio.sleep(0.005)
    assert text == PIECE * PIECES


async def _line(reader: asyncio.StreamReader) -> bytes:
    """A line of the body, chunk heads included, however long."""
    parts: list[bytes] = []
    while True:
        try:
            parts.append(await reader.readuntil(b"\n"))
            return b"".join(parts)
        except asyncio.LimitOverrunError as over:
            parts.append(await reader.readexactly(over.consumed))


async def test_the_call_of_a_client_that_reads_nothing_is_stopped(world: World) -> None:
    record, key = await world.key_and_record()
    never = asyncio.Event()

    async def endless(turn: Turn) -> ModelResponse:
        """No quicker than the gateway passes it on, which shares this loop: it would go deaf before the client's buffers are full."""
        (ear,) = [each for ears in world.gateway.endpoint.calls._open.values() for each in ears]
        while not never.is_set():
            await turn.say(TextDelta(text=PIECE))
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await world.until(lambda: ear._bytes == 0)
        return answer("never")

    world.router.play = endless
    async with AsyncExitStack() as stack:
        await _ask(stack, world, key)
        call = await _received(world, record.id)
        assert (await world.fact("call", call, "abandoned")).data.reason == "disconnected"  # type: ignore[attr-defined]
        assert (await world.fact("call", call, "settled")).data.outcome == "cancelled"  # type: ignore[attr-defined]
        assert len(world.gateway.endpoint.calls) == 0


async def _received(world: World, key: str) -> str:
    while not (found := await world.log_calls(key)):
        await asyncio.sleep(0.05)
    return found[0]


async def test_hundreds_of_idle_streams_cost_little_and_the_next_call_is_served_among_them(world: World) -> None:
    key = await world.key()
    never, many = asyncio.Event(), min(200, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)

    async def idle(turn: Turn) -> ModelResponse:
        await turn.say(TextDelta(text="So"))
        await never.wait()
        return answer("never")

    world.router.play = idle
    async with AsyncExitStack() as stack:
        before = _resident_bytes()
        readers = [await _ask(stack, world, key) for _ in range(many)]
        for reader in readers:
            while b'"content":"So"' not in await _line(reader):
                pass
        assert len(world.gateway.endpoint.calls) == many
        # Gateway, policy, the router's part and the clients' own sockets, all of it in this process.
        assert (_resident_bytes() - before) / many < 400_000
        await _another_is_served(world, key)
    await world.until(lambda: not world.gateway.endpoint.calls)
    await world.until(lambda: not world.router._running)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
