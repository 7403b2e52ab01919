"""Dead letters: one row each, also for those that are themselves unreadable."""

import json
from datetime import datetime
from typing import Any, cast

from pydantic import ValidationError

from agentos.contracts.envelope import CORRELATION, TENANT, TIME, decode_headers
from agentos.contracts.errors import NeverRetry
from agentos.contracts.events.governance import DeadLetter
from services.ledger.domain.facts import Incoming, Row


def dead_letter_row(incoming: Incoming) -> Row:
    """The row of a dead letter; of a broker's advisory, which knows the stream and the sequence only; or of neither, with the problem."""
    row: Row = {
        "seq": incoming.seq,
        "time": None,
        "tenant": incoming.headers.get(TENANT, ""),
        "subject": incoming.subject,
        "correlation_id": incoming.headers.get(CORRELATION),
        "service": None,
        "consumer": None,
        "message_subject": None,
        "stream": None,
        "message_seq": 0,
        "deliveries": 0,
        "code": None,
        "detail": None,
        "body_digest": None,
        "kept": False,
        "problem": None,
    }
    try:
        if incoming.subject.startswith("$JS."):
            return row | _advisory(incoming)
        letter = DeadLetter.model_validate_json(incoming.payload)
        time = decode_headers(incoming.headers).time if TIME in incoming.headers else letter.at
    except (ValidationError, NeverRetry, ValueError) as bad:
        return row | {"problem": f"unreadable dead letter ({type(bad).__name__})"}
    return row | {
        "time": time if time.tzinfo is not None else letter.at,
        "service": letter.service,
        "consumer": letter.consumer,
        "message_subject": letter.subject,
        "stream": letter.stream,
        "message_seq": letter.seq,
        "deliveries": letter.deliveries,
        "code": letter.code,
        "detail": letter.detail,
        "body_digest": letter.body_digest,
        "kept": letter.stream == "EVENTS" or letter.message is not None,
    }


def _advisory(incoming: Incoming) -> Row:
    parsed: Any = json.loads(incoming.body)
    if not isinstance(parsed, dict):
        raise ValueError("an advisory is a JSON object")  # noqa: TRY004 - any malformed advisory is told the same way
    advisory = cast("dict[str, Any]", parsed)
    terminated = "MSG_TERMINATED" in incoming.subject
    consumer = str(advisory.get("consumer", ""))
    stream = str(advisory.get("stream", ""))
    return {
        "time": datetime.fromisoformat(str(advisory["timestamp"])) if "timestamp" in advisory else None,
        "service": consumer.partition("-")[0],
        "consumer": consumer,
        "stream": stream,
        "kept": stream == "EVENTS",
        "message_seq": _number(advisory.get("stream_seq")),
        "deliveries": _number(advisory.get("deliveries")),
        "code": "terminated" if terminated else "max_deliveries",
        "detail": str(advisory.get("reason", "")) or "the broker's advisory; the message itself stays in its stream",
    }


def _number(value: Any) -> int:
    return value if type(value) is int else 0
