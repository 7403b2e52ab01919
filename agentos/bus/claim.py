"""Claim check: a body too large to travel is stored once by its digest, and the message carries the claim."""

import asyncio

from agentos.bus.kv import KeyValue
from agentos.contracts.envelope import CLAIM as HEADER
from agentos.contracts.envelope import digest
from agentos.contracts.errors import Conflict, NeverRetry, RetryLater

LIMIT_BYTES = 256 * 1024
"""Bodies above this are checked in."""

_CHUNK_BYTES = 512 * 1024


async def check_in(payloads: KeyValue, body: bytes) -> dict[str, str]:
    """Store ``body`` and return the header that claims it. Idempotent: the key is the content's digest."""
    sha, chunks = digest(body), range(0, len(body), _CHUNK_BYTES)
    for number, offset in enumerate(chunks):
        try:
            await payloads.create(f"{sha}.{number}", body[offset : offset + _CHUNK_BYTES])
        except Conflict:
            # The same content is there already, chunk by chunk.
            continue
    return {HEADER: f"{sha}.{len(chunks)}"}


async def check_out(payloads: KeyValue, reference: str) -> bytes:
    """The body behind a claim. Raises RetryLater while it is not there, NeverRetry when it is not what was claimed."""
    sha, _, count = reference.partition(".")
    if not count.isdigit():
        raise NeverRetry(f"the claim {reference!r} is malformed", code="bad_claim")
    entries = await asyncio.gather(*(payloads.get(f"{sha}.{number}") for number in range(int(count))))
    parts = [entry.value for entry in entries if entry is not None and entry.value is not None]
    if len(parts) != int(count):
        raise RetryLater(f"{int(count) - len(parts)} chunks of the claimed body are missing", code="claim_missing")
    body = b"".join(parts)
    if digest(body) != sha:
        raise NeverRetry("the claimed body does not match its digest", code="bad_claim")
    return body
