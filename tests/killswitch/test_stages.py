"""Draining, opening in stages, accounting and drills on a whole installation."""

import asyncio
from typing import Any

from agentos.killswitch import KillEntry, Work
from tests.cli.test_cli import Ended, agentos
from tests.killswitch.conftest import System


async def test_what_a_halting_switch_cancelled_is_told_thing_by_thing(system: System) -> None:
    tasks = await asyncio.gather(*(system.submit() for _ in range(5)))
    await system.provider.wait_for(in_flight=5)
    switch = await system.engage("agent", "asker/ask")
    for task in tasks:
        assert (await system.ended(task))["outcome"] == "refused"
    async with asyncio.timeout(120):
        while (shown := await system.switch(switch))["looks"] is None:
            await asyncio.sleep(0.1)
    by_kind = {kind: {one["task"] for one in shown["cancelled"] if one["what"] == kind} for kind in ("call", "attempt")}
    assert by_kind == {"call": set(tasks), "attempt": set(tasks)}
    assert shown["unconfirmed"] == []
    assert (shown["looks"]["cancelled"], shown["looks"]["unconfirmed"]) == (10, 0)


async def test_draining_lets_a_running_task_finish_and_refuses_the_next(system: System) -> None:
    running = await system.submit()
    await system.provider.wait_for(in_flight=1)
    await system.engage("pack", "asker", "drain")
    refused = await system.ended(await system.submit())
    assert refused["outcome"] == "refused"
    assert system.provider.in_flight == 1
    assert (await _outcome(system, running)) is None
    await system.engage("pack", "other", "drain")
    # What runs goes on until it ends by itself; here it is ended by hand.
    await system.client.post(f"/api/v1/tasks/{running}/cancel", json={"reason": "enough"})
    assert (await system.ended(running))["outcome"] == "cancelled"


async def _outcome(system: System, task: str) -> Any:
    answer = await system.client.get(f"/api/v1/tasks/{task}")
    return answer.json().get("outcome")


async def test_on_probation_exactly_the_share_starts(system: System) -> None:
    system.answer()
    switch = await system.engage("pack", "asker")
    await system.release(switch, stage="probation", share_percent=50)
    shown = await system.switch(switch)
    assert (shown["state"], shown["share_percent"]) == ("probation", 50)
    entry = KillEntry(
        switch=switch, tenant="default", scope="pack", target="asker", stage="probation", share_percent=50, reason="r",
        by=shown["by"], engaged_at=shown["since"],
    )  # fmt: skip
    tasks = await asyncio.gather(*(system.submit() for _ in range(16)))
    outcomes = {task: (await system.ended(task))["outcome"] for task in tasks}
    assert outcomes == {
        task: "refused" if entry.stops(Work("default", pack="asker", task=task)) else "completed" for task in tasks
    }
    await system.release(switch)
    assert (await system.ended(await system.submit()))["outcome"] == "completed"
    assert [one["what"] for one in (await system.switch(switch))["history"]] == ["eased", "released"]


async def test_a_drill_is_seen_by_every_service_that_starts_something_and_stops_nothing(system: System) -> None:
    running = await system.submit()
    await system.provider.wait_for(in_flight=1)
    drilled = await system.drill(10)
    services = {one["service"]: one for one in drilled["instances"]}
    assert {"policy", "router", "runner", "worker"} <= set(services)
    assert all((one["seen"], one["missed"]) == (10, 0) for one in services.values())
    assert 0 < drilled["p50_ms"] <= drilled["p99_ms"] <= drilled["max_ms"]
    assert (await system.client.get("/api/v1/kill")).json()["items"] == []
    assert system.provider.in_flight == 1
    assert await _outcome(system, running) is None


async def test_the_command_line_engages_shows_asks_confirms_and_drills(system: System) -> None:
    """Two persons, each with a key."""
    key = str(system.client.headers["Authorization"]).removeprefix("Bearer ")
    made = await system.client.post("/api/v1/keys", json={"name": "second", "roles": ["operator"]})

    async def run(*arguments: str, key: str = key) -> Ended:
        return await agentos("kill", *arguments, url=system.running.url, AGENTOS_API_KEY=key)

    task = await system.submit()
    await system.provider.wait_for(in_flight=1)
    engaged = await run("engage", "global", "--reason", "odd", "--json")
    switch = engaged.json()["id"]
    assert switch in (await run("status")).out
    await system.ended(task)
    shown = await run("status", switch)
    assert "global * (halt)" in shown.out
    assert task in shown.out
    assert (await run("confirm", switch, "--reason", "nobody asked")).code == 1
    assert "second person" in (await run("release", switch, "--reason", "over", "--stage", "probation", "--share", "25")).out
    alone = await run("confirm", switch, "--reason", "so do I")
    assert (alone.code, "cannot confirm" in alone.err) == (1, True)
    agreed = await run("confirm", switch, "--reason", "seen", key=made.json()["key"])
    assert "25 % of the tasks may start" in agreed.out
    assert "request 1" in agreed.err
    assert "probation, 25 %" in (await run("status")).out
    drilled = await run("drill", "--rounds", "3")
    assert drilled.code == 0, drilled.out
    assert "3 of 3" in drilled.out
    assert (await run("engage", "agent", "triage", "--reason", "which pack's?")).code == 1
