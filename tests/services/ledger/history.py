"""Lives of tasks as the stream would hold them: the material of the ledger's tests and of its benchmark."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from agentos.contracts.base import Contract, Fault, Principal, Sealed
from agentos.contracts.channels import BY_NAME
from agentos.contracts.envelope import Meta, encode_body, encode_headers
from agentos.contracts.events import approval as a
from agentos.contracts.events import call as c
from agentos.contracts.events import governance as g
from agentos.contracts.events import kill as k
from agentos.contracts.events import task as t
from agentos.contracts.ids import derived_id
from agentos.contracts.model import Cost, ModelRequest, Usage, user
from agentos.contracts.routing import Attempt
from agentos.contracts.subjects import fill
from services.ledger import tables
from services.ledger.domain.facts import Incoming
from services.ledger.store import Store

NOTHING = Cost(usd=Decimal(0), priced=True)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPERATOR = Principal(kind="api_key", id="olga", roles=("operator",))

Planned = tuple[str, tuple[str, ...], Contract, str]
"""Channel, id (and ordinal), payload, correlation id."""


def sealed(key: str) -> Sealed:
    return Sealed(key=key, purpose="task.input", nonce=bytes(12), ciphertext=b"c" * 48)


def context(task: str, step: int = 1, attempt: int = 1, pack: str = "engineering") -> c.CallContext:
    return c.CallContext(
        task=task,
        attempt=attempt,
        step=step,
        task_type="triage",
        pack=pack,
        agent="triager",
        untrusted=True,
        instance="runner-1",
    )


def updated(task: str, number: int = 1, **changes: Any) -> Planned:
    data: dict[str, Any] = {
        "priority": "high", "deadline": None, "labels": {}, "max_attempts": 5, "changed": ("priority", "labels"), "by": OPERATOR,
    }  # fmt: skip
    return "task.updated", (task, str(number)), t.TaskUpdated(**(data | changes)), task


def submitted(task: str, **changes: Any) -> Planned:
    data: dict[str, Any] = {
        "type": "triage",
        "input": sealed(task),
        "input_digest": "d" * 64,
        "requester": OPERATOR,
        "untrusted": True,
        "labels": {"source": "github"},
    }
    return "task.submitted", (task,), t.TaskSubmitted(**(data | changes)), task


def queued(task: str, attempt: int = 1, reason: Any = "submitted") -> Planned:
    data = t.TaskQueued(type="triage", pack=None, priority="normal", requester=OPERATOR, untrusted=True, reason=reason)
    return "task.queued", (task, str(attempt)), data, task


def model_call(task: str, step: int, *, cost: str = "0.0123", pack: str = "engineering", **settled: Any) -> list[Planned]:
    whose, call = context(task, step, pack=pack), f"{task}-s{step:04d}-e1"
    request = ModelRequest(messages=(user("Triage this: <EMAIL_1> cannot log in."),))
    outcome: dict[str, Any] = {
        "outcome": "completed",
        "attempts": 2,
        "provider": "openai",
        "model": "gpt-5-mini",
        "response": sealed(task),
        "finish_reason": "stop",
        "usage": Usage(input_tokens=120, output_tokens=40, cache_read_tokens=7),
        "cost": Cost(usd=Decimal(cost), priced=True),
        "started_at": START,
        "duration_ms": 812,
    }
    decided = c.CallDecided(
        context=whose,
        kind="model",
        verdict="allow",
        reasons=("a pack of this tenant",),
        rules=("calls.allow",),
        bundle="b1",
        digest="e" * 64,
        model="default",
        redacted_request=request,
        entities=(c.RedactedEntity(entity="EMAIL", placeholder="<EMAIL_1>"),),
        placeholders=sealed(task),
    )
    fault = Fault(code="overloaded", message="the provider is busy", retryable=True)
    ended: dict[str, Any] = outcome | settled
    target = f"{ended['provider']}/{ended['model']}"
    if ended.get("cached") is None:
        used = {"usage": ended["usage"], "cost": ended["cost"]}
        last = Attempt(number=2, target=target, started_at=START, duration_ms=800, outcome="completed", **used)
        ended = {"last": last, **ended}
    first = Attempt(number=1, target=target, started_at=START, duration_ms=30, outcome="failed", fault=fault, cost=NOTHING)
    attempted = c.CallAttempted(context=whose, target=target, started_at=START, duration_ms=30, fault=fault, attempt=first)
    asked = c.ModelCallRequested(context=whose, model="default", request=sealed(task), digest="e" * 64, max_output_tokens=512)
    return [
        ("call.requested", (call,), asked, task),
        ("call.decided", (call,), decided, task),
        ("call.attempted", (call, "1"), attempted, task),
        ("call.settled", (call,), c.ModelCallSettled(context=whose, **ended), task),
    ]


def held_tool_call(task: str, step: int, outcome: Any = "approved", tool: str = "github.comment") -> list[Planned]:
    whose, call = context(task, step), f"{task}-s{step:04d}-e1"
    asked = c.ToolCallRequested(
        context=whose,
        tool=tool,
        declared_tools=(tool,),
        effect="egress",
        arguments=sealed(task),
        digest="f" * 64,
    )
    decided = c.CallDecided(
        context=whose,
        kind="tool",
        verdict="hold",
        reasons=("egress needs a person",),
        rules=("tools.hold",),
        bundle="b1",
        digest="f" * 64,
        tool=tool,
        redacted_arguments={"body": "Thanks, <PERSON_1>"},
    )
    held = a.ApprovalRequested(
        context=whose,
        kind="tool",
        target=tool,
        requester=OPERATOR,
        summary="Post a reply",
        preview={"body": "Thanks, <PERSON_1>"},
        reasons=("egress needs a person",),
        digest="f" * 64,
        approver_roles=("approver",),
        expires_at=START + timedelta(days=1),
    )
    answered = a.ApprovalResolved(context=whose, kind="tool", outcome=outcome, by=OPERATOR, digest="f" * 64)
    ran: dict[str, Any] = (
        {"outcome": "completed"} if outcome == "approved" else {"outcome": "refused", "reasons": ("rejected",)}
    )
    return [
        ("tool.requested", (call,), asked, task),
        ("tool.decided", (call,), decided, task),
        ("approval.requested", (call,), held, task),
        ("task.suspended", (task, str(step)), t.TaskSuspended(attempt=1, waiting_for="tool", on=call), task),
        ("approval.resolved", (call,), answered, task),
        ("task.resumed", (task, str(step)), t.TaskResumed(attempt=1, pack="engineering", priority="normal"), task),
        ("tool.settled", (call,), c.ToolCallSettled(context=whose, tool=tool, **ran), task),
    ]


def refused_edit(task: str, step: int) -> Planned:
    """Policy's verdict on an edit of a held tool call."""
    call = f"{task}-s{step:04d}-e1"
    revised = a.ApprovalRevised(
        context=context(task, step), by=OPERATOR, base_digest="f" * 64, verdict="deny", reasons=("tool.forbidden",),
        rules=("tools.forbid",), bundle="b1",
    )  # fmt: skip
    return ("approval.revised", (call, "1"), revised, task)


