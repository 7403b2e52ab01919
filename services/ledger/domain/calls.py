"""Governed calls: model and tool calls in one table, from request over verdict to settlement."""

from decimal import Decimal

from agentos.contracts.events import call as c
from services.ledger.domain import tasks
from services.ledger.domain.facts import Fact, Row

BLANK: Row = {
    "kind": None,
    "task": None,
    "attempt": 0,
    "step": 0,
    "task_type": None,
    "pack": None,
    "agent": None,
    "api_key": None,
    "end_user": None,
    "state": "requested",
    "requested_model": None,
    "model": None,
    "provider": None,
    "tool": None,
    "effect": None,
    "verdict": None,
    "reasons": None,
    "rules": None,
    "bundle": None,
    "entities": None,
    "digest": None,
    "response_digest": None,
    "outcome": None,
    "attempts": 0,
    "finish_reason": None,
    "simulated": False,
    "priced": None,
    "unpriced": False,
    "cached_from": None,
    "cost_usd": Decimal(0),
    "input_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 0,
    "reasoning_tokens": 0,
    "fault_code": None,
    "fault_message": None,
    "requested_at": None,
    "decided_at": None,
    "started_at": None,
    "settled_at": None,
    "duration_ms": 0,
    "first_seq": 0,
    "last_seq": 0,
}


def _whose(context: c.CallContext) -> Row:
    return {
        "task": context.task,
        "attempt": context.attempt,
        "step": context.step,
        "task_type": context.task_type,
        "pack": context.pack,
        "agent": context.agent,
        "api_key": context.api_key,
        "end_user": context.user,
    }


def model_requested(row: Row, fact: Fact, data: c.ModelCallRequested) -> Row:
    asked: Row = {"kind": "model", "requested_model": data.model, "digest": data.digest, "requested_at": fact.meta.time}
    return row | _whose(data.context) | asked


def tool_requested(row: Row, fact: Fact, data: c.ToolCallRequested) -> Row:
    asked: Row = {"kind": "tool", "tool": data.tool, "effect": data.effect, "digest": data.digest}
    return row | _whose(data.context) | asked | {"requested_at": fact.meta.time}


def decided(row: Row, fact: Fact, data: c.CallDecided) -> Row:
    counts: dict[str, int] = {}
    for entity in data.entities:
        counts[entity.entity] = counts.get(entity.entity, 0) + 1
    return (
        row
        | _whose(data.context)
        | {
            "kind": data.kind,
            "state": {"allow": "allowed", "deny": "denied", "hold": "held"}[data.verdict],
            "verdict": data.verdict,
            "reasons": list(data.reasons),
            "rules": list(data.rules),
            "bundle": data.bundle,
            "entities": counts,
            "model": data.model or row["model"],
            "tool": data.tool or row["tool"],
            "digest": data.digest,
            "decided_at": fact.meta.time,
        }
    )


def attempted(row: Row, _: Fact, _data: c.CallAttempted) -> Row:
    return row | {"attempts": row["attempts"] + 1}


def model_settled(row: Row, fact: Fact, data: c.ModelCallSettled) -> Row:
    used = data.usage
    return (
        row
        | _whose(data.context)
        | {
            "kind": "model",
            "state": "settled",
            "outcome": data.outcome,
            "attempts": data.attempts,
            "provider": data.provider,
            "model": data.model or row["model"],
            "simulated": data.simulated,
            "priced": data.cost.priced if data.cost is not None else None,
            "unpriced": tasks.unpriced(data),
            "cached_from": data.cached.call if data.cached is not None else None,
            "cost_usd": tasks.cost_usd(data),
            "input_tokens": used.input_tokens,
            "cache_read_tokens": used.cache_read_tokens,
            "cache_write_tokens": used.cache_write_tokens,
            "output_tokens": used.output_tokens,
            "reasoning_tokens": used.reasoning_tokens,
            "finish_reason": data.finish_reason,
            "response_digest": data.response_digest,
            "fault_code": data.fault and data.fault.code,
            "fault_message": data.fault and data.fault.message,
            "reasons": list(data.reasons) or row["reasons"],
            "started_at": data.started_at,
            "settled_at": fact.meta.time,
            "duration_ms": data.duration_ms,
        }
    )


def tool_settled(row: Row, fact: Fact, data: c.ToolCallSettled) -> Row:
    return (
        row
        | _whose(data.context)
        | {
            "kind": "tool",
            "state": "settled",
            "tool": data.tool,
            "outcome": data.outcome,
            "simulated": data.simulated,
            "response_digest": data.result_digest,
            "fault_code": data.fault and data.fault.code,
            "fault_message": data.fault and data.fault.message,
            "reasons": list(data.reasons) or row["reasons"],
            "settled_at": fact.meta.time,
            "duration_ms": data.duration_ms,
        }
    )
