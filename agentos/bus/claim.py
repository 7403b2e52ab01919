"""Claim check: a body too large to travel is stored once by its digest, and the message carries the claim."""

import asyncio
import re

from agentos.bus.kv import KeyValue
from agentos.contracts.envelope import CLAIM as HEADER
from agentos.contracts.envelope import digest
from agentos.contracts.errors import Conflict, NeverRetry, RetryLater

LIMIT_BYTES = 256 * 1024
"""Bodies above this are checked in."""

_CHUNK_BYTES = 512 * 1024
_CLAIM = re.compile(r"[0-9a-f]{64}\.[1-9][0-9]{0,2}")
_READS = 4
"""Any replica may answer a read, and one may lag behind a write that was just acknowledged."""
_MOST_CHUNKS = 999
"""A claimed body is read into memory whole."""


async def check_in(payloads: KeyValue, body: bytes) -> dict[str, str]:
    """Store ``body`` and return the header that claims it. Idempotent: the key is the content's digest.

    Raises NeverRetry when it is too large even for that.
    """
    sha, chunks = digest(body), range(0, len(body), _CHUNK_BYTES)
    if len(chunks) > _MOST_CHUNKS:
        raise NeverRetry(f"{len(body)} bytes are more than a message may claim", code="too_large")
    for number, offset in enumerate(chunks):
        try:
            await payloads.create(f"{sha}.{number}", body[offset : offset + _CHUNK_BYTES])
        except Conflict:
            # The same content is there already, chunk by chunk.
            continue
    return {HEADER: f"{sha}.{len(chunks)}"}


async def check_out(payloads: KeyValue, reference: str) -> bytes:
    """The body behind a claim. Raises RetryLater while it is not there, NeverRetry when it is not what was claimed."""
    if _CLAIM.fullmatch(reference) is None:
        raise NeverRetry(f"the claim {reference[:100]!r} is malformed", code="bad_claim")
    sha, _, count = reference.partition(".")
    parts: list[bytes] = []
    for attempt in range(_READS):
        if attempt:
            await asyncio.sleep(0.01 * 2**attempt)
        entries = await asyncio.gather(*(payloads.get(f"{sha}.{number}") for number in range(int(count))))
        parts = [entry.value for entry in entries if entry is not None and entry.value is not None]
        if len(parts) == int(count):
            break
    if len(parts) != int(count):
        raise RetryLater(f"{int(count) - len(parts)} chunks of the claimed body are missing", code="claim_missing")
    body = b"".join(parts)
    if digest(body) != sha:
        raise NeverRetry("the claimed body does not match its digest", code="bad_claim")
    return body
