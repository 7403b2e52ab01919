"""Batching: nothing is lost, doubled or reordered between the stream and the transactions."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from typing import Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.bus import Raw
from agentos.ending import end
from services.ledger.domain.facts import Incoming
from services.ledger.follow import Follower, Linger

MS = timedelta(milliseconds=1)
AT_ONCE = Linger(timedelta(0), timedelta(0))
PATIENT = Linger(timedelta(hours=1), timedelta(hours=1))


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

    follower = Follower(stream, prepare, apply, size=size, linger=AT_ONCE, every=timedelta(milliseconds=20))
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
    follower = Follower(Stream(0, breaks=True), _unused, _unused, size=1, linger=AT_ONCE)
    with pytest.raises(ConnectionError, match="gone"):
        await follower.run()


async def _unused(_: object) -> Never:
    raise AssertionError("there is no message")


# --- waiting for more -------------------------------------------------------------------------------------------------


def test_a_batch_waits_longer_and_longer_while_messages_keep_coming_and_as_at_first_when_they_did_not() -> None:
    linger, waited = Linger(20 * MS, 160 * MS), [timedelta(0)]
    for quiet in (500, 3, 0, 79, 159, 0, 160, 19, 21, 40):
        waited.append(linger.after(waited[-1], quiet * MS))
    assert [each / MS for each in waited[1:]] == [20, 40, 80, 160, 160, 160, 20, 40, 80, 160]
    assert linger.after(160 * MS, 161 * MS) == 20 * MS


def test_a_batch_never_waits_where_that_is_the_setting_and_one_that_is_to_wait_longer_than_the_longest_does_not_grow() -> None:
    assert Linger(timedelta(0), 160 * MS).after(timedelta(0), timedelta(0)) == timedelta(0)
    assert Linger(500 * MS, 160 * MS).after(500 * MS, timedelta(0)) == 500 * MS


class Fed:
    """A stream that is fed by hand, and what a follower of it that waits for an hour makes of it."""

    def __init__(self, size: int) -> None:
        self._fed: asyncio.Queue[int] = asyncio.Queue()
        self.batches: asyncio.Queue[list[int]] = asyncio.Queue()
        self.follower = Follower(self, self._prepare, self._apply, size=size, linger=PATIENT)

    def feed(self, *seqs: int) -> None:
        for seq in seqs:
            self._fed.put_nowait(seq)

    async def updates(self) -> AsyncGenerator[Raw | None]:
        yield None
        while True:
            yield Raw("evt.t.task.x.submitted", {}, b"", await self._fed.get(), 0, 0)

    async def idle(self) -> None:
        """Let everything happen that can."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def _prepare(self, raw: Raw) -> Incoming:
        return Incoming(raw.seq, raw.subject, raw.headers, raw.body)

    async def _apply(self, batch: list[Incoming]) -> None:
        self.batches.put_nowait([incoming.seq for incoming in batch])


@pytest.fixture
async def fed() -> AsyncIterator[Fed]:
    made = Fed(size=3)
    running = asyncio.create_task(made.follower.run())
    yield made
    await end(running)


async def test_a_whole_batch_waits_for_no_more(fed: Fed) -> None:
    fed.feed(1, 2)
    await fed.idle()
    assert fed.batches.empty()
    fed.feed(3, 4)
    assert await fed.batches.get() == [1, 2, 3]
    await fed.idle()
    assert fed.batches.empty()


async def test_what_somebody_waits_for_is_applied_at_once_whoever_comes_first(fed: Fed) -> None:
    fed.feed(1, 2)
    await fed.idle()
    with fed.follower.wanted(2):
        assert await fed.batches.get() == [1, 2]
    with fed.follower.wanted(4):
        fed.feed(3)
        await fed.idle()
        assert fed.batches.empty()
        fed.feed(4)
        assert await fed.batches.get() == [3, 4]


async def test_nobody_makes_others_hurry_by_waiting_for_what_is_done_or_far_away(fed: Fed) -> None:
    with fed.follower.wanted(0), fed.follower.wanted(10**9):
        fed.feed(1, 2)
        await fed.idle()
        assert fed.batches.empty()
    fed.feed(3)
    assert await fed.batches.get() == [1, 2, 3]
