"""The envelope: metadata in headers, payload in the body. Pure functions, bytes in and bytes out.

Headers are ours by the prefix ``Agentos-`` (``Nats-`` is the broker's); ``traceparent`` is W3C Trace Context.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import ValidationError

from agentos.contracts.base import Contract
from agentos.contracts.channel import Channel
from agentos.contracts.channels import channel_for
from agentos.contracts.errors import NeverRetry
from agentos.contracts.ids import is_token

P = TypeVar("P", bound=Contract)

EVENT_ID = "Agentos-Event-Id"
SCHEMA = "Agentos-Schema"
TENANT = "Agentos-Tenant"
CORRELATION = "Agentos-Correlation-Id"
CAUSATION = "Agentos-Causation-Id"
TIME = "Agentos-Time"
CLAIM = "Agentos-Claim"
TRACEPARENT = "traceparent"

_PLAIN = re.compile(r"[!-~](?:[ -~]{0,1000}[!-~])?")
"""What a header's value may be and arrive unchanged. A line break in it would write a header of its own."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a message besides its payload. ``correlation_id`` is the task's id wherever there is a task."""

    event_id: str
    schema: str
    tenant: str
    correlation_id: str
    causation_id: str
    time: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message as the stream keeps it, decoded. ``seq`` is its place in the stream (0 when not known).

    ``deliveries`` counts how often a durable consumer has handed it out: above 1, someone may have handled it before. 1 does not
    prove the contrary: a broker that crashed counts from what it had written down.
    """

    subject: str
    channel: Channel
    meta: Meta
    data: Contract
    seq: int
    deliveries: int = 1

    def payload(self, kind: type[P]) -> P:
        """The payload as what the handler expects. Raises NeverRetry when the message is something else."""
        if not isinstance(self.data, kind):
            raise NeverRetry(f"{self.subject} carries {type(self.data).__name__}, not {kind.__name__}", code="bad_payload")
        return self.data


def digest(data: bytes) -> str:
    """SHA-256, hex: the digest used everywhere in AgentOS."""
    return hashlib.sha256(data).hexdigest()


def encode_headers(meta: Meta) -> dict[str, str]:
    """The headers of ``meta``; the inverse of ``decode_headers``.

    Raises ValueError when a value could not stand in a header, so that text from outside cannot write another one.
    """
    headers = {
        EVENT_ID: meta.event_id,
        SCHEMA: meta.schema,
        TENANT: meta.tenant,
        CORRELATION: meta.correlation_id,
        CAUSATION: meta.causation_id,
        TIME: meta.time.astimezone(UTC).isoformat(),
    }
    if meta.traceparent is not None:
        headers[TRACEPARENT] = meta.traceparent
    for name in (TENANT, CORRELATION, CAUSATION, EVENT_ID):
        if _PLAIN.fullmatch(headers[name]) is None:
            raise ValueError(f"{name} must be printable ASCII without outer blanks, got {headers[name][:80]!r}")
    return headers


def decode_headers(headers: Mapping[str, str]) -> Meta:
    """The metadata in ``headers``. Raises NeverRetry naming the header that is missing or malformed."""
    try:
        meta = Meta(
            event_id=headers[EVENT_ID],
            schema=headers[SCHEMA],
            tenant=headers[TENANT],
            correlation_id=headers[CORRELATION],
            causation_id=headers[CAUSATION],
            time=datetime.fromisoformat(headers[TIME]),
            traceparent=headers.get(TRACEPARENT),
        )
    except KeyError as missing:
        raise NeverRetry(f"the message has no {missing.args[0]} header", code="bad_envelope") from missing
    except ValueError as bad:
        raise NeverRetry(f"the {TIME} header is not an ISO 8601 time", code="bad_envelope") from bad
    if meta.time.tzinfo is None:
        raise NeverRetry(f"the {TIME} header has no time zone", code="bad_envelope")
    if not is_token(meta.tenant):
        raise NeverRetry(f"the {TENANT} header is not a token", code="bad_envelope")
    return meta


def encode_body(payload: Contract) -> bytes:
    """The JSON body of a payload."""
    return payload.__pydantic_serializer__.to_json(payload)


def decode(subject: str, headers: Mapping[str, str], body: bytes, seq: int = 0, deliveries: int = 1) -> Recorded:
    """A message from its wire parts.

    Raises NeverRetry when the subject is not in the channel table or is another tenant's, the schema version is not one that
    this reader knows, or the body does not fit the schema: such a message is dead-lettered, and it says why.
    """
    try:
        channel = channel_for(subject)
    except LookupError as unknown:
        raise NeverRetry(str(unknown), code="unknown_subject") from unknown
    meta = decode_headers(headers)
    if channel.kind == "event" and subject.split(".", 2)[1] != meta.tenant:
        raise NeverRetry(f"{subject} carries tenant {meta.tenant!r}", code="bad_envelope")
    if meta.schema != channel.schema:
        raise NeverRetry(
            f"{subject} carries schema {meta.schema!r}; this reader knows {channel.schema!r}: upgrade the older side",
            code="unknown_schema",
        )
    try:
        data = channel.payload.model_validate_json(body)
    except ValidationError as bad:
        # Inputs are left out: a body that does not fit may hold anything.
        where = "; ".join(f"{'.'.join(map(str, e['loc'])) or '(root)'}: {e['msg']}" for e in bad.errors(include_input=False))
        raise NeverRetry(f"the body does not fit {channel.schema}: {where}", code="bad_payload") from None
    return Recorded(subject, channel, meta, data, seq, deliveries)
