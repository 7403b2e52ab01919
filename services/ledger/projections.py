"""From events to rows: the table of which fact changes which rows, and the fold of a batch over the rows it found."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from agentos.contracts.envelope import CAUSATION, CORRELATION, EVENT_ID, SCHEMA, TRACEPARENT, digest
from agentos.contracts.errors import NeverRetry
from services.ledger.domain import approvals, calls, charges, governance, rhythm, rulehits, savings, tasks
from services.ledger.domain.facts import Fact, Incoming, Row, read_fact

log = structlog.get_logger(__name__)

Key = tuple[str, str, str]
"""Table, tenant, id."""
Evolve = Callable[[Row, Fact, Any], Row]
Change = tuple[Key, Evolve, Fact]
"""One fact's work on one row."""

BLANKS: dict[str, Row] = {
    "tasks": tasks.BLANK,
    "calls": calls.BLANK,
    "charges": charges.BLANK,
    "approvals": approvals.APPROVAL,
    "kill_switches": governance.KILL,
    "deliveries": governance.DELIVERY,
    "audit_checkpoints": governance.CHECKPOINT,
    "rhythm": rhythm.BLANK,
    "rule_hits": rulehits.BLANK,
    "savings": savings.BLANK,
    "violations": governance.VIOLATION,
    "settled_letters": governance.SETTLED_LETTER,
}


def _own(fact: Fact) -> tuple[str, ...]:
    return (fact.subject.id,)


def _each(fact: Fact) -> tuple[str, ...]:
    """A row a fact, of those that repeat."""
    return (f"{fact.subject.id}.{fact.subject.ordinal}",)


def _task(fact: Fact) -> tuple[str, ...]:
    data: Any = fact.data  # every payload that is projected by this key has a call context
    # A call of the governed endpoint belongs to no task.
    return () if data.context.api_key is not None else (data.context.task,)


def _tasks(fact: Fact) -> tuple[str, ...]:
    data: Any = fact.data  # a certificate names all that it is about
    return data.tasks


