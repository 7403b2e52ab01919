"""A broker with everything but providers, in which the hostile pack is the one that tasks are routed to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentos.contracts.events.governance import ViolationNoted
from agentos.contracts.subjects import EventSubject
from tests.bypass.site import HOSTILE
from tests.conftest import Broker
from tests.services.runner.world import TENANT, World, world_of

CODE = (HOSTILE / "code.py").read_text()


@pytest.fixture
async def world(broker: Broker, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(broker, tmp_path) as running:
        yield running


async def violations(world: World, id_: str, tenant: str = TENANT, fact: str = "noted") -> list[ViolationNoted]:
    """What was noted of a task (or of a pack, for the tenant ``system``), in its order."""
    events = await world.gateway.load(tenant, "violation", id_)
    return [event.payload(ViolationNoted) for event in events if EventSubject.parse(event.subject).fact == fact]
