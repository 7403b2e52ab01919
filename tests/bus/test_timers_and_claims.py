"""Timers that the broker keeps, and bodies too large to travel."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentos.bus import claim
from agentos.contracts.base import Principal
from agentos.contracts.commands import TimerDue
from agentos.contracts.envelope import digest
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.contracts.events.governance import DeadLetter
from agentos.contracts.events.task import StepRecorded
from tests.bus.conftest import Seen, Site, cancel, consuming, on_one_server

DUE = "timer.gates-expire-due"


async def test_timers_arrive_in_the_order_of_their_times_and_a_past_one_at_once(site: Site, tenant: str) -> None:
    seen = Seen(tenant)
    gates = await consuming(site, "gates", DUE, seen)
    now = datetime.now(UTC)
    for name, delay in (("late", 2.0), ("soon", 1.0), ("past", -3_600.0)):
        await gates.set_timer(
            "expire",
            f"{tenant}-{name}",
            TimerDue(tenant=tenant, ordinal=7),
            at=now + timedelta(seconds=delay),
            correlation_id="c7",
        )
    recorded = await seen.wait(3)
    assert [r.subject.rsplit("-", 1)[1] for r in recorded] == ["past", "soon", "late"]
    assert recorded[0].subject == f"timer.gates.due.expire.{tenant}-past"
    assert recorded[0].data == TimerDue(tenant=tenant, ordinal=7)
    assert recorded[0].meta.correlation_id == "c7"
    assert datetime.now(UTC) >= now + timedelta(seconds=2)


async def test_a_timer_set_again_under_the_same_id_replaces_the_first(site: Site, tenant: str) -> None:
    seen = Seen(tenant)
    gates = await consuming(site, "gates", DUE, seen)
    now = datetime.now(UTC)
    for ordinal, delay in ((1, 0.8), (2, 1.0)):
        await gates.set_timer(
            "expire",
            f"{tenant}-x",
            TimerDue(tenant=tenant, ordinal=ordinal),
            at=now + timedelta(seconds=delay),
            correlation_id="c",
        )
    await gates.set_timer(
        "expire", f"{tenant}-end", TimerDue(tenant=tenant, ordinal=9), at=now + timedelta(seconds=1.6), correlation_id="c"
    )
    await seen.wait(2)
    assert [r.data.ordinal for r in seen.recorded if isinstance(r.data, TimerDue)] == [2, 9]


@on_one_server
async def test_a_timer_outlives_a_killed_server(site: Site, tenant: str) -> None:
    seen = Seen(tenant)
    gates = await consuming(site, "gates", DUE, seen)
    at = datetime.now(UTC) + timedelta(seconds=0.8)
    await gates.set_timer("expire", f"{tenant}-x", TimerDue(tenant=tenant), at=at, correlation_id="c")
    index = site.serving(gates)
    await site.kill(index)
    await asyncio.sleep(0.2)
    await site.start(index)
    await seen.wait(1)


def step(size: int, fill: str = "x") -> StepRecorded:
    return StepRecorded(step=1, epoch=1, kind="random", digest="d", value=fill * size)


async def test_a_large_body_travels_by_claim_and_is_read_everywhere_alike(site: Site, tenant: str) -> None:
    runner = await site.connect("runner")
    large = step(1_300_000)
    await runner.append("step.recorded", "t", large, tenant=tenant, ordinal=1)
    got = await runner.get(f"evt.{tenant}.step.t.recorded.1")
    assert got is not None
    assert got.data == large
    assert [recorded.data for recorded in await runner.load(tenant, "step", "t")] == [large]
    async for raw in runner.tail((f"evt.{tenant}.>",), start="first"):
        assert raw.body == b"{}"
        assert raw.headers["Agentos-Claim"].endswith(".3")
        assert (await runner.decode(raw)).data == large
        break


async def test_a_large_command_reaches_its_handler_whole(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    large = cancel(tenant).model_copy(update={"by": Principal(kind="api_key", id="x" * 300_000)})
    await consuming(site, "orchestrator", "orchestrator.cancel", seen)
    await gateway.send("orchestrator.cancel", ("x",), large, tenant=tenant)
    (recorded,) = await seen.wait(1)
    assert recorded.data == large


async def test_the_same_large_fact_again_is_a_duplicate_and_stores_its_body_once(site: Site, tenant: str) -> None:
    runner = await site.connect("runner")
    await runner.append("step.recorded", "cause", step(1), tenant=tenant, ordinal=1)
    cause = await runner.get(f"evt.{tenant}.step.cause.recorded.1")
    large = step(300_000, fill=tenant[-1])
    first = await runner.append("step.recorded", "t", large, ordinal=1, cause=cause)
    again = await runner.append("step.recorded", "t", large, ordinal=1, cause=cause)
    assert (again.seq, again.duplicate) == (first.seq, True)


async def tampered(site: Site, tenant: str, change: str) -> Any:
    """A large command whose stored body was changed or lost after it was sent."""
    gateway = await site.connect("gateway")
    large = cancel(tenant).model_copy(update={"by": Principal(kind="api_key", id=tenant * 30_000)})
    payloads = gateway.bucket("payloads")
    sha = digest(large.model_dump_json().encode())
    await gateway.send("orchestrator.cancel", (f"{tenant}-x",), large, tenant=tenant)
    async with asyncio.timeout(120):
        while (entry := await payloads.get(f"{sha}.0")) is None:
            await asyncio.sleep(0.01)
    assert entry.value is not None
    if change == "bytes":
        await payloads.put(f"{sha}.0", entry.value[:-1] + b"!")
    else:
        await payloads.delete(f"{sha}.0")
    return payloads, f"{sha}.0", entry.value


async def test_a_claimed_body_that_was_tampered_with_is_buried(site: Site, tenant: str) -> None:
    await tampered(site, tenant, "bytes")
    seen = Seen(tenant)
    gateway = site.buses[0]
    await consuming(site, "orchestrator", "orchestrator.cancel", seen)
    await gateway.send("orchestrator.cancel", ("next",), cancel(tenant), tenant=tenant)
    await seen.wait(1)
    assert seen.subjects == ["cmd.orchestrator.cancel.next"]
    ledger = await site.connect("ledger")
    async with asyncio.timeout(120):
        async for raw in ledger.tail(("dlq.orchestrator.>",), stream="DLQ", start="first"):
            letter = await ledger.decode(raw)
            assert isinstance(letter.data, DeadLetter)
            if letter.meta.tenant == tenant:
                assert letter.data.code == "bad_claim"
                break


async def test_a_claimed_body_that_is_missing_is_waited_for(site: Site, tenant: str) -> None:
    payloads, key, value = await tampered(site, tenant, "delete")
    seen = Seen(tenant)
    await consuming(site, "orchestrator", "orchestrator.cancel", seen)
    await asyncio.sleep(0.2)
    assert seen.recorded == []
    await payloads.put(key, value)
    await seen.wait(1)


@pytest.mark.parametrize(
    "reference", ["", "x", "*.1", "a.b.c", "0" * 64 + ".0", "0" * 64 + ".9999", "0" * 64 + ".²", "0" * 63 + "*.1"]
)
async def test_a_malformed_claim_is_never_retried_and_asks_for_nothing(site: Site, reference: str) -> None:
    payloads = (await site.connect("policy")).bucket("payloads")
    with pytest.raises(NeverRetry) as refused:
        await claim.check_out(payloads, reference)
    assert refused.value.code == "bad_claim"
    with pytest.raises(RetryLater):
        await claim.check_out(payloads, "0" * 64 + ".1")
