"""A tail is live, ordered and without gaps, whatever happens to the broker beneath it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest

from agentos.bus import Bus, Raw, Tail, topology
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.task import TaskSettled
from agentos.ending import end
from tests.bus.conftest import DECIDED, Site

SETTLED = TaskSettled(outcome="completed")


async def decide(bus: Bus, tenant: str, ordinals: range) -> list[int]:
    """Facts 1..n of one task; their sequences. Tries on while the broker is away, as a handler would be tried again."""
    found: list[int] = []
    for ordinal in ordinals:
        while True:
            try:
                found.append((await bus.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=ordinal)).seq)
            except RetryLater:
                continue
            break
    return found


def ordinals(raws: list[Raw]) -> list[int]:
    return [int(raw.subject.rsplit(".", 1)[1]) for raw in raws]


class Following:
    """A tail read in a task of its own."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail
        self.raws: list[Raw] = []
        self._more = asyncio.Condition()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for raw in self.tail:
            async with self._more:
                self.raws.append(raw)
                self._more.notify_all()

    async def wait(self, count: int) -> list[Raw]:
        async with asyncio.timeout(120), self._more:
            await self._more.wait_for(lambda: len(self.raws) >= count)
        return self.raws

    async def stop(self) -> None:
        await end(self._task)


async def consumers_of(site: Site, stream: str = "EVENTS") -> list[dict[str, str]]:
    """The tails that the broker holds."""
    admin = await site.raw(topology.PROVISIONER)
    reply = await admin.request(f"$JS.API.CONSUMER.LIST.{stream}", b"{}", timeout=60)
    return [info for info in json.loads(reply.data)["consumers"] if "durable_name" not in info["config"]]


async def test_new_begins_with_what_comes_after_it_is_ready(site: Site, tenant: str) -> None:
    policy, runner = await site.connect("policy"), await site.connect("runner")
    await decide(policy, tenant, range(1, 4))
    following = Following(runner.tail((f"evt.{tenant}.>",)))
    await following.tail.ready()
    await decide(policy, tenant, range(4, 7))
    assert ordinals(await following.wait(3)) == [4, 5, 6]
    await following.stop()


async def test_new_begins_there_also_at_a_replica_that_is_behind(
    site: Site, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader's answer is put two messages ahead: to the replica that has the consumer they are yet to come."""
    policy, runner = await site.connect("policy"), await site.connect("runner")
    ask = Tail._ask

    async def ahead(tail: Tail, subject: str, question: Mapping[str, Any]) -> dict[str, Any]:
        answer = await ask(tail, subject, question)
        if subject.startswith("STREAM.INFO."):
            answer["state"]["last_seq"] += 2
        return answer

    await decide(policy, tenant, range(1, 4))
    monkeypatch.setattr(Tail, "_ask", ahead)
    following = Following(runner.tail((f"evt.{tenant}.>",)))
    await following.tail.ready()
    await decide(policy, tenant, range(4, 9))
    assert ordinals(await following.wait(3)) == [6, 7, 8]
    await following.stop()


async def test_first_begins_at_the_beginning_and_says_how_much_is_pending(site: Site, tenant: str) -> None:
    policy, runner = await site.connect("policy"), await site.connect("runner")
    seqs = await decide(policy, tenant, range(1, 6))
    following = Following(runner.tail((f"evt.{tenant}.>",), start="first"))
    raws = await following.wait(5)
    assert [raw.seq for raw in raws] == seqs
    assert [raw.pending for raw in raws] == [4, 3, 2, 1, 0]
    assert following.tail.initial_pending == 5
    await following.stop()


async def test_a_sequence_begins_there_and_one_in_the_future_waits(site: Site, tenant: str) -> None:
    policy, runner = await site.connect("policy"), await site.connect("runner")
    seqs = await decide(policy, tenant, range(1, 6))
    middle, future = (
        Following(runner.tail((f"evt.{tenant}.>",), start=seqs[2])),
        Following(runner.tail((f"evt.{tenant}.>",), start=seqs[-1] + 1)),
    )
    assert ordinals(await middle.wait(3)) == [3, 4, 5]
    await future.tail.ready()
    await decide(policy, tenant, range(6, 7))
    assert ordinals(await future.wait(1)) == [6]
    await middle.stop()
    await future.stop()


async def test_several_filters_are_one_ordered_view(site: Site, tenant: str) -> None:
    policy, orchestrator, runner = (
        await site.connect("policy"),
        await site.connect("orchestrator"),
        await site.connect("runner"),
    )
    following = Following(runner.tail((f"evt.{tenant}.task.*.decided.*", f"evt.{tenant}.task.*.settled.*"), start="first"))
    for ordinal in range(1, 4):
        await decide(policy, tenant, range(ordinal, ordinal + 1))
        await orchestrator.append("task.settled", "t", SETTLED, tenant=tenant, ordinal=ordinal)
    raws = await following.wait(6)
    assert [raw.subject.split(".")[4] for raw in raws] == ["decided", "settled"] * 3
    assert [raw.seq for raw in raws] == sorted(raw.seq for raw in raws)
    await following.stop()


async def test_a_tail_is_without_gap_or_repetition_across_a_killed_server(site: Site, tenant: str) -> None:
    policy, runner = await site.connect("policy"), await site.connect("runner")
    following = Following(runner.tail((f"evt.{tenant}.>",)))
    await following.tail.ready()
    await decide(policy, tenant, range(1, 6))
    await following.wait(5)
    cause = await policy.get(f"evt.{tenant}.task.t.decided.1")
    assert cause is not None
    index = site.serving(runner)
    await site.kill(index)
    await asyncio.sleep(0.2)
    await site.start(index)
    await decide_surely(policy, cause, range(6, 11))
    assert ordinals(await following.wait(10)) == list(range(1, 11))
    await following.stop()


async def decide_surely(bus: Bus, cause: Recorded, which: range) -> None:
    """As ``decide``, with a cause, so that a try whose acknowledgement was lost finds its own fact."""
    for ordinal in which:
        while True:
            try:
                await bus.append("task.decided", "t", DECIDED, ordinal=ordinal, cause=cause)
            except RetryLater:
                continue
            break


async def test_a_tail_of_new_messages_lost_before_its_first_one_skips_none(site: Site, tenant: str) -> None:
    """Its position is that of its beginning, not of its second beginning."""
    policy, runner = await site.connect("policy"), await site.connect("runner")
    following = Following(runner.tail((f"evt.{tenant}.>",)))
    await following.tail.ready()
    await delete_tails(site, runner)
    await decide(policy, tenant, range(1, 4))
    assert ordinals(await following.wait(3)) == [1, 2, 3]
    await following.stop()


async def delete_tails(site: Site, bus: Bus) -> None:
    admin = await site.raw(topology.PROVISIONER)
    mine = [info["name"] for info in await consumers_of(site) if info["name"].startswith(bus.instance)]
    assert mine
    for name in mine:
        await admin.request(f"$JS.API.CONSUMER.DELETE.EVENTS.{name}", b"", timeout=60)


async def test_a_tail_whose_consumer_is_deleted_goes_on_where_it_was(site: Site, tenant: str) -> None:
    policy, runner = await site.connect("policy"), await site.connect("runner")
    following = Following(runner.tail((f"evt.{tenant}.>",), start="first"))
    await decide(policy, tenant, range(1, 4))
    await following.wait(3)
    await delete_tails(site, runner)
    await decide(policy, tenant, range(4, 7))
    assert ordinals(await following.wait(6)) == [1, 2, 3, 4, 5, 6]
    await following.stop()


async def test_a_slow_reader_loses_nothing(site: Site, tenant: str) -> None:
    policy, runner = await site.connect("policy"), await site.connect("runner")
    tail, seen = runner.tail((f"evt.{tenant}.>",), start="first"), list[Raw]()
    await asyncio.gather(*(policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=n) for n in range(300)))
    async with aclosing(tail.updates()) as updates:
        async for raw in updates:
            if raw is not None:
                seen.append(raw)
                await asyncio.sleep(0.0005)
            if len(seen) == 300:
                break
    assert len({raw.subject for raw in seen}) == 300
    assert [raw.seq for raw in seen] == sorted(raw.seq for raw in seen)


