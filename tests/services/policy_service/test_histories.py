"""Histories that several instances write: what one remembers of its own last write never hides another's."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from agentos.bus import Bus
from services.policy.history.domain import FamilyHistory, Happened, marked, spent
from services.policy.history.store import Histories
from tests.conftest import Broker
from tests.governance.scenario import TENANT

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def begin() -> FamilyHistory:
    return FamilyHistory()


async def noted(histories: Histories, *happened: Happened) -> FamilyHistory:
    return await histories.note(TENANT, "family", begin, *happened)


def call(number: int) -> Happened:
    return spent(f"c{number}", Decimal("0.001"), NOW)


async def two(broker: Broker) -> tuple[Bus, Histories, Histories]:
    buses = [await broker.connect("policy") for _ in range(2)]
    return buses[0], Histories(buses[0]), Histories(buses[1])


async def test_instances_that_write_by_turns_and_at_once_count_everything_once(broker: Broker) -> None:
    _, one, other = await two(broker)
    for number in range(6):
        await noted((one, other)[number % 2], call(number))
    await asyncio.gather(*(noted((one, other)[number % 2], call(number)) for number in range(6, 16)))
    # All of them again, the other way round: redeliveries that another instance gets.
    await asyncio.gather(*(noted((other, one)[number % 2], call(number)) for number in range(16)))
    standing = await one.read(TENANT, "family")
    assert standing is not None
    assert (standing.total.models, standing.total.microusd) == (16, 16_000)
    assert await other.read(TENANT, "family") == standing


async def test_what_another_instance_has_marked_is_read_at_once_and_given_as_what_was_before(broker: Broker) -> None:
    _, one, other = await two(broker)
    await noted(one, call(1))
    await noted(other, marked("tool.x", ["untrusted"], NOW))
    seen = await one.read(TENANT, "family")
    assert seen is not None
    assert seen.labels == {"untrusted": "tool.x"}
    assert (await noted(one, call(2))).labels == {"untrusted": "tool.x"}


async def test_a_history_that_is_gone_begins_anew_whatever_is_remembered_of_it(broker: Broker) -> None:
    bus, one, _ = await two(broker)
    await noted(one, call(1))
    await bus.bucket("histories").delete(f"{TENANT}.family")
    assert await noted(one, call(1)) == FamilyHistory()
    standing = await one.read(TENANT, "family")
    assert standing is not None
    assert standing.total.models == 1
