"""Two hundred tasks while every process of the system, one after the other, is killed without warning."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from agentos.bus.server import NatsServer
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import ModelCallSettled, ToolCallSettled
from agentos.contracts.events.task import TaskSettled
from agentos.contracts.services import SERVICES
from tests.loopback.provider import LoopbackProvider
from tests.system.harness import PACKS, Choices, Topology, running

TASKS = 200
LATENCY_S = 0.1
RESUME_WITHIN_S = 240.0
"""A bound on liveness; what it really takes is printed."""


class Watched(LoopbackProvider):
    """Notes when each request of which call came: the idempotency key is the call's id and the attempt."""

    def __init__(self) -> None:
        super().__init__(latency=LATENCY_S)
        self.asked: dict[str, list[datetime]] = {}

    def _note(self, event: str, number: int, request: object) -> None:
        if event == "request":
            call = self.requests[number].headers["idempotency-key"].rpartition("-")[0]
            self.asked.setdefault(call, []).append(datetime.now(UTC))
        super()._note(event, number, None)


@dataclass(frozen=True)
class Kill:
    """One process's end. A request that it had sent may be noted up to ``after``, when the provider had answered a question that was
    asked once the process was gone: what lay in its sockets before is noted by then."""

    name: str
    before: datetime
    after: datetime

    def between(self, first: datetime, second: datetime) -> bool:
        """Whether a request noted at ``first`` may be from before it, and one noted at ``second`` from after."""
        return first < self.after and second > self.before


@dataclass
class Run:
    """What the test keeps of its run."""

    tasks: list[str] = field(default_factory=list[str])
    kills: list[Kill] = field(default_factory=list[Kill])
    resumed_s: dict[str, float] = field(default_factory=dict[str, float])


@pytest.mark.chaos
async def test_every_process_is_killed_under_load_and_every_task_settles_exactly_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also: no call that is settled is asked of the provider again, and the ledger tells what the stream tells."""
    async with Watched() as provider:
        choices = Choices(packs=(PACKS,), provider_url=provider.openai_base_url)
        async with running(tmp_path, choices) as system:
            victims: dict[str, Callable[[], Awaitable[None]]] = {name: system.services[name].killed for name in SERVICES}
            victims["nats-server"] = _killing(system.brokers[0])
            run = Run()
            share = TASKS // (len(victims) + 1)
            for name, kill in victims.items():
                await _phase(system, provider, run, name, kill, share)
            await _submit(system, run, TASKS - len(run.tasks))
            told = await asyncio.gather(*(system.settled(task) for task in run.tasks))
            _tell(run, capsys)
            assert Counter(each["outcome"] for each in told) == {"completed": TASKS}
            assert {name: process.starts for name, process in system.services.items()} == dict.fromkeys(SERVICES, 2)
            await _check_stream(system, provider, run)
            await _check_ledger(system, run)
        await system.assert_nothing_runs()


@pytest.mark.chaos
@pytest.mark.cluster
async def test_each_node_of_a_cluster_is_killed_while_it_leads_and_every_task_settles_exactly_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that comes back lags behind for a while: nobody may decide on what it shows."""
    async with Watched() as provider:
        choices = Choices(packs=(PACKS,), provider_url=provider.openai_base_url, cluster=True)
        async with running(tmp_path, choices) as system:
            run = Run()
            for round_ in range(3):
                leader = (await system.api("STREAM.INFO.EVENTS", {}))["cluster"]["leader"]
                killed = _killing(next(server for server in system.brokers if server.name == leader))
                await _phase(system, provider, run, f"{leader} (round {round_ + 1})", killed, 20)
            told = await asyncio.gather(*(system.settled(task) for task in run.tasks))
            _tell(run, capsys)
            assert Counter(each["outcome"] for each in told) == {"completed": 60}
            assert {name: process.starts for name, process in system.services.items()} == dict.fromkeys(SERVICES, 1)
            await _check_stream(system, provider, run)
            await _check_ledger(system, run)


