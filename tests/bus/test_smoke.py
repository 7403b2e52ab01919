import asyncio

from agentos.bus import Route
from agentos.contracts.base import Principal
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.task import TaskDecided, TaskQueued


async def test_smoke(broker):
    o = await broker.connect("orchestrator")
    p = await broker.connect("policy")
    seen = asyncio.Event()

    async def handle(r: Recorded) -> None:
        assert isinstance(r.data, TaskQueued)
        await p.append("task.decided", "t1", TaskDecided(verdict="allow", reasons=(), rules=(), bundle="x"), ordinal=1, cause=r)
        a = await p.append(
            "task.decided", "t1", TaskDecided(verdict="allow", reasons=(), rules=(), bundle="x"), ordinal=1, cause=r
        )
        assert a.duplicate
        seen.set()

    p.consume([Route("task.queued", handle)])
    await p.start()
    await o.append(
        "task.queued",
        "t1",
        TaskQueued(
            type="x",
            pack=None,
            priority="normal",
            requester=Principal(kind="service", id="x"),
            untrusted=False,
            reason="submitted",
        ),
        tenant="default",
        ordinal=1,
    )
    await asyncio.wait_for(seen.wait(), 5)
    assert len(await o.load("default", "task", "t1")) == 2
    b = o.bucket("dependents")
    await b.put("a.b", b"1")
    await b.create("a.c", b"2")
    assert await b.keys("a.") == ["a.b", "a.c"]
    assert await b.keys("zz.") == []
    await b.delete("a.b")
    assert await b.get("a.b") is None
    assert (await b.get("a.c")).value == b"2"
    await b.create("a.b", b"3")