PROJECTIONS: dict[str, tuple[tuple[str, Callable[[Fact], tuple[str, ...]], Evolve], ...]] = {
    "task.submitted": (("tasks", _own, tasks.submitted), ("rhythm", rhythm.spans_of, rhythm.submitted)),
    "task.updated": (("tasks", _own, tasks.updated),),
    "task.queued": (("tasks", _own, tasks.queued),),
    "task.decided": (("tasks", _own, tasks.decided), ("rule_hits", rulehits.spans_of, rulehits.decided)),
    "task.routed": (("tasks", _own, tasks.routed),),
    "task.started": (("tasks", _own, tasks.started),),
    "task.suspended": (("tasks", _own, tasks.suspended),),
    "task.resumed": (("tasks", _own, tasks.resumed),),
    "task.ended": (("tasks", _own, tasks.ended),),
    "task.retrying": (("tasks", _own, tasks.retrying),),
    "task.cancelling": (("tasks", _own, tasks.cancelling),),
    "task.parked": (("tasks", _own, tasks.parked),),
    "task.settled": (("tasks", _own, tasks.settled), ("rhythm", rhythm.spans_of, rhythm.settled)),
    "step.recorded": (),
    "call.requested": (("calls", _own, calls.model_requested),),
    "call.received": (("calls", _own, calls.model_requested),),
    "call.abandoned": (),
    "call.decided": (
        ("calls", _own, calls.decided),
        ("rhythm", rhythm.spans_of, rhythm.decided),
        ("rule_hits", rulehits.spans_of, rulehits.decided),
    ),
    "call.attempted": (("calls", _own, calls.attempted), ("charges", charges.of_attempted, charges.attempted)),
    "call.settled": (
        ("calls", _own, calls.model_settled),
        ("tasks", _task, tasks.model_call_settled),
        ("charges", charges.of_settled, charges.settled),
        ("rhythm", rhythm.spans_of, rhythm.model_call_settled),
        ("savings", savings.spans_of, savings.settled),
    ),
    "call.inspected": (),
    "tool.requested": (("calls", _own, calls.tool_requested),),
    "tool.decided": (
        ("calls", _own, calls.decided),
        ("rhythm", rhythm.spans_of, rhythm.decided),
        ("rule_hits", rulehits.spans_of, rulehits.decided),
    ),
    "tool.attempted": (("calls", _own, calls.attempted),),
    "tool.settled": (
        ("calls", _own, calls.tool_settled),
        ("tasks", _task, tasks.tool_call_settled),
        ("rhythm", rhythm.spans_of, rhythm.tool_call_settled),
    ),
    "tool.inspected": (),
    "log.written": (),
    "violation.noted": (("violations", _each, governance.violation_noted),),
    "violation.reported": (),
    "checkpoint.requested": (),
    "checkpoint.decided": (("rule_hits", rulehits.spans_of, rulehits.decided),),
    "approval.requested": (("approvals", _own, approvals.requested),),
    "approval.answered": (("approvals", _own, approvals.answered),),
    "approval.ruled": (("approvals", _own, approvals.ruled), ("rule_hits", rulehits.spans_of, rulehits.decided)),
    "approval.commented": (("approvals", _own, approvals.commented),),
    "approval.edited": (),
    "approval.revised": (("approvals", _own, approvals.revised), ("rule_hits", rulehits.spans_of, rulehits.decided)),
    "approval.escalated": (("approvals", _own, approvals.escalated),),
    "approval.frozen": (("approvals", _own, approvals.frozen),),
    "approval.thawed": (("approvals", _own, approvals.thawed),),
    "approval.resolved": (("approvals", _own, approvals.resolved),),
    "delegation.granted": (),
    "delegation.revoked": (),
    "notification.queued": (),
    "notification.failed": (),
    "notification.sent": (),
    "target.disabled": (),
    "budget.warned": (),
    "budget.exceeded": (),
    "kill.engaged": (("kill_switches", _own, governance.kill_engaged),),
    # What a switch cancelled stands in the tenant whose work it was, which may not be the switch's: read from ``events``.
    "kill.release-requested": (),
    "kill.eased": (("kill_switches", _own, governance.kill_eased),),
    "kill.tightened": (("kill_switches", _own, governance.kill_tightened),),
    "kill.released": (("kill_switches", _own, governance.kill_released),),
    "policy.published": (),
    "policy.refused": (),
    "kill.call-cancelled": (),
    "kill.tool-cancelled": (),
    "kill.attempt-cancelled": (),
    "kill.unconfirmed": (),
    "kill.confirmed": (("kill_switches", _own, governance.kill_confirmed),),
    "kill.drilled": (),
    "agent.changed": (),
    "presence.changed": (),
    "delivery.received": (("deliveries", _own, governance.delivery_received),),
    "apikey.changed": (),
    "user.changed": (),
    "session.opened": (),
    "session.closed": (),
    "signin.refused": (),
    "payload.revealed": (),
    "erasure.requested": (),
    "erasure.certified": (("tasks", _tasks, tasks.erased),),
    "deadletter.settled": (("settled_letters", _own, governance.letter_settled),),
    "audit.checkpointed": (("audit_checkpoints", _own, governance.audit_checkpointed),),
}
"""Every event of the channel table; the empty ones are read from the ``events`` table as they are."""


@dataclass(frozen=True, slots=True)
class Read:
    """A batch, decoded: a row of ``events`` for each message, and the facts among them."""

    events: list[Row]
    facts: list[Fact]


def read(batch: Iterable[Incoming]) -> Read:
    """Decode a batch. What does not decode is kept raw with its problem, and logged: it never stops what follows it."""
    events: list[Row] = []
    facts: list[Fact] = []
    for incoming in batch:
        try:
            fact = read_fact(incoming)
        except NeverRetry as problem:
            log.error(
                "event cannot be read", seq=incoming.seq, subject=incoming.subject, code=problem.code, detail=problem.detail
            )
            events.append(_unread_row(incoming, f"{problem.code}: {problem.detail}"))
        else:
            facts.append(fact)
            events.append(_event_row(incoming, fact))
    return Read(events, facts)


