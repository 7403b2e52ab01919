"""Stand-ins for the services behind the gateway: they answer on the real broker, as their own users, as thinly as will do."""

import asyncio
import contextlib
import json
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agentos.bus import Bus, Route
from agentos.contracts.base import Contract, Principal, Sealed
from agentos.contracts.commands import (
    Answer,
    CancelTask,
    EngageKill,
    Query,
    ReleaseKill,
    ResolveApproval,
    RetryTask,
    SubmitTask,
    UpdateTask,
)
from agentos.contracts.envelope import Recorded, encode_body
from agentos.contracts.errors import Conflict
from agentos.contracts.events.kill import KillEngaged, KillReleased
from agentos.contracts.events.task import TaskSettled, TaskSubmitted, TaskUpdated
from agentos.contracts.packs import AgentCard, PackCard, Presence
from agentos.contracts.subjects import EventSubject
from agentos.ending import end
from agentos.killswitch import KillEntry


def last_token(recorded: Recorded) -> str:
    return recorded.subject.rpartition(".")[2]


@dataclass
class Orchestrator:
    """Makes each task once; counts the commands."""

    bus: Bus
    submits: list[tuple[str, SubmitTask]] = field(default_factory=list)
    other: list[Contract] = field(default_factory=list)
    silent: bool = False
    cancels: bool = False
    """Whether a cancelled task settles."""

    async def submit(self, recorded: Recorded) -> None:
        assert isinstance(recorded.data, SubmitTask)
        task = last_token(recorded)
        self.submits.append((task, recorded.data))
        with contextlib.suppress(Conflict):  # made before: the answer is the same
            await self.bus.append("task.submitted", task, recorded.data.task, tenant=recorded.data.tenant, cause=recorded)
        if not self.silent:
            await self.bus.send(
                "orchestrator.answer", (recorded.data.request,), Answer(ok=True), tenant=recorded.data.tenant, cause=recorded
            )

    async def command(self, recorded: Recorded) -> None:
        assert isinstance(recorded.data, CancelTask | RetryTask)
        self.other.append(recorded.data)
        found = await self.bus.load(recorded.data.tenant, "task", recorded.data.task)
        if self.cancels and isinstance(recorded.data, CancelTask):
            await self.settle(recorded.data.task, outcome="cancelled", tenant=recorded.data.tenant)
        answer = Answer(ok=True) if found else Answer(ok=False, code="not_found", detail="there is no such task")
        await self.bus.send("orchestrator.answer", (last_token(recorded),), answer, tenant=recorded.data.tenant, cause=recorded)

    async def update(self, recorded: Recorded) -> None:
        """The n-th change is the one that knew of those before it."""
        wanted = recorded.data
        assert isinstance(wanted, UpdateTask)
        self.other.append(wanted)
        fact = TaskUpdated(
            priority=wanted.priority or "normal",
            deadline=wanted.deadline,
            labels=wanted.labels or {},
            max_attempts=wanted.max_attempts or 3,
            changed=("priority",),
            by=wanted.by,
        )
        answer = Answer(ok=True, data={"revision": wanted.revision + 1})
        try:
            await self.bus.append(
                "task.updated", wanted.task, fact, tenant=wanted.tenant, ordinal=wanted.revision + 1, cause=recorded,
                correlation_id=wanted.task,
            )  # fmt: skip
        except Conflict:
            answer = Answer(ok=False, code="stale", detail="it was changed since")
        await self.bus.send("orchestrator.answer", (last_token(recorded),), answer, tenant=wanted.tenant, cause=recorded)

    async def settle(
        self, task: str, result: Sealed | None = None, outcome: str = "completed", tenant: str = "default"
    ) -> None:
        fact = TaskSettled.model_validate({"outcome": outcome, "result": result})
        await self.bus.append("task.settled", task, fact, tenant=tenant, ordinal=1, correlation_id=task)

    def routes(self) -> list[Route]:
        return [
            Route("orchestrator.submit", self.submit),
            Route("orchestrator.cancel", self.command),
            Route("orchestrator.retry", self.command),
            Route("orchestrator.update", self.update),
        ]


