"""Kill switches, webhook deliveries and audit checkpoints, a row each."""

from agentos.contracts.events import governance as g
from agentos.contracts.events import kill as k
from services.ledger.domain.facts import Fact, Row

KILL: Row = {
    "scope": None,
    "target": None,
    "mode": None,
    "trigger": None,
    "state": "engaged",
    "share_percent": 0,
    "cancelled": 0,
    "unconfirmed": 0,
    "running": 0,
    "reason": None,
    "engaged_by": None,
    "engaged_at": None,
    "release_reason": None,
    "released_by": None,
    "released_at": None,
    "first_seq": 0,
    "last_seq": 0,
}

DELIVERY: Row = {
    "source": None,
    "delivery": None,
    "task": None,
    "body_digest": None,
    "received_at": None,
    "first_seq": 0,
    "last_seq": 0,
}

VIOLATION: Row = {"pack": None, "agent": None, "first_seq": 0, "last_seq": 0}

CHECKPOINT: Row = {
    "seq": 0,
    "chain": None,
    "root": None,
    "count": 0,
    "key_id": None,
    "signature": None,
    "time": None,
    "first_seq": 0,
    "last_seq": 0,
}


SETTLED_LETTER: Row = {
    "letter": 0,
    "outcome": None,
    "reason": None,
    "settled_by": None,
    "settled_at": None,
    "first_seq": 0,
    "last_seq": 0,
}


def letter_settled(row: Row, fact: Fact, data: g.DeadLetterSettled) -> Row:
    return row | {
        "letter": data.letter,
        "outcome": data.outcome,
        "reason": data.reason,
        "settled_by": data.by.id,
        "settled_at": fact.meta.time,
    }


def kill_engaged(row: Row, fact: Fact, data: k.KillEngaged) -> Row:
    return row | {
        "scope": data.scope,
        "target": data.target,
        "mode": data.mode,
        "trigger": data.trigger,
        "reason": data.reason,
        "engaged_by": data.by.id,
        "engaged_at": fact.meta.time,
    }


def kill_eased(row: Row, _: Fact, data: k.KillEased) -> Row:
    return row if row["state"] == "released" else row | {"state": "probation", "share_percent": data.share_percent}


def kill_tightened(row: Row, _: Fact, __: k.KillTightened) -> Row:
    return row if row["state"] == "released" else row | {"state": "engaged", "share_percent": 0}


def kill_confirmed(row: Row, _: Fact, data: k.KillConfirmed) -> Row:
    return row | {"cancelled": data.cancelled, "unconfirmed": data.unconfirmed, "running": data.running}


def kill_released(row: Row, fact: Fact, data: k.KillReleased) -> Row:
    return row | {
        "state": "released",
        "release_reason": data.reason,
        "released_by": data.by.id,
        "released_at": fact.meta.time,
    }


def delivery_received(row: Row, fact: Fact, data: g.DeliveryReceived) -> Row:
    return row | {
        "source": data.source,
        "delivery": data.delivery,
        "task": data.task,
        "body_digest": data.body_digest,
        "received_at": fact.meta.time,
    }


def audit_checkpointed(row: Row, fact: Fact, data: g.AuditCheckpointed) -> Row:
    return row | {
        "seq": data.seq,
        "chain": data.chain,
        "root": data.root,
        "count": data.count,
        "key_id": data.key_id,
        "signature": data.signature.hex(),
        "time": fact.meta.time,
    }


def violation_noted(row: Row, _: Fact, data: g.ViolationNoted) -> Row:
    return row | {"pack": data.pack, "agent": data.agent}
