"""Identifiers. New ones are UUIDv7 (RFC 9562 §5.7), so that they sort by time; derived ones are UUIDv8 over a digest."""

import hashlib
import re
import secrets
import time

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def new_id() -> str:
    """A fresh UUIDv7 in canonical text. Impure (clock and randomness): shells call it, domain modules receive it."""
    return uuid7(int(time.time() * 1000), secrets.randbits(74))


def uuid7(unix_ms: int, random_74: int) -> str:
    """UUIDv7 from its parts: 48 bits of Unix milliseconds and 74 random bits."""
    value = (unix_ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= ((random_74 >> 62) & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random_74 & ((1 << 62) - 1)
    return _canonical(value)


def derived_id(*parts: str) -> str:
    """The same parts give the same id (UUIDv8, RFC 9562 §5.8, of their SHA-256), in every process and for ever.

    Parts are length-prefixed, so ``("a", "bc")`` and ``("ab", "c")`` differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    value = int.from_bytes(digest.digest()[:16], "big")
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0b11 << 62)) | (0b10 << 62)
    return _canonical(value)


def _canonical(value: int) -> str:
    """A UUID of 128 bits as text."""
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_token(text: str) -> bool:
    """Whether ``text`` may stand as one token of a subject: 1 to 128 of ``A-Z a-z 0-9 _ -``."""
    return _TOKEN.fullmatch(text) is not None


def step_key(step: int, epoch: int) -> str:
    """The name of a durable step of a task: its ordinal, and the attempt that made it anew."""
    return f"s{step:04d}-e{epoch}"


def call_id(task: str, step: int, epoch: int) -> str:
    """The id of the model call, tool call or checkpoint that is step ``step`` of ``task``.

    Deterministic, so that a runner that crashed asks for the same call again instead of a second one.
    """
    return f"{task}-{step_key(step, epoch)}"