@dataclass
class Gates:
    """Answers each approval once, keeps the switches in their bucket."""

    bus: Bus
    resolved: dict[str, str] = field(default_factory=dict)
    switches: list[str] = field(default_factory=list)

    async def resolve(self, recorded: Recorded) -> None:
        assert isinstance(recorded.data, ResolveApproval)
        wanted = recorded.data
        if wanted.approval == "unknown":
            answer = Answer(ok=False, code="not_found", detail="there is no such approval")
        elif wanted.approval in self.resolved:
            answer = Answer(ok=False, code="already_resolved", detail=f"it was {self.resolved[wanted.approval]} before")
        else:
            self.resolved[wanted.approval] = wanted.outcome
            answer = Answer(ok=True)
        await self.bus.send("gates.answer", (last_token(recorded),), answer, tenant=wanted.tenant, cause=recorded)

    async def engage(self, recorded: Recorded) -> None:
        assert isinstance(recorded.data, EngageKill)
        wanted, id_ = recorded.data, last_token(recorded)
        fact = KillEngaged(scope=wanted.scope, target=wanted.target, reason=wanted.reason, by=wanted.by)
        await self.bus.append("kill.engaged", id_, fact, tenant=wanted.tenant, cause=recorded)
        self.switches.append(id_)
        entry = KillEntry(
            switch=id_,
            tenant=wanted.tenant,
            scope=wanted.scope,
            target=wanted.target,
            mode=wanted.mode,
            reason=wanted.reason,
            by=wanted.by,
            engaged_at=recorded.meta.time,
        )
        await self.bus.bucket("kill").put(id_, entry.model_dump_json().encode())
        await self.bus.send("gates.answer", (id_,), Answer(ok=True, data={"switch": id_}), tenant=wanted.tenant, cause=recorded)

    async def release(self, recorded: Recorded) -> None:
        assert isinstance(recorded.data, ReleaseKill)
        wanted = recorded.data
        if wanted.switch in self.switches:
            self.switches.remove(wanted.switch)
            fact = KillReleased(reason=wanted.reason, by=wanted.by)
            await self.bus.append("kill.released", wanted.switch, fact, tenant=wanted.tenant, cause=recorded)
            await self.bus.bucket("kill").delete(wanted.switch)
            answer = Answer(ok=True)
        else:
            answer = Answer(ok=False, code="not_found", detail="there is no such switch")
        await self.bus.send("gates.answer", (last_token(recorded),), answer, tenant=wanted.tenant, cause=recorded)

    def routes(self) -> list[Route]:
        return [
            Route("gates.resolve", self.resolve),
            Route("gates.engage", self.engage),
            Route("gates.release", self.release),
            Route("gates.query", self.query),
        ]

    async def query(self, recorded: Recorded) -> None:
        """Nobody is to be notified."""
        assert isinstance(recorded.data, Query)
        answer = (
            Answer(ok=True, data={"targets": []})
            if recorded.subject.split(".")[2] == "targets"
            else Answer(ok=False, code="not_found", detail="there is no notification target of this name")
        )
        await self.bus.send("gates.answer", (last_token(recorded),), answer, tenant=recorded.data.tenant, cause=recorded)


@dataclass
class Policy:
    """Says which rules decide: none."""

    bus: Bus

    async def query(self, recorded: Recorded) -> None:
        assert isinstance(recorded.data, Query)
        answer = Answer(ok=True, data={"version": 0, "revision": "test", "rules": [], "config": {}})
        await self.bus.send("policy.answer", (last_token(recorded),), answer, tenant=recorded.data.tenant, cause=recorded)


