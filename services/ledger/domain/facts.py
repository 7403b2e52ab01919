"""Reading a message of the stream: what every row of the ledger starts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agentos.contracts.base import Contract
from agentos.contracts.channel import Channel
from agentos.contracts.channels import CHANNELS
from agentos.contracts.envelope import CLAIM, Meta, decode_headers
from agentos.contracts.errors import NeverRetry
from agentos.contracts.subjects import EventSubject

Row = dict[str, Any]
"""One row of a table by column name. A fold never changes a row that it was given; it returns another."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the stream keeps it: ``body`` is byte for byte what is stored.

    ``claimed`` is the payload behind a claim check, fetched before the fold; None when the body is the payload itself.
    """

    seq: int
    subject: str
    headers: Mapping[str, str]
    body: bytes
    claimed: bytes | None = None

    @property
    def payload(self) -> bytes:
        """The bytes that hold the payload, wherever they are kept."""
        return self.body if self.claimed is None else self.claimed


@dataclass(frozen=True, slots=True)
class Fact:
    """A decoded event with its place in the stream."""

    seq: int
    subject: EventSubject
    channel: Channel
    meta: Meta
    data: Contract

    @property
    def ordinal(self) -> int:
        """The ordinal as a number (an attempt), 0 where there is none or it is no number."""
        text = self.subject.ordinal or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


_EVENTS: dict[tuple[str, str, bool], Channel] = {
    (aggregate, fact, channel.pattern.endswith(".*")): channel
    for channel in CHANNELS
    if channel.kind == "event"
    for aggregate, fact in [channel.name.split(".")]
}


def read_fact(incoming: Incoming) -> Fact:
    """The event in ``incoming``. Raises NeverRetry with the reason when this reader cannot make sense of it.

    The same rules as ``agentos.contracts.envelope.decode``, with the channel found by a look-up instead of a search: a rebuild
    reads millions. The tenant of the subject rules, for it is the one that the broker saw; a header that says otherwise is refused.
    """
    try:
        subject = EventSubject.parse(incoming.subject)
    except ValueError as bad:
        raise NeverRetry(str(bad), code="unknown_subject") from bad
    channel = _EVENTS.get((subject.aggregate, subject.fact, subject.ordinal is not None))
    if channel is None:
        raise NeverRetry(f"no channel covers {incoming.subject!r}", code="unknown_subject")
    meta = decode_headers(incoming.headers)
    if meta.schema != channel.schema:
        raise NeverRetry(f"schema {meta.schema!r}; this reader knows {channel.schema!r}", code="unknown_schema")
    if meta.time.tzinfo is None:
        raise NeverRetry("the time has no zone", code="bad_envelope")
    if meta.tenant != subject.tenant:
        raise NeverRetry(f"the header names tenant {meta.tenant!r}, the subject {subject.tenant!r}", code="bad_envelope")
    if incoming.claimed is None and CLAIM in incoming.headers:
        raise NeverRetry("the claimed body is not in the object store", code="claim_missing")
    try:
        data = channel.payload.model_validate_json(incoming.payload)
    except ValidationError as bad:
        where = "; ".join(".".join(map(str, e["loc"])) + ": " + e["msg"] for e in bad.errors(include_input=False)[:5])
        raise NeverRetry(f"the body does not fit {channel.schema}: {where}", code="bad_payload") from None
    return Fact(incoming.seq, subject, channel, meta, data)
