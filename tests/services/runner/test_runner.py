"""Durable attempts over a real broker: answered, replayed, suspended, resumed, cancelled, parked, and never paid for twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentos.contracts.events.call import ToolCallSettled
from agentos.contracts.events.governance import CheckpointRequested
from agentos.contracts.events.kill import KillCancelled
from agentos.sealing import open_sealed
from tests.conftest import Broker
from tests.services.runner.world import EMAIL, TENANT, World, world_of


@pytest.fixture
async def world(broker: Broker, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(broker, tmp_path) as running:
        yield running


async def test_a_task_runs_to_its_result_and_the_pack_sees_real_values_where_the_provider_saw_placeholders(
    world: World,
) -> None:
    world.pack("""
        async def main(ctx, input):
            return {"text": (await ctx.model(f"mail {input['mail']}")).text, "attempt": ctx.task.attempt}
    """)
    seen: list[str] = []
    world.model = lambda request: seen.append(request.model_dump_json()) or "write to <EMAIL_1>"
    world.run_runner()
    settled = await world.settled(await world.submit("main", {"mail": EMAIL}))
    assert world.opened(settled) == {"text": f"write to {EMAIL}", "attempt": 1}
    assert EMAIL not in seen[0]


EVERY = """
    import asyncio
    from datetime import timedelta
    from agentos.sdk import ToolResult

    async def main(ctx, input):
        first = (await ctx.model("first")).text
        at, chance = await ctx.now(), await ctx.random()
        tool = await ctx.tool("local.add", a=1, b=2)
        both = await asyncio.gather(ctx.model("left"), ctx.model("right"))
        await ctx.sleep(timedelta(milliseconds=700))
        yes = await ctx.approval("Shall I write to " + input["mail"] + "?")
        child = await ctx.subtask("child", {"n": 20})
        return {"first": first, "at": at.isoformat(), "tool": tool, "both": [b.text for b in both], "by": yes.by, "child": child}

    async def child(ctx, input):
        return {"n": input["n"] + 1}

    async def local_add(call):
        return ToolResult(call.arguments["a"] + call.arguments["b"])
