"""Long waits and crashes in a pack's middle: what is recorded answers at once, and no model call is paid for twice."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.events.task import TaskSettled
from tests.loopback.provider import LoopbackProvider, Status
from tests.system.harness import PACKS, Choices, Topology, running

RUNNER = {"AGENTOS_RUNNER_SUSPEND_AFTER": "PT0.3S"}


def _calls(provider: LoopbackProvider) -> Counter[str]:
    """Requests per call: the idempotency key is the call's id and the attempt."""
    return Counter(request.headers["idempotency-key"].rpartition("-")[0] for request in provider.requests)


async def test_neither_a_crash_nor_a_restart_of_everything_nor_a_retry_asks_a_model_twice(tmp_path: Path) -> None:
    """One system, three tasks: each result is what an undisturbed run gives."""
    async with LoopbackProvider(latency=0.5) as provider:
        choices = Choices(packs=(PACKS,), provider_url=provider.openai_base_url, extra={"runner": RUNNER})
        async with running(tmp_path, choices) as system:
            await _crash_in_the_middle(system, provider)
            await _retry_of_the_failed_step(system, provider)
            await _wait_over_a_restart(system, provider)
            told = await system.post("/audit/verify", {})
            assert told["ok"], told


async def _crash_in_the_middle(system: Topology, provider: LoopbackProvider) -> None:
    """The runner and its pack's process die while the second model call is under way."""
    runner = system.services["runner"]
    before = len(provider.requests)
    task = await system.submit("steady", {})
    await asyncio.wait_for(provider.wait_for(requests=before + 2), 120)
    runner.kill_family()
    told = await system.settled(task)
    assert runner.starts == 2
    assert told["outcome"] == "completed"
    assert told["result"]["length"] == 10
    assert sorted(_calls(provider).values()) == [1, 1]
    assert _count(await system.events(task), ModelCallSettled) == 2


async def _retry_of_the_failed_step(system: Topology, provider: LoopbackProvider) -> None:
    """An operator retries a failed task: the step that failed is made anew, the one before it answers from its record."""
    before = len(provider.requests)
    task = await system.submit("pair", {"second": "openai/gpt-x"}, max_attempts=1)
    await asyncio.wait_for(provider.wait_for(requests=before + 1), 120)
    provider.script(Status(400, code="model_not_found"))
    told = await system.settled(task)
    assert (told["outcome"], told["fault_code"]) == ("failed", "model_not_found")
    assert len(provider.requests) == before + 2
    await system.post(f"/tasks/{task}/retry", {})
    told = await system.settled(task, outcomes=2)
    assert told["outcome"] == "completed"
    assert len(told["result"]) == 2
    assert len(provider.requests) == before + 3, "only the failed step was asked again"
    settled = [event.data for event in await system.events(task) if isinstance(event.data, TaskSettled)]
    assert [each.outcome for each in settled] == ["failed", "completed"]


async def _wait_over_a_restart(system: Topology, provider: LoopbackProvider) -> None:
    """A task that waits for a person outlives every process; approved afterwards, it goes on where it was."""
    before = len(provider.requests)
    task = await system.submit("patient", {})
    approval = await system.approval(task)

    async def put_away() -> bool | None:
        return True if (await system.get(f"/tasks/{task}"))["state"] == "waiting" else None

    await system.until("the task is put away", put_away)
    pids = {name: process.pid for name, process in system.services.items()}
    await system.stop()
    await system.start()
    assert all(process.pid != pids[name] for name, process in system.services.items())
    await system.resolve(approval["id"])
    told = await system.settled(task)
    assert told["outcome"] == "completed"
    assert (len(told["result"]["answers"]), told["result"]["comment"]) == (2, "by the test")
    assert len(provider.requests) == before + 2
    assert max(_calls(provider).values()) == 1
    exits = {name: process.exits[-1] for name, process in system.services.items()}
    assert set(exits.values()) == {0}, f"every service stops in order on SIGTERM: {exits}"


def _count(events: list[Any], kind: type[Any]) -> int:
    return sum(isinstance(event.data, kind) for event in events)
