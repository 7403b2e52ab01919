"""Approvals, a row each: what is asked for as it now stands, who has voted, who has edited, and until when it waits."""

# ruff: noqa: ARG001 - every projection has the same signature
from typing import Any

from agentos.contracts.events import approval as a
from services.ledger.domain.facts import Fact, Row

APPROVAL: Row = {
    "kind": None,
    "target": None,
    "task": None,
    "attempt": 0,
    "step": 0,
    "task_type": None,
    "pack": None,
    "agent": None,
    "requester": None,
    "state": "pending",
    "summary": None,
    "preview": None,
    "reasons": None,
    "digest": None,
    "revision": 0,
    "approver_roles": None,
    "quorum": 1,
    "four_eyes": True,
    "editable": False,
    "votes": None,
    "answers": None,
    "edits": None,
    "diff": None,
    "comments": 0,
    "escalations": 0,
    "frozen": False,
    "expires_at": None,
    "resolved_kind": None,
    "resolved_by": None,
    "reason": None,
    "requested_at": None,
    "resolved_at": None,
    "first_seq": 0,
    "last_seq": 0,
}


def _rows(row: Row, name: str) -> list[dict[str, Any]]:
    return row[name] or []


def requested(row: Row, fact: Fact, data: a.ApprovalRequested) -> Row:
    return row | {
        "kind": data.kind,
        "target": data.target,
        "task": data.context.task,
        "attempt": data.context.attempt,
        "step": data.context.step,
        "task_type": data.context.task_type,
        "pack": data.context.pack,
        "agent": data.context.agent,
        "requester": data.requester.id,
        "summary": data.summary,
        "preview": data.preview,
        "reasons": list(data.reasons),
        "digest": data.digest,
        "approver_roles": list(data.approver_roles),
        "quorum": data.quorum,
        "four_eyes": data.four_eyes,
        "editable": data.editable,
        "expires_at": data.expires_at,
        "requested_at": fact.meta.time,
    }


def answered(row: Row, fact: Fact, data: a.ApprovalAnswered) -> Row:
    """An answer waits for its ruling: kept by its number until then."""
    answer: dict[str, Any] = {
        "number": fact.ordinal,
        "outcome": data.outcome,
        "by": data.by.id,
        "for": None if data.delegated_from is None else data.delegated_from.id,
        "digest": data.digest,
        "verdict": None,
        "reasons": [],
    }
    return row | {"answers": [*_rows(row, "answers"), answer]}


def ruled(row: Row, fact: Fact, data: a.ApprovalRuled) -> Row:
    """An allowed answer to what the approval is now for is a vote."""
    answers = [
        answer | {"verdict": data.verdict, "reasons": list(data.reasons)} if answer["number"] == fact.ordinal else answer
        for answer in _rows(row, "answers")
    ]
    votes = [answer for answer in answers if answer["verdict"] == "allow" and answer["digest"] == row["digest"]]
    return row | {"answers": answers, "votes": votes}


def commented(row: Row, fact: Fact, data: a.ApprovalCommented) -> Row:
    return row | {"comments": max(row["comments"], fact.ordinal)}


def revised(row: Row, fact: Fact, data: a.ApprovalRevised) -> Row:
    """An edit in force takes the place of what it was made of, and nobody has voted on it yet."""
    edit = {
        "number": fact.ordinal,
        "by": data.by.id,
        "at": fact.meta.time.isoformat(),
        "verdict": data.verdict,
        "reasons": list(data.reasons),
        "base_digest": data.base_digest,
        "digest": data.digest,
    }
    row = row | {"edits": [*_rows(row, "edits"), edit]}
    if data.verdict == "deny" or data.base_digest != row["digest"] or row["state"] != "pending":
        return row
    return row | {
        "digest": data.digest,
        "revision": fact.ordinal,
        "preview": data.preview,
        "votes": [],
        "diff": [*_rows(row, "diff"), *(change.model_dump(mode="json") for change in data.diff)],
    }


def escalated(row: Row, fact: Fact, data: a.ApprovalEscalated) -> Row:
    return row | {"escalations": fact.ordinal, "approver_roles": list(data.approver_roles)}


def frozen(row: Row, fact: Fact, data: a.ApprovalFrozen) -> Row:
    return row | {"frozen": True}


def thawed(row: Row, fact: Fact, data: a.ApprovalThawed) -> Row:
    return row | {"frozen": False, "expires_at": data.expires_at}


def resolved(row: Row, fact: Fact, data: a.ApprovalResolved) -> Row:
    return row | {
        "kind": data.kind,
        "task": data.context.task,
        "state": data.outcome,
        "frozen": False,
        "resolved_kind": data.by.kind,
        "resolved_by": data.by.id,
        "reason": data.reason,
        "resolved_at": fact.meta.time,
    }