"""


async def test_every_effect_waits_and_resumes_without_asking_anything_twice(world: World) -> None:
    world.pack(EVERY, agents=["main", "child"], tools=["local.add"])
    world.run_runner()
    world.run_worker()
    task = await world.submit("main", {"mail": EMAIL})
    asked = await world.until(f"checkpoint.{task}-s0007-e1.requested")
    sealed = asked.payload(CheckpointRequested).question
    assert open_sealed(world.key, sealed.key, "checkpoint.question", sealed).decode() == f"Shall I write to {EMAIL}?"
    await world.until(f"approval.{task}-s0007-e1.requested")
    await world.until(f"task.{task}.suspended.2")
    await world.resolve(f"{task}-s0007-e1")
    result = world.opened(await world.settled(task))
    assert (result["tool"], result["both"], result["by"], result["child"]) == (3, ["echo left", "echo right"], "op", {"n": 21})
    assert sorted(world.asked.values()) == [1, 1, 1]


async def test_a_runner_that_leaves_gives_its_tasks_to_the_next_one(world: World) -> None:
    world.pack("""
        async def main(ctx, input):
            return [(await ctx.model(f"call {n}")).text for n in range(3)]
    """)
    world.model = lambda request: (world.answering.clear(), "x")[1]
    end = world.run_runner()
    task = await world.submit("main", {})
    await world.until(f"call.{task}-s0001-e1.decided")
    await end()
    world.model = lambda request: "y"
    world.answering.set()
    world.run_runner()
    assert world.opened(await world.settled(task)) == ["x", "y", "y"]
    assert sorted(world.asked.values()) == [1, 1, 1]


async def test_a_held_tool_suspends_and_an_approval_days_later_resumes_it(world: World) -> None:
    world.pack("""
        import os
        async def main(ctx, input):
            await ctx.model("before")
            return await ctx.tool("local.touch", name="x")

        async def local_touch(call):
            (call.outbox / call.id).write_text("done")
            return {"environment": sorted(k for k in os.environ if k not in ("PYTHONHASHSEED", "LANG", "HOME", "TMPDIR", "LC_CTYPE"))}
    """, tools=["local.touch"])  # fmt: skip
    world.hold.add("local.touch")
    end = world.run_runner()
    world.run_worker()
    task = await world.submit("main", {})
    await world.until(f"task.{task}.suspended.1")
    await end()
    await world.resolve(f"{task}-s0001-e1")
    world.run_runner()
    assert world.opened(await world.settled(task)) == {"environment": []}
    assert [file.name for file in (world.data / "outbox").iterdir()] == [f"{task}-s0001-e1"]
    assert list(world.asked.values()) == [1]


async def test_a_rejected_or_undeclared_tool_ends_the_task_as_refused_unless_the_pack_handles_it(world: World) -> None:
    world.pack("""
        from agentos.sdk import CallRefused
        async def main(ctx, input):
            try:
                await ctx.tool("not.declared")
            except CallRefused as refused:
                ctx.log.info("refused", reasons=refused.reasons)
            await ctx.tool("local.touch")
        async def local_touch(call): ...
    """, tools=["local.touch"])  # fmt: skip
    world.hold.add("local.touch")
    world.run_runner()
    world.run_worker()
    task = await world.submit("main", {})
    refused = (await world.until(f"tool.{task}-s0000-e1.settled")).payload(ToolCallSettled)
    assert (refused.outcome, refused.reasons) == ("refused", ("tool.undeclared",))
    await world.until(f"approval.{task}-s0001-e1.requested")
    await world.resolve(f"{task}-s0001-e1", "rejected")
    settled = await world.settled(task)
    assert settled.outcome == "refused"
    assert settled.fault is not None
    assert settled.fault.code == "approval_rejected"


async def test_a_failed_call_is_made_anew_by_the_retry_and_what_came_before_is_kept(world: World) -> None:
    world.pack("""
        async def main(ctx, input):
            at = await ctx.now()
            first = (await ctx.model("one")).text
            return [at.isoformat(), first, (await ctx.model("two")).text, ctx.task.attempt]
    """)
    calls: list[str] = []

    def model(request: object) -> str:
        calls.append(str(request))
        world.fail_models = 1 if len(calls) == 1 else 0
        return "ok"

    world.model = model  # pyright: ignore[reportAttributeAccessIssue] - a wider parameter is fine
    world.run_runner()
    task = await world.submit("main", {})
    result = world.opened(await world.settled(task, attempt=2))
    assert result[1:] == ["ok", "ok", 2]
    assert (await world.ended(task)).failed_step == 2
    assert sorted(world.asked) == [f"{task}-s0001-e1", f"{task}-s0002-e2"]


async def test_a_question_that_policy_refuses_is_a_refusal_with_its_reasons_and_asks_nobody(world: World) -> None:
    world.deny.add("approval")
    world.pack("""
        from agentos.sdk import CallRefused

        async def main(ctx, input):
            try:
                await ctx.approval("May I?")
            except CallRefused as refused:
                return [refused.code, *refused.reasons]
    """)
    world.run_runner()
    task = await world.submit("main", {})
    assert world.opened(await world.settled(task)) == ["call_refused", "limit.checkpoints"]
    assert await world.gateway.get(f"evt.{TENANT}.approval.{task}-s0001-e1.requested") is None


async def test_a_refused_question_that_the_pack_does_not_catch_refuses_the_task(world: World) -> None:
    world.deny.add("approval")
    world.pack("""
        async def main(ctx, input):
            await ctx.approval("May I?")
    """)
    world.run_runner()
    settled = await world.settled(await world.submit("main", {}))
    assert settled.outcome == "refused"
    assert settled.fault is not None
    assert "limit.checkpoints" in settled.fault.message


async def test_a_pack_that_differs_from_its_record_is_parked_naming_the_step(world: World) -> None:
    world.pack("""
        import time
        async def main(ctx, input):
            await ctx.now()
            await ctx.model(f"at {time.time_ns()}")
            return await ctx.approval("go?")
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.until(f"task.{task}.suspended.1")
    await world.resolve(f"{task}-s0002-e1")
    fault = await world.parked(task)
    assert fault.code == "non_determinism"
    assert fault.message.startswith("step 1 is recorded as model")


BAD = """
    import asyncio, os, time
    async def raises(ctx, input):
        raise ValueError("cannot reach " + input["mail"])
    async def nonsense(ctx, input):
        return object()
    async def hangs(ctx, input):
        await ctx.now()
        time.sleep(3600)
    async def spins(ctx, input):
        while True: pass
    async def dies(ctx, input):
        os._exit(3)
    async def stuck(ctx, input):
        await asyncio.sleep(3600)
    async def good(ctx, input):
        a = (await ctx.model("a")).text
        await asyncio.sleep(0.5)
        return [a, (await ctx.model("b")).text]
"""


