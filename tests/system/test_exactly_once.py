"""One delivery is one task: sent three times at once, again when the broker has forgotten its ids, again after a restart."""

import asyncio
import json
from collections import Counter
from pathlib import Path

from agentos.contracts.events.task import TaskSettled, TaskSubmitted
from tests.loopback.provider import LoopbackProvider
from tests.system.harness import BUILT_IN, DELIVERY, PACKS, Choices, Topology, running

DELIVERIES = 20
WINDOW_MS = 500


def _bodies() -> list[bytes]:
    body = json.loads(DELIVERY.read_bytes())
    found: list[bytes] = []
    for number in range(1, DELIVERIES + 1):
        body["issue"]["number"] = number
        found.append(json.dumps(body).encode())
    return found


async def _send_thrice(system: Topology, bodies: list[bytes]) -> list[tuple[str, bool]]:
    """Every body three times, all at once: (task, whether it was said to be new), in the order of ``bodies * 3``."""
    answers = await asyncio.gather(*(system.deliver(body) for body in bodies * 3))
    assert {answer.status_code for answer in answers} <= {200, 202}
    return [(answer.json()["task"], answer.status_code == 202) for answer in answers]


async def test_the_same_deliveries_make_the_same_tasks_however_often_and_however_late_they_come(
    tmp_path: Path, provider: LoopbackProvider
) -> None:
    """Twenty deliveries, nine times each: twenty tasks, provider calls and replies; each task is settled once."""
    bodies = _bodies()
    choices = Choices(packs=(BUILT_IN, PACKS), provider_url=provider.openai_base_url, duplicate_window_ms=WINDOW_MS)
    async with running(tmp_path, choices) as system:
        first = await _send_thrice(system, bodies)
        tasks = [task for task, _ in first[:DELIVERIES]]
        assert len(set(tasks)) == DELIVERIES
        assert [task for task, _ in first] == tasks * 3
        assert sum(new for _, new in first) == DELIVERIES, "one of the three was new"
        approvals = await asyncio.gather(*(system.approval(task) for task in tasks))

        # Every message id is forgotten: as if ten minutes had passed under the window of two.
        await asyncio.sleep(3 * WINDOW_MS / 1000)
        late = await _send_thrice(system, bodies)
        assert late == [(task, False) for task in tasks * 3]

        await asyncio.gather(*(system.resolve(approval["id"]) for approval in approvals))
        told = await asyncio.gather(*(system.settled(task) for task in tasks))
        assert {each["outcome"] for each in told} == {"completed"}

        await system.stop()
        await system.start()
        await asyncio.sleep(3 * WINDOW_MS / 1000)
        assert await _send_thrice(system, bodies) == [(task, False) for task in tasks * 3]
        await system.until("every command is carried out", lambda: _drained(system))
        await _check_all_once(system, provider, tasks)
        await _check_idempotency_keys(system, provider)


async def _drained(system: Topology) -> bool | None:
    states = [(await system.api(f"STREAM.INFO.{name}", {}))["state"]["messages"] for name in ("COMMANDS", "WORK")]
    return True if states == [0, 0] else None


async def _check_all_once(system: Topology, provider: LoopbackProvider, tasks: list[str]) -> None:
    events = await system.events()
    submitted = Counter(event.meta.correlation_id for event in events if isinstance(event.data, TaskSubmitted))
    settled = Counter(event.meta.correlation_id for event in events if isinstance(event.data, TaskSettled))
    assert submitted == settled == Counter(tasks)
    assert len(provider.requests) == DELIVERIES
    assert len({request.headers["idempotency-key"] for request in provider.requests}) == DELIVERIES
    assert len(list((system.data / "outbox").glob("*.md"))) == DELIVERIES
    assert await system.dead_letters() == []
    assert len((await system.get("/tasks", limit="200"))["items"]) == DELIVERIES


async def _check_idempotency_keys(system: Topology, provider: LoopbackProvider) -> None:
    """The same key and body: the first answer, however many ask at once. The same key with another body: 422."""
    before = len(provider.requests)
    tasks = await asyncio.gather(*(system.submit("steady", {"word": "a"}, key="one") for _ in range(8)))
    assert len(set(tasks)) == 1
    assert (await system.settled(tasks[0]))["outcome"] == "completed"
    assert await system.submit("steady", {"word": "a"}, key="one") == tasks[0]
    other = {"type": "steady", "input": {"word": "b"}}
    for _ in range(2):
        answer = await system.http.post("/tasks", json=other, headers={"Idempotency-Key": "one"})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:agentos:problem:idempotency_key_reused")
    bodies = [{"word": "c"}, {"word": "d"}] * 4
    headers = {"Idempotency-Key": "two"}
    answers = await asyncio.gather(
        *(
            system.patiently(
                lambda given=given: system.http.post("/tasks", json={"type": "steady", "input": given}, headers=headers)
            )
            for given in bodies
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: 4, 422: 4}
    made = {answer.json()["task"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert (await system.settled(made.pop()))["outcome"] == "completed"
    assert len(provider.requests) == before + 4, "two tasks of two calls"
