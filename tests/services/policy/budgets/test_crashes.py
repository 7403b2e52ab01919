"""Redelivery in any order and a crash at any point: each call is counted once, and nothing stays held back."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentos.bus import KeyValue
from agentos.contracts.base import Sealed
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, RetryLater
from agentos.contracts.events.call import ModelCallRequested
from agentos.contracts.events.task import TaskSettled
from agentos.contracts.model import Usage
from services.policy.budgets import domain, sweeping
from services.policy.budgets.budgets import Budgets, Granted
from services.policy.budgets.sweeping import Sweeper
from tests.governance.scenario import TENANT, context
from tests.services.policy.budgets.conftest import Rules, Site, budget, demand, used

KINDS = [budget(id="requests", window="total"), budget(id="tokens", metric="tokens", limit="1000", window="total")]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Crash(Exception):
    """The process ends here."""


class Breaking:
    """A bucket of a process that ends at its n-th access: before it reaches the broker, or after, with the answer lost."""

    def __init__(self, inner: KeyValue, at: int, after: bool) -> None:
        self._inner, self._at, self._after = inner, at, after
        self.accesses = 0

    async def _pass(self, work: Callable[[], Awaitable[Any]]) -> Any:
        self.accesses += 1
        if self.accesses == self._at and not self._after:
            raise Crash
        done = await work()
        if self.accesses == self._at:
            raise Crash
        return done

    async def get(self, key: str) -> Any:
        return await self._pass(lambda: self._inner.get(key))

    async def create(self, key: str, value: bytes) -> Any:
        return await self._pass(lambda: self._inner.create(key, value))

    async def update(self, key: str, value: bytes, revision: int) -> Any:
        return await self._pass(lambda: self._inner.update(key, value, revision))


async def on_requested(site: Site, budgets: Budgets, call: str, asked: datetime) -> None:
    """What policy does with ``call.requested``: reserve, then write the one verdict."""
    answer = await budgets.reserve(call, TENANT, demand(asked_at=asked))
    assert isinstance(answer, Granted)
    try:
        await site.decide(call, answer.reservations)
    except Conflict:
        await budgets.release(call, TENANT, answer.reservations)


async def until_done(work: Callable[[], Awaitable[None]]) -> None:
    """As the bus does: again, when it is to be tried later."""
    while True:
        try:
            return await work()
        except RetryLater:
            await asyncio.sleep(0.02)


async def counts(site: Site) -> list[tuple[int, int]]:
    now = datetime.now(UTC)
    states = [await site.state(one) for one in KINDS]
    return [(state.counted(now), len(state.holds)) for state in states]


async def requested(site: Site, call: str) -> None:
    """The question stands in the log."""
    runner = await site.broker.connect("runner")
    sealed = Sealed(key="t1", purpose="call.request", nonce=b"n" * 12, ciphertext=b"c" * 16)
    asked = ModelCallRequested(context=context(), model="default", request=sealed, digest="d", max_output_tokens=50)
    await runner.append("call.requested", call, asked, tenant=TENANT, correlation_id="t1")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_access_to_the_store_is_mended_by_the_next_delivery(site: Site, after: bool) -> None:
    healthy = await site.budgets(Rules(*KINDS))
    asked = datetime.now(UTC)
    at = 0
    while True:
        at += 1
        call = f"c{at}"
        dying = await site.budgets(Rules(*KINDS))
        breaking = Breaking(site.policy.bucket("budgets"), at, after)
        dying.accounts._bucket = breaking  # pyright: ignore[reportAttributeAccessIssue] - the broker as a dying process sees it
        try:
            await on_requested(site, dying, call, asked)
        except Crash:
            await until_done(lambda call=call: on_requested(site, healthy, call, asked))
        settled = await site.settle(call, **used(90))
        try:
            await dying.on_call_settled(settled)
        except Crash:
            await until_done(lambda settled=settled: healthy.on_call_settled(settled))
        assert await counts(site) == [(at, 0), (90 * at, 0)]
        if breaking.accesses < at:
            break
    assert at > 4


async def test_both_messages_may_come_again_in_any_order(site: Site) -> None:
    instances = [await site.budgets(Rules(*KINDS)) for _ in range(2)]
    asked = datetime.now(UTC)
    await on_requested(site, instances[0], "c1", asked)
    settled = await site.settle("c1", **used(90))

    async def again(budgets: Budgets, kind: str) -> None:
        if kind == "requested":
            await on_requested(site, budgets, "c1", asked)
        else:
            await budgets.on_call_settled(settled)

    for order in itertools.product(("requested", "settled"), repeat=3):
        await asyncio.gather(
            *(until_done(lambda n=n, kind=kind: again(instances[n % 2], kind)) for n, kind in enumerate(order))
        )
    await instances[1].on_call_settled(settled)
    assert await counts(site) == [(1, 0), (90, 0)]


async def test_two_instances_that_handle_the_same_call_hold_it_back_once(site: Site) -> None:
    instances = [await site.budgets(Rules(*KINDS)) for _ in range(3)]
    asked = datetime.now(UTC)
    await asyncio.gather(*(until_done(lambda one=one: on_requested(site, one, "c1", asked)) for one in instances))
    assert await counts(site) == [(0, 1), (0, 1)]
    settled = await site.settle("c1", **used(90))
    await asyncio.gather(*(one.on_call_settled(settled) for one in instances))
    assert await counts(site) == [(1, 0), (90, 0)]


async def test_a_call_that_comes_again_long_after_it_was_settled_is_not_counted_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "REMEMBERED", 2)
    wide = budget(limit="1000")
    budgets, other = await site.budgets(Rules(wide)), await site.budgets(Rules(wide))
    first: Recorded | None = None
    for number in range(8):
        asked = LONG_AGO + timedelta(seconds=number)
        await on_requested(site, budgets, f"c{number}", asked)
        settled = await site.settle(f"c{number}")
        await budgets.on_call_settled(settled)
        first = first or settled
    assert first is not None
    state = await site.state(wide)
    assert "c0" not in state.done
    # Both come again at once, to another instance, as after a restart.
    await asyncio.gather(on_requested(site, other, "c0", LONG_AGO), budgets.on_call_settled(first))
    state = await site.state(wide)
    assert (state.counted(datetime.now(UTC)), state.holds) == (8, {})


async def test_a_verdict_that_loses_against_another_gives_back_what_the_log_does_not_name(site: Site) -> None:
    before, now = await site.budgets(Rules(KINDS[0])), await site.budgets(Rules(*KINDS))
    asked = datetime.now(UTC)
    answer = await now.reserve("c1", TENANT, demand(asked_at=asked))
    assert isinstance(answer, Granted)
    await on_requested(site, before, "c1", asked)
    await now.release("c1", TENANT, answer.reservations)
    assert await counts(site) == [(0, 1), (0, 0)]


# --- sweeping ---------------------------------------------------------------------------------------------------------------


async def swept(site: Site, budgets: Budgets, later: timedelta = timedelta(minutes=2)) -> int:
    return await Sweeper(site.policy, budgets, lambda: datetime.now(UTC) + later).sweep()


async def test_a_call_that_may_still_run_keeps_what_was_reserved_for_it(site: Site) -> None:
    budgets = await site.budgets(Rules(*KINDS))
    await on_requested(site, budgets, "decided", datetime.now(UTC))
    await requested(site, "asked")
    await budgets.reserve("asked", TENANT, demand())
    assert await swept(site, budgets, timedelta(days=30)) == 0
    assert await counts(site) == [(0, 2), (0, 2)]


async def test_a_settlement_that_policy_never_handled_is_found_in_the_log(site: Site) -> None:
    budgets = await site.budgets(Rules(*KINDS))
    await on_requested(site, budgets, "c1", datetime.now(UTC))
    await site.settle("c1", **used(90))
    assert await swept(site, budgets, timedelta(0)) == 0
    assert await swept(site, budgets) == 2
    assert await counts(site) == [(1, 0), (90, 0)]


async def test_what_the_verdict_does_not_name_is_released(site: Site) -> None:
    budgets = await site.budgets(Rules(*KINDS))
    await budgets.reserve("c1", TENANT, demand())
    await site.decide("c1", (), verdict="deny")
    assert await swept(site, budgets) == 2
    assert await counts(site) == [(0, 0), (0, 0)]


@pytest.mark.parametrize("decided", [False, True])
async def test_a_call_whose_task_ended_long_ago_is_released(site: Site, decided: bool) -> None:
    budgets = await site.budgets(Rules(*KINDS))
    await requested(site, "c1")
    if decided:
        await on_requested(site, budgets, "c1", datetime.now(UTC))
    else:
        await budgets.reserve("c1", TENANT, demand())
    orchestrator = await site.broker.connect("orchestrator")
    await orchestrator.append(
        "task.settled", "t1", TaskSettled(outcome="failed"), tenant=TENANT, ordinal=1, correlation_id="t1"
    )
    assert await swept(site, budgets, sweeping.ENDED - timedelta(minutes=1)) == 0
    assert await swept(site, budgets, sweeping.ENDED + timedelta(minutes=1)) == 2
    assert await counts(site) == [(0, 0), (0, 0)]


async def test_an_account_that_nobody_uses_any_more_is_cleared_away_and_comes_back_empty(site: Site) -> None:
    task = budget(id="task", key={"tenant": TENANT, "task": "t1"}, window="total")
    lasting, daily = budget(id="lasting", window="total"), budget(id="daily")
    budgets = await site.budgets(Rules(task, lasting, daily))
    answer = await budgets.reserve("c1", TENANT, demand())
    assert isinstance(answer, Granted)
    await swept(site, budgets, timedelta(days=8))
    keys = site.gateway.bucket("budgets").keys
    assert len(await keys()) == 3
    await budgets.settle("c1", TENANT, answer.reservations, Usage(), None)
    await swept(site, budgets, timedelta(days=6))
    assert len(await keys()) == 3
    await swept(site, budgets, timedelta(days=8))
    assert await keys() == [f"{TENANT}.{lasting.account}"]
    assert isinstance(await budgets.reserve("c2", TENANT, demand()), Granted)
    assert len(await keys()) == 3


async def test_an_unreadable_account_does_not_keep_the_others_from_being_swept(site: Site) -> None:
    await site.policy.bucket("budgets").put(f"{TENANT}.broken", b"?")
    await test_a_settlement_that_policy_never_handled_is_found_in_the_log(site)