async def test_a_pack_that_misbehaves_ends_with_a_fault_and_its_neighbours_in_the_process_lose_nothing(world: World) -> None:
    kinds = {
        "raises": "pack_raised",
        "nonsense": "bad_result",
        "hangs": "pack_hung",
        "spins": "pack_hung",
        "dies": "pack_crashed",
    }
    world.pack(BAD, agents=[*kinds, "stuck", "good"])
    world.run_runner(runner_hang_after=timedelta(seconds=3))
    good = [await world.submit("good", {}) for _ in range(10)]
    bad = {kind: await world.submit(kind, {"mail": EMAIL}) for kind in kinds}
    more = [await world.submit("dies", {}) for _ in range(4)]
    good += [await world.submit("good", {}) for _ in range(10)]
    for kind, code in kinds.items():
        settled = await world.settled(bad[kind])
        assert settled.fault is not None
        assert (kind, settled.outcome, settled.fault.code) == (kind, "failed", code)
        assert EMAIL not in settled.fault.message
    for task in more:
        assert (await world.settled(task)).outcome == "failed"
    for task in good:
        assert world.opened(await world.settled(task)) == ["echo a", "echo b"]
    assert set(world.asked.values()) == {1}
    assert len(world.asked) == 40


async def test_an_attempt_that_runs_too_long_without_waiting_is_ended(world: World) -> None:
    world.pack(BAD, agents=["stuck"], timeout_s=0.5)
    world.run_runner()
    settled = await world.settled(await world.submit("stuck", {}))
    assert settled.fault is not None
    assert settled.fault.code == "pack_timeout"


async def test_a_cancelled_task_stops_the_agent_which_may_clean_up(world: World) -> None:
    world.pack("""
        import asyncio
        async def main(ctx, input):
            try:
                await asyncio.sleep(3600)
            finally:
                await ctx.now()
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.until(f"task.{task}.started.1")
    await world.cancel(task)
    assert (await world.settled(task)).outcome == "cancelled"
    assert (await world.ended(task)).outcome == "cancelled"


async def test_the_kill_switch_ends_what_runs_and_starts_nothing_new(world: World) -> None:
    world.pack("""
        import asyncio
        async def main(ctx, input):
            await asyncio.sleep(3600)
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.until(f"task.{task}.started.1")
    switch = await world.engage("pack", "trial")
    for killed in (task, await world.submit("main", {})):
        settled = await world.settled(killed)
        assert settled.fault is not None
        assert (settled.outcome, settled.fault.code) == ("refused", "killed")
    cancelled = (await world.until(f"kill.{switch}.attempt-cancelled.{task}-1")).payload(KillCancelled)
    assert (cancelled.what, cancelled.pack, cancelled.agent, cancelled.confirmed) == ("attempt", "trial", "main", True)


async def test_an_agent_that_does_not_heed_the_kill_switch_is_told_as_not_confirmed(world: World) -> None:
    world.pack("""
        import asyncio
        async def main(ctx, input):
            while True:
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    pass
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.until(f"task.{task}.started.1")
    switch = await world.engage("agent", "trial/main")
    assert (await world.settled(task)).outcome == "refused"
    cancelled = (await world.until(f"kill.{switch}.attempt-cancelled.{task}-1")).payload(KillCancelled)
    assert not cancelled.confirmed


async def test_draining_lets_an_attempt_run_to_its_end_and_starts_no_other(world: World) -> None:
    world.pack("""
        from datetime import timedelta
        async def main(ctx, input):
            await ctx.sleep(timedelta(seconds=1))
            return "done"
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.until(f"task.{task}.started.1")
    switch = await world.engage("pack", "trial", "drain")
    await world.until(f"kill.{switch}.engaged")
    refused = await world.settled(await world.submit("main", {}))
    assert refused.outcome == "refused"
    assert world.opened(await world.settled(task)) == "done"


async def test_presence_tells_what_lives_here_and_ends_with_the_runner(world: World) -> None:
    world.pack(BAD, agents=["good"])
    end = world.run_runner()
    presence = world.gateway.bucket("presence")
    async with asyncio.timeout(120):
        while not (entries := await presence.entries()):
            await asyncio.sleep(0.05)
    assert entries[0].key.startswith("trial.runner-")
    assert b'"task_types":["good"]' in (entries[0].value or b"")
    await end()
    assert await presence.entries() == []


async def test_an_erased_data_key_ends_the_task_instead_of_losing_it(world: World) -> None:
    world.pack(BAD, agents=["good"])
    task = await world.submit("good", {})
    await world.gateway.bucket("keys").delete(f"{TENANT}.{task}")
    world.run_runner()
    settled = await world.settled(task)
    assert settled.fault is not None
    assert settled.fault.code == "key_erased"
