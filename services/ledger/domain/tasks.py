"""A task as people see it: one row, folded from the facts of the task and of its calls.

States: submitted, queued, admitted, denied, routed, unroutable, running, waiting, ended, retrying, cancelling, parked, settled. Only
``settled`` is final; ``outcome`` then says how.
"""

from decimal import Decimal

from agentos.contracts.events import call as c
from agentos.contracts.events import privacy as p
from agentos.contracts.events import task as t
from services.ledger.domain.facts import Fact, Row
from services.ledger.words import NAMED, of_task

BLANK: Row = {
    "type": None,
    "pack": None,
    "agent": None,
    "version": None,
    "priority": None,
    "state": "submitted",
    "requester_kind": None,
    "requester": None,
    "untrusted": False,
    "parent": None,
    "labels": None,
    "depends_on": None,
    "deadline": None,
    "attempt": 0,
    "max_attempts": 0,
    "waiting_for": None,
    "waiting_on": None,
    "reasons": None,
    "outcome": None,
    "fault_code": None,
    "fault_message": None,
    "family": None,
    "input_digest": None,
    "result_digest": None,
    "submitted_at": None,
    "started_at": None,
    "retry_at": None,
    "settled_at": None,
    "erased_at": None,
    "updated_at": None,
    "first_seq": 0,
    "last_seq": 0,
    "calls": 0,
    "tool_calls": 0,
    "unpriced_calls": 0,
    "simulated_calls": 0,
    "refusals": 0,
    "cost_usd": Decimal(0),
    "input_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 0,
    "reasoning_tokens": 0,
    "words": "",
    "cost_nano_usd": 0,
    "duration_ms": -1,
}


def derived(row: Row, before: Row | None = None) -> Row:
    """The row with what lists are sorted and searched by: money in billionths, the time from submission to end (-1 before it), words.

    ``before`` is the row as it was derived last: where nothing that words are made of differs, its words stay.
    """
    began, over = row["submitted_at"], row["settled_at"]
    lasted = -1 if began is None or over is None else max(0, round((over - began).total_seconds() * 1000))
    same = before is not None and all(before[name] == row[name] for name in NAMED)
    words = row["words"] if same else of_task(row)
    return row | {"words": words, "cost_nano_usd": int(row["cost_usd"] * 1_000_000_000), "duration_ms": lasted}


def submitted(row: Row, fact: Fact, data: t.TaskSubmitted) -> Row:
    return row | {
        "type": data.type,
        "pack": data.pack,
        "priority": data.priority,
        "requester_kind": data.requester.kind,
        "requester": data.requester.id,
        "untrusted": data.untrusted,
        "parent": data.parent,
        "labels": data.labels,
        "depends_on": list(data.depends_on),
        "deadline": data.deadline,
        "max_attempts": data.retry.max_attempts,
        "family": data.input.key,
        "input_digest": data.input_digest,
        "submitted_at": fact.meta.time,
    }


def updated(row: Row, _: Fact, data: t.TaskUpdated) -> Row:
    return row | {
        "priority": data.priority,
        "labels": data.labels,
        "deadline": data.deadline,
        "max_attempts": data.max_attempts,
    }


def queued(row: Row, fact: Fact, data: t.TaskQueued) -> Row:
    # What an earlier attempt came to no longer describes the task.
    return row | {
        "state": "queued",
        "type": data.type,
        "priority": data.priority,
        "attempt": fact.ordinal,
        "retry_at": None,
        "settled_at": None,
        "outcome": None,
        "fault_code": None,
        "fault_message": None,
        "reasons": None,
        "result_digest": None,
        "waiting_for": None,
        "waiting_on": None,
    }


def decided(row: Row, _: Fact, data: t.TaskDecided) -> Row:
    return row | {"state": "admitted" if data.verdict == "allow" else "denied", "reasons": list(data.reasons)}