@dataclass
class Ledger:
    """Answers from a list of all events."""

    bus: Bus
    events: list[Recorded] = field(default_factory=list)
    silent: bool = False
    broken: Any = None
    """An answer of another shape, to be given instead."""
    stands_at: int | None = None
    """How far it pretends to be."""
    waiting: int = 0
    """How many queries wait for it to be further."""

    async def follow(self) -> None:
        raws: Any = aiter(self.bus.tail(("evt.>",), start="first"))
        async with aclosing(raws):
            async for raw in raws:
                self.events.append(await self.bus.decode(raw))

    async def query(self, recorded: Recorded) -> None:
        assert isinstance(recorded.data, Query)
        if self.silent:
            return
        what = recorded.subject.split(".")[2]
        if await self._reached(recorded.data.arguments.get("min_seq", 0), recorded.data.arguments.get("wait_ms")):
            data = self.broken or self._answer(what, recorded.data.tenant, recorded.data.arguments)
            answer = (
                Answer(ok=True, data=data)
                if data is not None
                else Answer(ok=False, code="not_found", detail="there is no such thing")
            )
        else:
            answer = Answer(ok=False, code="behind", detail="ask again")
        await self.bus.send("ledger.answer", (last_token(recorded),), answer, tenant=recorded.data.tenant, cause=recorded)

    async def _reached(self, seq: int, wait_ms: int | None) -> bool:
        self.waiting += 1
        try:
            async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                while (
                    max((event.seq for event in self.events), default=0) if self.stands_at is None else self.stands_at
                ) < seq:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        finally:
            self.waiting -= 1
        return True

    def _answer(self, what: str, tenant: str, args: dict[str, Any]) -> Any:
        match what:
            case "tasks-list":
                return {"tasks": _beginning(self._tasks(tenant), args), "cursor": None}
            case "tasks-get":
                found = [row for row in self._tasks(tenant) if row["id"] == args["id"]]
                return {"task": found[0], "attempts": [], "timeline": [], "calls": [], "approvals": []} if found else None
            case "tasks-family":
                return {"tasks": [row for row in self._tasks(tenant)[::-1] if row["family"] in args["families"]]}
            case "calls-family":
                return {"calls": []}
            case "events-find":
                found_ = [e.subject for e in self.events if e.meta.event_id == args["id"] and e.meta.tenant == tenant]
                return {"subject": found_[0]} if found_ else None
            case "audit-prove":
                return {"proof": '{"format":"agentos-audit-inclusion"}\n'}
            case "audit-consistency":
                return {"proof": '{"format":"agentos-audit-consistency"}\n'}
            case "tasks-events":
                return self._events(tenant, args["id"], args.get("after", 0))
            case "events-list":
                return self._events(tenant, args.get("correlation_id"), args.get("after", 0))
            case "decisions-list":
                page = self._events(tenant, None, 0)
                rows = [
                    row
                    for row in page["events"]
                    if row["fact"] in ("decided", "ruled", "revised") and args.get("id") in (None, row["id"])
                ]
                return {"decisions": _beginning(rows[::-1], args)[: args["limit"]], "cursor": None}
            case "policy-hits":
                return {"since": "2026-01-01T00:00:00Z", "rules": [], "position": len(self.events)}
            case "approvals-list":
                return {"approvals": _beginning([APPROVAL], args), "cursor": None}
            case "approvals-get":
                return {"approval": APPROVAL} if args["id"] == APPROVAL["id"] and tenant == "default" else None
            case "calls-get":
                return (
                    {"call": {"id": args["id"], "verdict": "allow"}, "events": []}
                    if args["id"] == "call1" and tenant == "default"
                    else None
                )
            case "cost":
                groups = [
                    {
                        "model": "=gpt-5-mini",
                        "calls": 3,
                        "attempts": 4,
                        "cache_read_tokens": 0,
                        "cache_write_tokens": 0,
                        "unpriced_attempts": 0,
                        "simulated_attempts": 1,
                        "cost_usd": "0.0123",
                        "saved_usd": "0",
                        "input_tokens": 10,
                        "output_tokens": 5,
                    }
                ]
                return {"by": args["by"], "groups": groups, "total": groups[0]}
            case "costs-routing":
                figures = {"cost_usd": "0.06", "dearest_usd": "0.1", "saved_usd": "0.04"}
                return {"calls": 3, "compared": 2, "since": args.get("since"), "position": len(self.events)} | figures
            case "kill-list":
                return {"kill_switches": self._released(tenant), "cursor": None}
            case "events-search":
                wanted = [
                    row
                    for row in self._events(tenant, None, 0)["events"]
                    if f"{row['aggregate']}.{row['fact']}".startswith(args.get("type", ""))
                ]
                return {"events": wanted[::-1][: args["limit"]], "cursor": None, "position": len(self.events)}
            case "packs-stats":
                return {"packs": [{"pack": "engineering", "tasks": 2}, {"pack": "gone", "tasks": 1}]}
            case "ledger-status":
                return {"position": len(self.events)}
            case "audit-status":
                return {
                    "position": len(self.events), "chain": "00" * 32, "key_id": "k", "public_key": "", "checkpoints": 0,
                    "last_checkpoint": None, "uncovered": 0, "anchors": [],
                }  # fmt: skip
            case "audit-verify":
                return {
                    "ok": True,
                    "events": len(self.events),
                    "last_seq": len(self.events),
                    "checkpoints": 0,
                    "anchors": 0,
                    "problems": [],
                }
            case "audit-export":
                # Two pages, as the ledger would send a long chain.
                return (
                    {"lines": ['{"count":2}'], "cursor": "1-2"}
                    if "cursor" not in args
                    else {"lines": ['{"closed":true}'], "cursor": None}
                )
            case _:
                return None

    def _released(self, tenant: str) -> list[dict[str, Any]]:
        over = {EventSubject.parse(e.subject).id: e for e in self.events if isinstance(e.data, KillReleased)}
        return [
            {
                "id": id_, "scope": e.data.scope, "target": e.data.target, "mode": e.data.mode, "trigger": None, "state": "released",
                "reason": e.data.reason, "engaged_by": e.data.by.id, "engaged_at": e.meta.time.isoformat(),
                "release_reason": over[id_].payload(KillReleased).reason, "released_by": "bob",
                "released_at": over[id_].meta.time.isoformat(), "cancelled": 2, "unconfirmed": 1, "running": 0, "share_percent": 0,
            }
            for e in self.events
            if isinstance(e.data, KillEngaged) and e.meta.tenant == tenant and (id_ := EventSubject.parse(e.subject).id) in over
        ]  # fmt: skip

    def _tasks(self, tenant: str) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for event in self.events:
            if event.meta.tenant != tenant:
                continue
            id_ = EventSubject.parse(event.subject).id if event.subject.startswith("evt.") else ""
            match event.data:
                case TaskSubmitted() as data:
                    rows[id_] = {
                        "id": id_,
                        "type": data.type,
                        "state": "submitted",
                        "requester": data.requester.id,
                        "family": data.input.key,
                        "priority": data.priority,
                        "submitted_at": event.meta.time.isoformat(),
                    }
                case TaskSettled() as data:
                    rows[id_] |= {"state": "settled", "outcome": data.outcome}
                case _:
                    pass
        return list(rows.values())[::-1]

    def _events(self, tenant: str, correlation: str | None, after: int) -> Any:
        rows: list[dict[str, Any]] = []
        for event in self.events:
            subject = EventSubject.parse(event.subject)
            wanted = correlation in (None, event.meta.correlation_id) and event.meta.tenant == tenant and event.seq > after
            if wanted:
                rows.append(
                    {
                        "seq": event.seq,
                        "event_id": event.meta.event_id,
                        "subject": event.subject,
                        "aggregate": subject.aggregate,
                        "id": subject.id,
                        "fact": subject.fact,
                        "correlation_id": event.meta.correlation_id,
                        "sent_at": event.meta.time.isoformat(),
                        "body": json.loads(encode_body(event.data)),
                    }
                )
        return {"events": rows, "after": None}


