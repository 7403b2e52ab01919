"""The export of the audit chain: JSON lines, each in exactly one spelling, so that no byte can change unnoticed.

Line 1 is the header (format, version, public key, count, last hash), then one line an event in stream order, with the body as stored (a
claim-checked body is the claim), and a closing line with a signature over the header. The header names count and last hash, and the
hash covers everything in the event lines.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from services.ledger import audit

FORMAT = "agentos-audit-export"
VERSION = 1


T = TypeVar("T")


class Malformed(Exception):
    """A line that is not what it should be, in this exact spelling."""


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
    return _line(
        {
            "format": FORMAT,
            "version": VERSION,
            "public_key": _b64(header.public_key),
            "count": header.count,
            "last_hash": header.last_hash.hex(),
        }
    )


def event_line(event: audit.Chained, chain: bytes) -> bytes:
    """An event as it stands in the file; ``chain`` is the hash after it."""
    return _line(
        {
            "seq": event.seq,
            "subject": event.subject,
            "headers": audit.chained_headers(event.headers),
            "body_b64": _b64(event.body),
            "hash": chain.hex(),
        }
    )


def closing_line(signature: bytes) -> bytes:
    """The end of the file; ``signature`` is ``audit.seal`` over the header line."""
    return _line({"closed": True, "signature": _b64(signature)})


def parse_header(line: bytes) -> Header:
    """The inverse of ``header_line``. Raises Malformed on any other byte."""
    fields = _fields(line, {"format": str, "version": int, "public_key": str, "count": int, "last_hash": str})
    if fields["format"] != FORMAT or fields["version"] != VERSION:
        raise Malformed(f"not an {FORMAT} of version {VERSION}")
    header = Header(_unb64(fields["public_key"]), fields["count"], _unhex(fields["last_hash"]))
    return _exact(header, header_line(header), line)


def parse_line(line: bytes) -> Event | Closing:
    """The inverse of ``event_line`` and ``closing_line``. Raises Malformed on any other byte."""
    if line.startswith(b'{"closed"'):
        closing = Closing(_unb64(_fields(line, {"closed": bool, "signature": str})["signature"]))
        return _exact(closing, closing_line(closing.signature), line)
    fields = _fields(line, {"seq": int, "subject": str, "headers": dict, "body_b64": str, "hash": str})
    if not all(type(value) is str for value in fields["headers"].values()):
        raise Malformed("a header's value is no text")
    event = Event(fields["seq"], fields["subject"], fields["headers"], _unb64(fields["body_b64"]), _unhex(fields["hash"]))
    return _exact(event, event_line(event, event.hash), line)


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _exact(value: T, canonical: bytes, line: bytes) -> T:
    if canonical != line:
        raise Malformed("the line is not spelled as the ledger writes it")
    return value


def _fields(line: bytes, wanted: Mapping[str, type]) -> dict[str, Any]:
    try:
        parsed: Any = json.loads(line)
    except (ValueError, RecursionError) as bad:
        raise Malformed(f"no JSON: {type(bad).__name__}") from None
    if not isinstance(parsed, dict):
        raise Malformed("no JSON object")
    fields = cast("dict[str, Any]", parsed)
    if {name: type(value) for name, value in fields.items()} != wanted:
        raise Malformed(f"its fields are not {', '.join(wanted)}, each of its type")
    return fields


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a field is no base64") from None


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed("a hash is no hexadecimal number") from None
