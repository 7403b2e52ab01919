"""Packs that misbehave: each task ends with the fault that names what its pack did, and the next task is served at once."""

import asyncio
import socket

import pytest

from agentos.contracts.events.call import CallDecided, ToolCallSettled
from agentos.contracts.events.task import TaskEnded, TaskParked, TaskSettled
from tests.system.bad.conftest import Shared

pytestmark = [pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize(
    ("type_", "code"),
    [("raises", "pack_raised"), ("nonsense", "bad_result"), ("hangs", "pack_hung"), ("exits", "pack_crashed")],
)
async def test_a_pack_that_does_wrong_fails_its_own_task_only(shared: Shared, type_: str, code: str) -> None:
    """A good task sent while the bad one is at it completes as well."""
    bad = await shared.system.submit(type_, {"text": "alice.liddell@example.com"}, max_attempts=1)
    await shared.assert_serves()
    told = await shared.system.settled(bad)
    assert (told["outcome"], told["fault_code"]) == ("failed", code)
    assert "alice.liddell" not in str(told), "what the pack's exception quoted is not told"
    events = await shared.system.events(bad)
    ended = [event.data for event in events if isinstance(event.data, TaskEnded)]
    settled = [event.data for event in events if isinstance(event.data, TaskSettled)]
    assert [each.outcome for each in ended] == ["failed"]
    assert [each.outcome for each in settled] == ["failed"]
    assert ended[0].fault == settled[0].fault
    await shared.assert_serves()


async def test_a_pack_that_differs_from_its_recorded_steps_is_parked_until_an_operator_decides(shared: Shared) -> None:
    """Nothing is asked of the provider a second time; a cancellation ends the task."""
    system = shared.system
    task = await system.submit("drifts", {})
    approval = await system.approval(task)
    await system.until("the task is put away", lambda: _state(shared, task, "waiting"))
    asked = len(shared.good.requests)
    await system.resolve(approval["id"])

    async def parked() -> TaskParked | None:
        return next((event.data for event in await system.events(task) if isinstance(event.data, TaskParked)), None)

    found: TaskParked = await system.until("the task is parked", parked)
    assert found.fault.code == "non_determinism"
    assert len(shared.good.requests) == asked
    assert (await system.get(f"/tasks/{task}"))["outcome"] is None
    await shared.assert_serves()
    await system.post(f"/tasks/{task}/cancel", {"reason": "cannot be mended"})
    assert (await system.settled(task))["outcome"] == "cancelled"


async def _state(shared: Shared, task: str, state: str) -> bool | None:
    return True if (await shared.system.get(f"/tasks/{task}"))["state"] == state else None


async def test_a_tool_that_is_not_declared_is_refused_by_policy_and_never_runs(shared: Shared) -> None:
    """The refusal is an event with its rule; the task is refused."""
    task = await shared.system.submit("undeclared", {})
    told = await shared.system.settled(task)
    assert told["outcome"] == "refused"
    events = await shared.system.events(task)
    decided = [event.data for event in events if isinstance(event.data, CallDecided)]
    assert [(each.verdict, "tool.undeclared" in each.reasons) for each in decided] == [("deny", True)]
    settled = [event.data for event in events if isinstance(event.data, ToolCallSettled)]
    assert [each.outcome for each in settled] == ["refused"]
    assert not list((shared.system.data / "outbox").glob("*"))
    await shared.assert_serves()


async def test_a_pack_reads_no_file_of_the_installation_and_sees_no_variable_that_could_hold_a_key(shared: Shared) -> None:
    """Master key, broker password, admin key, database and the broker's store are out of its reach."""
    data = shared.system.data
    wanted = ["secrets/master.key", "secrets/nats-router.password", "secrets/admin.key", "ledger/ledger.db", "sources.json"]
    paths = [str(data / name) for name in wanted] + ["/etc/passwd", "/proc/1/environ"]
    assert all((data / name).exists() for name in wanted)
    told = await shared.system.settled(await shared.system.submit("snoops", {"paths": paths}))
    assert told["outcome"] == "completed"
    environment = told["result"].pop("environment").split()
    assert told["result"] == dict.fromkeys(paths, "PermissionError")
    assert not [name for name in environment if "KEY" in name or "PASSWORD" in name or "NATS" in name]
    await shared.assert_serves()


async def test_a_pack_reaches_no_network(shared: Shared) -> None:
    """Not even a listener on this machine hears of it."""
    heard: list[str] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append("connection")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        port = server.sockets[0].getsockname()[1]
        told = await shared.system.settled(await shared.system.submit("dials", {"port": port}))
    assert (told["outcome"], told["result"]) == ("completed", "PermissionError")
    assert heard == []
    await shared.assert_serves()


async def test_a_pack_that_cannot_be_imported_is_offered_to_nobody(shared: Shared) -> None:
    """A task for it is refused at the edge, with the field and what there is instead; the runner serves the others."""
    answer = await shared.system.http.post("/tasks", json={"type": "broken", "input": {}})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:agentos:problem:unknown_task_type")
    assert answer.json()["errors"][0]["field"] == "type"
    await shared.assert_serves()