def routed(row: Row, _: Fact, data: t.TaskRouted) -> Row:
    if data.pack is None:
        return row | {"state": "unroutable", "reasons": [data.reason]}
    return row | {"state": "routed", "pack": data.pack, "agent": data.agent, "version": data.version}


def started(row: Row, fact: Fact, data: t.TaskStarted) -> Row:
    at = row["started_at"] or fact.meta.time
    return row | {"state": "running", "pack": data.pack, "agent": data.agent, "version": data.version, "started_at": at}


def suspended(row: Row, _: Fact, data: t.TaskSuspended) -> Row:
    return row | {"state": "waiting", "waiting_for": data.waiting_for, "waiting_on": data.on}


def resumed(row: Row, _: Fact, data: t.TaskResumed) -> Row:
    return row | {"state": "running", "attempt": data.attempt, "waiting_for": None, "waiting_on": None}


def ended(row: Row, _: Fact, data: t.TaskEnded) -> Row:
    if row["state"] == "settled":  # a late word of a runner about an attempt that was already closed
        return row
    return row | {"state": "ended", "waiting_for": None, "waiting_on": None} | _fault(data.fault)


def retrying(row: Row, _: Fact, data: t.TaskRetryScheduled) -> Row:
    return row | {"state": "retrying", "retry_at": data.at} | _fault(data.fault)


def cancelling(row: Row, _: Fact, data: t.TaskCancelling) -> Row:
    return row | {"state": "cancelling", "reasons": [data.reason]}


def parked(row: Row, _: Fact, data: t.TaskParked) -> Row:
    return row | {"state": "parked", "waiting_for": None, "waiting_on": None} | _fault(data.fault)


def settled(row: Row, fact: Fact, data: t.TaskSettled) -> Row:
    return (
        row
        | {
            "state": "settled",
            "outcome": data.outcome,
            "result_digest": data.result_digest,
            "reasons": list(data.reasons) or row["reasons"],
            "settled_at": fact.meta.time,
            "waiting_for": None,
            "waiting_on": None,
            "retry_at": None,
        }
        | _fault(data.fault)
    )


def erased(row: Row, fact: Fact, _: p.ErasureCertified) -> Row:
    return row | {"erased_at": fact.meta.time}


def model_call_settled(row: Row, _: Fact, data: c.ModelCallSettled) -> Row:
    used = data.usage
    return row | {
        "calls": row["calls"] + 1,
        "simulated_calls": row["simulated_calls"] + data.simulated,
        "unpriced_calls": row["unpriced_calls"] + unpriced(data),
        "cost_usd": row["cost_usd"] + cost_usd(data),
        "input_tokens": row["input_tokens"] + used.input_tokens,
        "cache_read_tokens": row["cache_read_tokens"] + used.cache_read_tokens,
        "cache_write_tokens": row["cache_write_tokens"] + used.cache_write_tokens,
        "output_tokens": row["output_tokens"] + used.output_tokens,
        "reasoning_tokens": row["reasoning_tokens"] + used.reasoning_tokens,
        "refusals": row["refusals"] + (data.outcome == "refused"),
    }


def tool_call_settled(row: Row, _: Fact, data: c.ToolCallSettled) -> Row:
    return row | {
        "tool_calls": row["tool_calls"] + 1,
        "simulated_calls": row["simulated_calls"] + data.simulated,
        "refusals": row["refusals"] + (data.outcome == "refused"),
    }


def unpriced(data: c.ModelCallSettled) -> bool:
    """Whether a real provider worked and nobody knows for what money. A simulated call costs nothing and is not unpriced."""
    if data.simulated or data.cached is not None:
        return False
    return not data.cost.priced if data.cost is not None else data.outcome == "completed"


def cost_usd(data: c.ModelCallSettled) -> Decimal:
    """The money that a settled call is known to have cost: where a part of it has no price, the rest."""
    if data.simulated or data.cost is None:
        return Decimal(0)
    return data.cost.usd


def _fault(fault: t.Fault | None) -> Row:
    return {"fault_code": fault and fault.code, "fault_message": fault and fault.message}
