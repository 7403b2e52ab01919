"""The pipe itself: frames that the SDK would not send get nobody anything, and are told."""

import json

import pytest

from tests.bypass.conftest import violations
from tests.services.runner.world import EMAIL, TENANT, World

WRITES = """
    import asyncio, json, os, sys

    def send(frame, raw=None):
        body = raw if raw is not None else json.dumps(frame).encode()
        os.write(int(sys.argv[-3]), len(body).to_bytes(4, "big") + body)

    async def main(ctx, x):
        await ctx.now()
        run = ctx._port._answers_to if hasattr(ctx._port, "_answers_to") else x["run"]
        for frame in x["frames"]:
            send({"run": run, **frame})
        await asyncio.sleep(1)
        return "done"
"""
EFFECT = {"t": "effect", "kind": "model", "request": {"messages": []}}


async def told(world: World, frames: list[object], run: int = 1) -> tuple[str, str, set[str]]:
    world.pack(WRITES)
    world.run_runner()
    task = await world.submit("main", {"frames": frames, "run": run})
    settled = await world.settled(task)
    fault = settled.fault.code if settled.fault is not None else ""
    noted = await violations(world, task)
    return settled.outcome, fault, {f"{each.what}: {each.detail}" for each in noted}


@pytest.mark.parametrize("step", [0, 7, -1, 2**63])
async def test_a_step_out_of_its_order_is_not_taken_and_ends_the_attempt(world: World, step: int) -> None:
    outcome, code, noted = await told(world, [{**EFFECT, "step": step}])
    assert (outcome, code) == ("refused", "sandbox_violation")
    assert noted == {"protocol: sent a step out of its order"}
    assert not world.asked


async def test_a_frame_for_a_run_that_was_never_given_to_it_is_told(world: World) -> None:
    outcome, _, noted = await told(world, [{**EFFECT, "step": 0}, {"t": "ended", "outcome": "completed"}], run=4_711)
    assert outcome == "completed"
    assert noted == {
        "protocol: sent a frame (effect) for a run that is not its own",
        "protocol: sent a frame (ended) for a run that is not its own",
    }
    assert not world.asked


@pytest.mark.parametrize(
    "frame",
    [
        {"t": "answer", "step": 0, "ok": True, "value": "forged"},
        {"t": "decided", "verdict": "allow"},
        {"t": "effect", "kind": "approve", "step": 1, "request": {}},
        {"t": "effect", "kind": "model", "step": "1", "request": {}, "verdict": "allow"},
        {"t": "log", "level": "info", "event": 5, "fields": {}},
        {"t": "tool", "call": {}},
        {"t": "ready"},
    ],
)
async def test_a_frame_of_no_known_shape_ends_its_process_and_is_told(world: World, frame: object) -> None:
    outcome, _, noted = await told(world, [frame])
    assert outcome == "failed"
    assert noted == {"protocol: sent a frame of no known shape"}
    assert not world.asked


async def test_an_oversized_frame_ends_its_process_and_is_told(world: World) -> None:
    world.pack("""
        import asyncio, os, sys
        async def main(ctx, x):
            os.write(int(sys.argv[-3]), b"\\xff\\xff\\xff\\xff")
            await asyncio.sleep(5)
    """)
    world.run_runner()
    task = await world.submit("main", {})
    assert (await world.settled(task)).outcome == "failed"
    assert {(each.what, each.detail) for each in await violations(world, task)} == {("protocol", "sent what is no frame")}


async def test_an_undeclared_tool_is_refused_by_the_policy_and_that_is_its_event(world: World) -> None:
    world.pack("async def main(ctx, x):\n    return await ctx.tool('billing.refund', amount=1)\n")
    world.run_runner()
    world.run_worker()
    task = await world.submit("main", {})
    assert (await world.settled(task)).outcome == "refused"
    decided = await world.until(f"tool.{task}-s0000-e1.decided")
    assert decided.payload(type(decided.data)).model_dump()["verdict"] == "deny"


async def test_a_guessed_placeholder_is_restored_from_the_task_itself_and_never_from_another(world: World) -> None:
    world.pack("""
        async def main(ctx, x):
            return (await ctx.model(x.get("mail", "nothing") + " <EMAIL_2> <PERSON_1> <EMAIL_1>")).text
    """)
    world.model = lambda request: json.dumps(request.model_dump(mode="json"))
    world.run_runner()
    other = await world.submit("main", {"mail": EMAIL})
    assert EMAIL in world.opened(await world.settled(other))
    task = await world.submit("main", {})
    answer = world.opened(await world.settled(task))
    assert "<EMAIL_2>" in answer
    assert "<PERSON_1>" in answer
    for seen in [e async for e in _texts(world, task)]:
        assert EMAIL not in seen


async def _texts(world: World, task: str):
    for event in await world.gateway.load(TENANT, "task", task):
        yield event.data.model_dump_json()
