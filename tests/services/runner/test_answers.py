"""Awaited facts reach whoever waits for them, and nobody's calls are followed while nobody waits."""

import asyncio
from datetime import timedelta

import nats
import pytest

from agentos.bus.topology import PROVISIONER
from agentos.contracts.base import Principal
from agentos.contracts.events.task import TaskCancelling
from agentos.contracts.ids import new_id
from services.runner import answers
from tests.conftest import Broker

TENANT = "default"


async def test_a_fact_that_comes_at_once_is_heard_and_the_tail_rests_until_somebody_waits_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LINGER_S", 0.1)
    runner, orchestrator = await broker.connect("runner"), await broker.connect("orchestrator")
    # The look comes too late to be what brings the facts.
    awaited = answers.Answers(runner, timedelta(hours=1))
    await awaited.start()
    for _ in range(3):
        assert await _tails(broker) == 0
        task = new_id()
        future = awaited.wait(f"evt.{TENANT}.task.{task}.cancelling.1")
        cancelling = TaskCancelling(outcome="cancelled", reason="enough", by=Principal(kind="api_key", id="op"))
        await orchestrator.append("task.cancelling", task, cancelling, tenant=TENANT, ordinal=1, correlation_id=task)
        async with asyncio.timeout(120):
            assert (await future).payload(TaskCancelling).reason == "enough"
            while await _tails(broker):
                await asyncio.sleep(0.02)
    await awaited.stop()


async def _tails(broker: Broker) -> int:
    """How many consumers of the log are nobody's durable."""
    client = await nats.connect(
        broker.server.url,
        user=PROVISIONER,
        password=broker.server.passwords[PROVISIONER],
        inbox_prefix=f"_INBOX_{PROVISIONER}".encode(),
    )
    try:
        found = await client.jetstream().consumers_info("EVENTS")
        return sum(one.config.durable_name is None for one in found)
    finally:
        await client.close()
