"""Batching: nothing is lost, doubled or reordered between the stream and the transactions."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.bus import Raw
from services.ledger.domain.facts import Incoming
from services.ledger.follow import Follower


class Stream:
    """A stream of so many messages that ends its beginning, and then stays quiet or breaks."""

    def __init__(self, messages: int, *, breaks: bool = False) -> None:
        self._messages = messages
        self._breaks = breaks

    async def updates(self) -> AsyncGenerator[Raw | None]:
        for seq in range(1, self._messages + 1):
            yield Raw("evt.t.task.x.submitted", {}, b"", seq, self._messages - seq, 0)
        yield None
        if self._breaks:
            raise ConnectionError("the broker is gone")
        await asyncio.Event().wait()


async def follow(stream: Stream, size: int, pauses: list[int]) -> list[list[int]]:
    """The batches, when reading a message and storing a batch each take so many turns of the loop."""
    batches: list[list[int]] = []
    turns = [*pauses, 0]

    async def prepare(raw: Raw) -> Incoming:
        for _ in range(turns[raw.seq % len(turns)]):
            await asyncio.sleep(0)
        return Incoming(raw.seq, raw.subject, raw.headers, raw.body)

    async def apply(batch: list[Incoming]) -> None:
        for _ in range(turns[len(batches) % len(turns)]):
            await asyncio.sleep(0)
        batches.append([incoming.seq for incoming in batch])

    follower = Follower(stream, prepare, apply, size=size, linger=timedelta(0), every=timedelta(milliseconds=20))
    running = asyncio.create_task(follower.run())
    level = asyncio.create_task(follower.level.wait())
    await asyncio.wait({running, level}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, level):
        task.cancel()
    failed, _ = await asyncio.gather(running, level, return_exceptions=True)
    if isinstance(failed, Exception):
        raise failed
    return batches


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(1, 9), st.lists(st.integers(0, 5), max_size=6))
def test_every_message_is_applied_once_in_order_however_reading_and_storing_interleave(
    messages: int, size: int, pauses: list[int]
) -> None:
    batches = asyncio.run(follow(Stream(messages), size, pauses))
    assert [seq for batch in batches for seq in batch] == list(range(1, messages + 1))
    assert all(0 < len(batch) <= size for batch in batches)


async def test_a_broken_stream_is_not_taken_for_a_quiet_one() -> None:
    follower = Follower(Stream(0, breaks=True), _unused, _unused, size=1, linger=timedelta(0))
    with pytest.raises(ConnectionError, match="gone"):
        await follower.run()


async def _unused(_: object) -> Never:
    raise AssertionError("there is no message")
