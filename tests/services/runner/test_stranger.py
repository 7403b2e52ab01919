"""Work for a pack that no runner hosts."""

from typing import Any, cast

import pytest

from agentos.contracts.commands import WorkItem
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.task import TaskEnded
from services.runner.handlers import STRANGER_TRIES, Runner
from services.runner.settings import Settings
from tests.conftest import Broker
from tests.governance.scenario import TENANT, message


class NoSwitch:
    """A kill switch that nobody engages."""

    def on_engaged(self, listener: object) -> None:
        del listener


async def test_work_for_a_pack_that_nobody_hosts_waits_and_then_fails_the_task_with_the_reason(broker: Broker) -> None:
    bus = await broker.connect("runner")
    nothing = cast("Any", None)
    runner = Runner(bus, Settings(), {}, nothing, nothing, nothing, cast("Any", NoSwitch()))
    item = WorkItem(tenant=TENANT, task="t1", attempt=1, resumption=0, pack="gone", agent="a")
    for deliveries in (1, STRANGER_TRIES - 1):
        with pytest.raises(RetryLater, match="gone"):
            await runner.on_work(message("work.normal", ("gone", "t1-1-0"), item, correlation_id="t1", deliveries=deliveries))
    await runner.on_work(message("work.normal", ("gone", "t1-1-0"), item, correlation_id="t1", deliveries=STRANGER_TRIES))
    ended = await bus.get(f"evt.{TENANT}.task.t1.ended.1")
    assert ended is not None
    fault = ended.payload(TaskEnded).fault
    assert fault is not None
    assert (fault.code, fault.retryable) == ("pack_not_here", False)
    assert "retry the task" in fault.message