def life(task: str, *, outcome: Any = "completed", cost: str = "0.0123", pack: str = "engineering") -> list[Planned]:
    """A whole task: one model call, one held tool call, one end."""
    chosen = t.Candidate(pack=pack, agent="triager", version="1.0.0", instances=1, active=0, eligible=True, reason="chosen")
    routed = t.TaskRouted(
        pack=pack, agent="triager", version="1.0.0", priority="normal", candidates=(chosen,), reason="only one"
    )
    fault = None if outcome == "completed" else Fault(code="pack_failed", message="the pack raised")
    ended = t.TaskEnded(outcome="completed" if outcome == "completed" else "failed", fault=fault)
    step = t.StepRecorded(step=2, epoch=1, kind="now", digest="a" * 64, value="2026-03-01T12:00:00Z")
    return [
        submitted(task),
        queued(task),
        ("task.decided", (task, "1"), t.TaskDecided(verdict="allow", reasons=(), rules=("tasks.allow",), bundle="b1"), task),
        ("task.routed", (task, "1"), routed, task),
        ("task.started", (task, "1"), t.TaskStarted(instance="r-1", pack=pack, agent="triager", version="1.0.0"), task),
        *model_call(task, 1, cost=cost, pack=pack),
        ("step.recorded", (task, "s0002-e1"), step, task),
        *held_tool_call(task, 3),
        ("task.ended", (task, "1"), ended, task),
        ("task.settled", (task, "1"), t.TaskSettled(outcome=outcome, fault=fault), task),
    ]


