"""A fact is written once: whoever tries, however often, whatever fails in between."""

import asyncio
from datetime import UTC, datetime

import pytest

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.envelope import Meta, Recorded, encode_body, encode_headers
from agentos.contracts.errors import Conflict, Forbidden, RetryLater
from agentos.contracts.events.task import TaskQueued, TaskSettled
from tests.bus.conftest import DECIDED, Site


async def causing(site: Site, tenant: str) -> Recorded:
    """A recorded event, to be the cause of others."""
    policy = await site.connect("policy")
    await policy.append("task.decided", "cause", DECIDED, tenant=tenant, ordinal=1)
    cause = await policy.get(f"evt.{tenant}.task.cause.decided.1")
    assert cause is not None
    return cause


async def test_the_same_handling_done_again_finds_its_own_fact(site: Site, tenant: str) -> None:
    cause = await causing(site, tenant)
    policy = site.buses[0]
    first = await policy.append("task.decided", "t", DECIDED, ordinal=1, cause=cause)
    again = await policy.append("task.decided", "t", DECIDED, ordinal=1, cause=cause)
    assert not first.duplicate
    assert again.duplicate
    assert again.seq == first.seq


async def test_another_fact_on_a_taken_subject_is_a_conflict_that_shows_what_stands(site: Site, tenant: str) -> None:
    policy = await site.connect("policy")
    first = await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    with pytest.raises(Conflict) as refused:
        await policy.append("task.decided", "t", DECIDED.model_copy(update={"verdict": "deny"}), tenant=tenant, ordinal=1)
    existing = refused.value.fields["existing"]
    assert existing.seq == first.seq
    assert existing.data.verdict == "allow"


async def test_of_concurrent_writers_of_one_subject_exactly_one_is_recorded(site: Site, tenant: str) -> None:
    one, other = await site.connect("policy"), await site.connect("policy")
    for ordinal in range(1, 9):
        results = await asyncio.gather(
            *(bus.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=ordinal) for bus in (one, other, one, other)),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == ["Appended", "Conflict", "Conflict", "Conflict"]
    assert len(await one.load(tenant, "task", "t")) == 8


async def test_concurrent_tries_of_one_handling_are_one_fact(site: Site, tenant: str) -> None:
    cause = await causing(site, tenant)
    one, other = site.buses[0], await site.connect("policy")
    results = await asyncio.gather(
        *(bus.append("task.decided", "t", DECIDED, ordinal=1, cause=cause) for bus in (one, other, one, other))
    )
    assert len({result.seq for result in results}) == 1
    assert sum(not result.duplicate for result in results) == 1


async def test_an_expected_sequence_guards_the_whole_aggregate(site: Site, tenant: str) -> None:
    policy, orchestrator = await site.connect("policy"), await site.connect("orchestrator")
    first = await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    await policy.append("task.decided", "other", DECIDED, tenant=tenant, ordinal=1)
    second = await orchestrator.append(
        "task.settled", "t", TaskSettled(outcome="completed"), tenant=tenant, ordinal=1, expect=first.seq
    )
    with pytest.raises(Conflict, match="moved"):
        await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=2, expect=first.seq)
    third = await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=2, expect=second.seq)
    assert [recorded.seq for recorded in await policy.load(tenant, "task", "t")] == [first.seq, second.seq, third.seq]


async def test_of_two_that_guard_the_same_aggregate_one_writes(site: Site, tenant: str) -> None:
    policy, orchestrator = await site.connect("policy"), await site.connect("orchestrator")
    first = await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    results = await asyncio.gather(
        policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=2, expect=first.seq),
        orchestrator.append("task.settled", "t", TaskSettled(outcome="completed"), tenant=tenant, ordinal=1, expect=first.seq),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Appended", "Conflict"]


async def test_a_guarded_write_again_finds_its_own_fact_although_the_aggregate_moved_by_it(site: Site, tenant: str) -> None:
    cause = await causing(site, tenant)
    policy = site.buses[0]
    first = await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    written = await policy.append("task.decided", "t", DECIDED, ordinal=2, cause=cause, expect=first.seq)
    again = await policy.append("task.decided", "t", DECIDED, ordinal=2, cause=cause, expect=first.seq)
    assert again.duplicate
    assert again.seq == written.seq


async def test_a_guard_that_holds_does_not_write_a_standing_fact_again(site: Site, tenant: str) -> None:
    policy = await site.connect("policy")
    await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    last = await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=2)
    with pytest.raises(Conflict):
        await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1, expect=last.seq)
    assert [recorded.subject[-1] for recorded in await policy.load(tenant, "task", "t")] == ["1", "2"]