def changes(facts: Iterable[Fact]) -> list[Change]:
    """What ``facts``, in stream order, change. The fold must be given each row that exists of those that are named."""
    return [
        ((table, fact.subject.tenant, id_), evolve, fact)
        for fact in facts
        for table, ids_of, evolve in PROJECTIONS[fact.channel.name]
        for id_ in ids_of(fact)
    ]


def fold(rows: Mapping[Key, Row], todo: Iterable[Change]) -> dict[Key, Row]:
    """The rows that ``todo``, in stream order, leaves behind. Pure; ``rows`` holds what exists of those that it names.

    Folding a batch and then the next gives the rows that folding both at once gives.
    """
    changed: dict[Key, Row] = {}
    for key, evolve, fact in todo:
        row = changed.get(key) or rows.get(key) or _blank(key, fact.seq)
        evolved = evolve(row, fact, fact.data)
        if evolved is row:
            evolved = row.copy()
        evolved["last_seq"] = fact.seq
        if key[0] == "tasks":
            evolved["updated_at"] = fact.meta.time
        changed[key] = evolved
    return {key: storable(tasks.derived(row, rows.get(key)) if key[0] == "tasks" else row) for key, row in changed.items()}


def _blank(key: Key, seq: int) -> Row:
    table, tenant, id_ = key
    return {"tenant": tenant, "id": id_, **BLANKS[table], "first_seq": seq}


_INT64 = 2**63 - 1


def storable(row: Row) -> Row:
    """The row with what no database takes made harmless: NUL in text becomes U+FFFD, numbers stop at 64 bits.

    Contracts bound neither, and one hostile payload must not stop the ledger; the event itself keeps the exact value.
    """
    for column, value in row.items():
        if type(value) is str:
            if not value.isascii() or "\0" in value:
                row = row | {column: clean(value)}
        elif type(value) is int and not -_INT64 <= value <= _INT64:
            row = row | {column: _INT64 if value > 0 else -_INT64}
    return row


def clean(text: str) -> str:
    """Text that UTF-8 and PostgreSQL can hold: no NUL, no lone surrogate."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _event_row(incoming: Incoming, fact: Fact) -> Row:
    subject, meta, payload = fact.subject, fact.meta, incoming.payload
    row: Row = {
        "seq": incoming.seq,
        "time": meta.time,
        "tenant": subject.tenant,
        "subject": incoming.subject,
        "aggregate": subject.aggregate,
        "id": subject.id,
        "fact": subject.fact,
        "ordinal": subject.ordinal,
        "event_id": meta.event_id,
        "correlation_id": meta.correlation_id,
        "causation_id": meta.causation_id,
        "schema": meta.schema,
        "traceparent": meta.traceparent,
        "body_digest": digest(incoming.body),
        "body_bytes": len(payload),
        "body": payload.decode(),
        "raw": None,
        "problem": None,
    }
    told = f"{incoming.subject}{meta.event_id}{meta.correlation_id}{meta.causation_id}{meta.traceparent}"
    return row if told.isascii() and "\0" not in told else storable(row)


def _unread_row(incoming: Incoming, problem: str) -> Row:
    subject = clean(incoming.subject)
    parts = subject.split(".")
    headers = incoming.headers
    return {
        "seq": incoming.seq,
        "time": None,
        "tenant": parts[1] if len(parts) > 1 else "",
        "subject": subject,
        "aggregate": parts[2] if len(parts) > 2 else "",
        "id": parts[3] if len(parts) > 3 else "",
        "fact": parts[4] if len(parts) > 4 else "",
        "ordinal": parts[5] if len(parts) > 5 else None,
        "event_id": _header(headers, EVENT_ID),
        "correlation_id": _header(headers, CORRELATION),
        "causation_id": _header(headers, CAUSATION),
        "schema": _header(headers, SCHEMA),
        "traceparent": _header(headers, TRACEPARENT),
        "body_digest": digest(incoming.body),
        "body_bytes": len(incoming.payload),
        "body": None,
        "raw": incoming.body,
        "problem": clean(problem),
    }


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    return None if value is None else clean(value)