def governance() -> list[Planned]:
    """A kill switch engaged and released, a webhook delivery."""
    return [
        ("kill.engaged", ("k1",), k.KillEngaged(scope="pack", target="engineering", reason="odd", by=OPERATOR), "k1"),
        ("kill.released", ("k1",), k.KillReleased(reason="mended", by=OPERATOR), "k1"),
        ("delivery.received", ("w1",), g.DeliveryReceived(source="github", delivery="x", task="t1", body_digest="d"), "t1"),
        ("apikey.changed", ("k9", "1"), g.ApiKeyChanged(change="created", name="ci", roles=("viewer",), by=OPERATOR), "k9"),
    ]


def checkpoint(task: str, step: int, verdict: Any = "allow") -> list[Planned]:
    """A pack wants to ask a person, and policy rules on it."""
    whose, asked = context(task, step), f"{task}-s{step:04d}-e1"
    decided = g.CheckpointDecided(
        context=whose, verdict=verdict, reasons=(), rules=(), bundle="b1", digest="d", redacted_question="May I?"
    )
    return [
        ("checkpoint.requested", (asked,), g.CheckpointRequested(context=whose, question=sealed(task), digest="d"), task),
        ("checkpoint.decided", (asked,), decided, task),
    ]


def recorded(seq: int, planned: Planned, tenant: str = "default") -> Incoming:
    """The message that stands at ``seq``."""
    name, tokens, data, correlation = planned
    row = BY_NAME[name]
    subject = fill(row.pattern, tenant, *tokens)
    event_id = derived_id(subject)
    at = START + timedelta(milliseconds=7 * seq)
    headers = encode_headers(Meta(event_id, row.schema, tenant, correlation, event_id, at))
    return Incoming(seq, subject, headers | {"Nats-Expected-Last-Subject-Sequence": "0"}, encode_body(data))


def stream(planned: Iterable[Planned], start: int = 1) -> list[Incoming]:
    return [recorded(seq, each) for seq, each in enumerate(planned, start)]


def interleaved(lives: list[list[Planned]], order: Iterable[int]) -> Iterator[Planned]:
    """Mix lives: each number of ``order`` picks whose next event comes; what is left follows."""
    rest = [list(each) for each in lives]
    for number in order:
        alive = [each for each in rest if each]
        if not alive:
            return
        yield alive[number % len(alive)].pop(0)
    for each in rest:
        yield from each


def _sums(tx: Any, table: Any) -> list[dict[str, Any]]:
    """The rows of sums that say anything: one from which all was taken off again is as good as none."""
    keys = {column.name for column in table.primary_key}
    rows = [{**row} for row in tx.execute(select(table)).mappings()]
    told = [row for row in rows if any(value for name, value in row.items() if name not in keys)]
    return sorted(told, key=lambda row: str([*row.values()]))


def dump(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""

    def read(tx: Any) -> dict[str, list[dict[str, Any]]]:
        return {
            table.name: sorted(({**row} for row in tx.execute(select(table)).mappings()), key=lambda row: str([*row.values()]))
            for table in tables.ALL
            if table.name not in tables.ROLLED_UP
        } | {name: _sums(tx, table) for name, table in tables.ROLLED_UP.items()}

    return store.read(read)