async def test_the_stream_refuses_a_second_message_even_from_a_publisher_that_forgets_to_ask(site: Site, tenant: str) -> None:
    policy = await site.connect("policy")
    await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    client = await site.raw("policy")
    meta = Meta("e", "task.decided/1", tenant, "c", "e", datetime.now(UTC))
    answer = await client.request(
        f"evt.{tenant}.task.t.decided.1", encode_body(DECIDED), headers=encode_headers(meta), timeout=60
    )
    assert b'"err_code":10077' in answer.data


async def test_a_fact_of_another_service_is_forbidden_and_says_who_may(site: Site, tenant: str) -> None:
    policy = await site.connect("policy")
    with pytest.raises(Forbidden, match="policy may not publish"):
        await policy.append("task.settled", "UPPER", TaskSettled(outcome="completed"), tenant=tenant, ordinal=1)


async def loaded(bus: Bus, tenant: str) -> list[Recorded]:
    """What stands of the task. While a cluster chooses a leader nobody answers a question about the stream, and the bus says to ask again."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await bus.load(tenant, "task", "t")
            except RetryLater:
                await asyncio.sleep(0.1)


async def test_an_append_outlives_a_killed_server_and_is_recorded_once(site: Site, tenant: str) -> None:
    """kill -9 in the midst of a stream of appends; all that were asked for stand, each once, in the order of asking."""
    cause = await causing(site, tenant)
    policy = site.buses[0]
    struck = asyncio.Event()

    async def persist(ordinal: int) -> None:
        while True:
            try:
                await policy.append("task.decided", "t", DECIDED, ordinal=ordinal, cause=cause)
            except RetryLater:
                continue
            return

    async def write() -> None:
        for ordinal in range(1, 41):
            await persist(ordinal)
            if ordinal == 10:
                struck.set()

    writing = asyncio.create_task(write())
    await struck.wait()
    index = site.serving(policy)
    await site.kill(index)
    await asyncio.sleep(0.2)
    await site.start(index)
    async with asyncio.timeout(120):
        await writing
    assert policy.connected
    facts = await loaded(policy, tenant)
    assert [int(fact.subject.rsplit(".", 1)[1]) for fact in facts] == list(range(1, 41))


async def test_a_service_without_a_broker_knows_it_says_retry_later_and_comes_back_by_itself(site: Site, tenant: str) -> None:
    policy = await site.connect("policy")
    lost = asyncio.Event()
    policy.on_disconnect(lost.set)
    for index in range(site.replicas):
        await site.kill(index)
    try:
        async with asyncio.timeout(120):
            await lost.wait()
            # That may have been of the first to go: it found another server, and has yet to notice that the last one went as well.
            while policy.connected:
                await asyncio.sleep(0.01)
        with pytest.raises(RetryLater):
            await policy.get(f"evt.{tenant}.task.t.decided.1")
    finally:
        await asyncio.gather(*(site.start(index) for index in range(site.replicas)))
    async with asyncio.timeout(240):
        while True:
            try:
                await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
            except RetryLater:
                continue
            except Conflict:
                # Without a cause every call is a fact of its own; the one that stands is an earlier try's.
                pass
            break
    assert policy.connected
    assert len(await loaded(policy, tenant)) == 1


async def test_an_aggregate_larger_than_one_answer_of_the_broker_loads_whole(site: Site, tenant: str) -> None:
    orchestrator = await site.connect("orchestrator")
    by = Principal(kind="service", id="x")
    queued = TaskQueued(type="x", pack=None, priority="low", requester=by, untrusted=False, reason="retry")
    for start in range(0, 1_100, 100):
        await asyncio.gather(
            *(orchestrator.append("task.queued", "big", queued, tenant=tenant, ordinal=n) for n in range(start, start + 100))
        )
    facts = await orchestrator.load(tenant, "task", "big")
    assert len({fact.subject for fact in facts}) == 1_100
    assert [fact.seq for fact in facts] == sorted(fact.seq for fact in facts)


async def test_an_aggregate_that_does_not_exist_is_empty(site: Site, tenant: str) -> None:
    policy = await site.connect("policy")
    assert await policy.load(tenant, "task", "nobody") == []
    assert await policy.get(f"evt.{tenant}.task.nobody.decided.1") is None


async def test_a_fact_carries_what_caused_it_and_the_same_correlation(site: Site, tenant: str) -> None:
    cause = await causing(site, tenant)
    await site.buses[0].append("task.decided", "t", DECIDED, ordinal=1, cause=cause)
    fact = await site.buses[0].get(f"evt.{tenant}.task.t.decided.1")
    assert fact is not None
    assert fact.meta.causation_id == cause.meta.event_id
    assert fact.meta.correlation_id == cause.meta.correlation_id == "cause"
    assert fact.meta.tenant == tenant
    assert fact.meta.time.tzinfo is not None
    assert fact.data == DECIDED