async def test_the_end_of_what_stood_is_told_once_also_when_nothing_stood(site: Site, tenant: str) -> None:
    policy, runner = await site.connect("policy"), await site.connect("runner")
    async with aclosing(runner.tail((f"evt.{tenant}.>",), start="first").updates()) as updates:
        assert await anext(updates) is None
        await decide(policy, tenant, range(1, 3))
        assert [raw.seq > 0 for raw in (await anext(updates), await anext(updates)) if raw is not None] == [True, True]
    async with aclosing(runner.tail((f"evt.{tenant}.>",), start="first").updates()) as updates:
        assert [raw is None for raw in (await anext(updates), await anext(updates), await anext(updates))] == [
            False,
            False,
            True,
        ]


async def test_a_cancelled_tail_leaves_no_subscription_and_no_consumer(site: Site, tenant: str) -> None:
    runner = await site.connect("runner")
    assert await runner.load(tenant, "task", "t") == []
    await (warm := Following(runner.tail((f"evt.{tenant}.>",)))).tail.ready()
    await warm.stop()
    before = len(runner.client._subs)
    following = Following(runner.tail((f"evt.{tenant}.>",)))
    await following.tail.ready()
    await following.stop()
    await runner.client.flush()
    assert len(runner.client._subs) == before
    async with asyncio.timeout(120):
        while [info for info in await consumers_of(site) if info["name"].startswith(runner.instance)]:
            await asyncio.sleep(0.05)


async def test_a_tail_ends_with_its_connection(site: Site, tenant: str) -> None:
    """It neither hangs nor spins when its bus was drained under it."""
    policy, runner = await site.connect("policy"), await site.connect("runner")
    following = Following(runner.tail((f"evt.{tenant}.>",)))
    await following.tail.ready()
    await decide(policy, tenant, range(1, 2))
    await following.wait(1)
    await runner.drain()
    async with asyncio.timeout(120):
        await following._task


async def test_a_tail_shows_when_it_last_heard_of_the_broker(site: Site, tenant: str) -> None:
    """For those who must fail closed: silence is not an empty stream."""
    runner = await site.connect("runner")
    following = Following(runner.tail((f"evt.{tenant}.>",)))
    await following.tail.ready()
    first = following.tail.heard_at
    assert first > 0
    async with asyncio.timeout(120):
        while following.tail.heard_at == first:
            await asyncio.sleep(0.05)
    await following.stop()


@pytest.mark.parametrize("stream", ["COMMANDS", "NOWHERE"])
async def test_a_tail_that_the_broker_refuses_never_becomes_ready(site: Site, stream: str) -> None:
    following = Following((await site.connect("runner")).tail((">",), stream=stream))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(following.tail.ready(), 0.5)
    await following.stop()