_SPENT = {"cost_usd": "0.0123", "input_tokens": 10, "output_tokens": 5}
APPROVAL = {
    "id": "appr1",
    "state": "pending",
    "kind": "tool",
    "summary": "post a reply",
    "task": "task1",
    "digest": "d1",
    "preview": {"body": "<EMAIL_1>"},
}


def _beginning(rows: list[dict[str, Any]], args: dict[str, Any]) -> list[dict[str, Any]]:
    found = [row for row in rows if row["id"].startswith(args.get("id_prefix", ""))]
    return [row for row in found if row["id"] in args["ids"]] if args.get("ids") else found


@dataclass
class Backend:
    """All stand-ins, running."""

    orchestrator: Orchestrator
    gates: Gates
    ledger: Ledger
    bus: Bus
    """Connected as the runner, which writes presence."""
    follower: "asyncio.Task[None]"

    async def stop(self) -> None:
        await end(self.follower)

    async def announce(self, pack: str, *task_types: str) -> None:
        card = PackCard(
            pack=pack, version="1.2.3", description="", agents=(AgentCard(name="triage", task_types=task_types),), tools=()
        )
        await self.bus.bucket("packs").put(pack, card.model_dump_json().encode())
        alive = Presence(**dict(card), instance="runner-1", active=0, max_active=4, at=datetime.now(UTC))
        await self.bus.bucket("presence").put(f"{pack}.runner-1", alive.model_dump_json().encode())

    async def eventually(self, condition: Any) -> None:
        while not condition():
            await asyncio.sleep(0.01)


async def start(broker: Any) -> Backend:
    """Connect and start every stand-in on ``broker``."""
    orchestrator = Orchestrator(await broker.connect("orchestrator"))
    gates = Gates(await broker.connect("gates"))
    ledger = Ledger(await broker.connect("ledger"))
    policy = Policy(await broker.connect("policy"))
    policy.bus.consume([Route("policy.query", policy.query)])
    orchestrator.bus.consume(orchestrator.routes())
    gates.bus.consume(gates.routes())
    ledger.bus.consume([Route("ledger.query", ledger.query)])
    await asyncio.gather(orchestrator.bus.start(), gates.bus.start(), ledger.bus.start(), policy.bus.start())
    follower = asyncio.create_task(ledger.follow())
    return Backend(orchestrator, gates, ledger, await broker.connect("runner"), follower)


ADMIN = Principal(kind="service", id="test")