def _tell(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nresumed after a kill:", ", ".join(f"{name} {took:.1f} s" for name, took in run.resumed_s.items()))


def _killing(server: NatsServer) -> Callable[[], Awaitable[None]]:
    async def killed() -> None:
        process = server.process
        assert process is not None
        process.kill()
        await process.wait()

    return killed


async def _submit(system: Topology, run: Run, count: int) -> list[str]:
    numbers = range(len(run.tasks), len(run.tasks) + count)
    made = list(await asyncio.gather(*(system.submit("steady", {}, key=f"chaos-{number}") for number in numbers)))
    run.tasks += made
    return made


async def _phase(
    system: Topology, provider: Watched, run: Run, name: str, killed: Callable[[], Awaitable[None]], share: int
) -> None:
    """Kill one process while its share of the tasks is at every stage; a task made after that must come through."""
    asked = len(provider.requests)
    submitting = asyncio.create_task(_submit(system, run, share - 1))
    await asyncio.wait_for(provider.wait_for(requests=asked + share // 3), RESUME_WITHIN_S)
    before, began = datetime.now(UTC), time.monotonic()
    await killed()
    async with httpx.AsyncClient(trust_env=False, timeout=RESUME_WITHIN_S) as client:
        (await client.get(f"{provider.base_url}/_loopback/stats")).raise_for_status()
    run.kills.append(Kill(name, before, datetime.now(UTC)))
    await submitting
    probe = await _submit(system, run, 1)
    await system.settled(probe[0], RESUME_WITHIN_S)
    run.resumed_s[name] = time.monotonic() - began


async def _check_stream(system: Topology, provider: Watched, run: Run) -> None:
    stored = [(each, each.recorded) for each in await system.stored("EVENTS")]
    settled = Counter(event.meta.correlation_id for _, event in stored if isinstance(event.data, TaskSettled))
    assert settled == Counter(run.tasks)
    calls = _settled_at([(each.time, event) for each, event in stored], ModelCallSettled)
    tools = _settled_at([(each.time, event) for each, event in stored], ToolCallSettled)
    assert len(calls) == 2 * len(run.tasks)
    assert len(tools) == len(run.tasks)
    assert set(provider.asked) == set(calls)
    for call, times in provider.asked.items():
        late = [at for at in times if at > calls[call]]
        assert not late, f"{call} was settled at {calls[call]} and asked for again at {late}; kills: {run.kills}"
        for first, second in itertools.pairwise(times):
            told = f"{call} was asked for twice without a crash: {times}; kills: {run.kills}"
            assert any(kill.between(first, second) for kill in run.kills), told
    assert await system.dead_letters() == []


def _settled_at(events: list[tuple[str, Recorded]], kind: type[ModelCallSettled | ToolCallSettled]) -> dict[str, datetime]:
    """When the broker stored each settlement, by call; each exactly one, and completed."""
    found: dict[str, datetime] = {}
    for at, event in events:
        if isinstance(event.data, kind):
            call = event.subject.split(".")[3]
            assert call not in found
            assert event.data.outcome == "completed", event.data.fault
            found[call] = datetime.fromisoformat(at)
    return found


async def _check_ledger(system: Topology, run: Run) -> None:
    """The audit chain holds against the stream, and the ledger lists the same tasks with the same outcome."""
    verdict = await system.post("/audit/verify", {})
    assert verdict["ok"], verdict
    last = (await system.api("STREAM.INFO.EVENTS", {}))["state"]
    assert last["messages"] == last["last_seq"], "nothing is missing from the stream"
    assert verdict["events"] >= last["last_seq"] - 2, "but for a checkpoint written meanwhile, all of it was verified"
    listed: dict[str, str] = {}
    query = {"limit": "200"}
    while True:
        page = await system.get("/tasks", **query)
        listed |= {item["id"]: item["outcome"] for item in page["items"]}
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert listed == dict.fromkeys(run.tasks, "completed")
