"""The export of the audit chain as JSON lines.

Line 1 is the header (format, version, public key, count, last hash), then one line an event in stream order, with the body as stored (a
claim-checked body is the claim), and a closing line with a signature over the header. The header names count and last hash, and the
hash covers everything in the event lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.ledger.audit.chain import Chained, chained_headers
from services.ledger.audit.lines import Malformed, b64, exact, fields, line, unb64, unhex

FORMAT = "agentos-audit-export"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. Sequences run from 1 without a gap, so ``count`` is also the last sequence."""

    public_key: bytes
    count: int
    last_hash: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """An event line."""

    seq: int
    subject: str
    headers: Mapping[str, str]
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """The last line."""

    signature: bytes


def header_line(header: Header) -> bytes:
    """The header as it stands in the file."""
    return line(
        {
            "format": FORMAT,
            "version": VERSION,
            "public_key": b64(header.public_key),
            "count": header.count,
            "last_hash": header.last_hash.hex(),
        }
    )


def event_line(event: Chained, chain: bytes) -> bytes:
    """An event as it stands in the file; ``chain`` is the hash after it."""
    return line(
        {
            "seq": event.seq,
            "subject": event.subject,
            "headers": chained_headers(event.headers),
            "body_b64": b64(event.body),
            "hash": chain.hex(),
        }
    )


def closing_line(signature: bytes) -> bytes:
    """The end of the file; ``signature`` is over ``chain.seal_message`` of the header line."""
    return line({"closed": True, "signature": b64(signature)})


def parse_header(given: bytes) -> Header:
    """The inverse of ``header_line``. Raises Malformed on any other byte."""
    found = fields(given, {"format": str, "version": int, "public_key": str, "count": int, "last_hash": str})
    if found["format"] != FORMAT or found["version"] != VERSION:
        raise Malformed(f"not an {FORMAT} of version {VERSION}")
    header = Header(unb64(found["public_key"]), found["count"], unhex(found["last_hash"]))
    return exact(header, header_line(header), given)


def parse_line(given: bytes) -> Event | Closing:
    """The inverse of ``event_line`` and ``closing_line``. Raises Malformed on any other byte."""
    if given.startswith(b'{"closed"'):
        closing = Closing(unb64(fields(given, {"closed": bool, "signature": str})["signature"]))
        return exact(closing, closing_line(closing.signature), given)
    found = fields(given, {"seq": int, "subject": str, "headers": dict, "body_b64": str, "hash": str})
    if not all(type(value) is str for value in found["headers"].values()):
        raise Malformed("a header's value is no text")
    event = Event(found["seq"], found["subject"], found["headers"], unb64(found["body_b64"]), unhex(found["hash"]))
    return exact(event, event_line(event, event.hash), given)
