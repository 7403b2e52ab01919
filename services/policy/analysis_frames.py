"""What a worker and its pool say to each other: frames of bytes, pure functions, no I/O.

A frame is four bytes of length (big endian) and so many bytes. A question is four bytes of length, that much JSON (for each text its hint
and its length in bytes) and the texts, UTF-8 with surrogates as they are. An answer is JSON.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

from services.policy.findings import Finding
from services.policy.redacting.finding import Analysis

HEAD = struct.Struct(">I")
MAX_BYTES = 256 * 1024 * 1024
"""No frame is longer; one that says so is from something that is no worker."""


def framed(payload: bytes) -> bytes:
    """``payload`` as a frame."""
    return HEAD.pack(len(payload)) + payload


def length_of(head: bytes) -> int:
    """How many bytes follow. Raises ``ValueError`` for more than any frame has."""
    (length,) = HEAD.unpack(head)
    if length > MAX_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    return length


def question(texts: Sequence[tuple[str, str]]) -> bytes:
    """Pairs of hint and text."""
    encoded = [text.encode("utf-8", "surrogatepass") for _, text in texts]
    head = json.dumps([[hint, len(body)] for (hint, _), body in zip(texts, encoded, strict=True)]).encode()
    return b"".join((HEAD.pack(len(head)), head, *encoded))


def asked(payload: bytes) -> list[tuple[str, str]]:
    """The pairs of a question."""
    start = HEAD.size + length_of(payload[: HEAD.size])
    pairs: list[tuple[str, str]] = []
    for hint, length in json.loads(payload[HEAD.size : start]):
        pairs.append((hint, payload[start : start + length].decode("utf-8", "surrogatepass")))
        start += length
    return pairs


def answer(analyses: Sequence[Analysis]) -> bytes:
    """One for each text of the question."""
    return json.dumps([_written(analysis) for analysis in analyses], separators=(",", ":")).encode()


def answered(payload: bytes, count: int) -> list[Analysis]:
    """The ``count`` analyses of an answer. Raises ``ValueError`` when it is none."""
    try:
        analyses = [_read(one) for one in json.loads(payload)]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError("no answer of a worker") from error
    if len(analyses) != count:
        raise ValueError(f"{len(analyses)} answers to {count} questions")
    return analyses


def _written(analysis: Analysis) -> list[Any]:
    return [[[f.start, f.end, f.entity, f.stem, f.score] for f in analysis.findings], list(analysis.labels)]


def _read(one: Any) -> Analysis:
    findings, labels = one
    return Analysis(tuple(Finding(*each) for each in findings), tuple(map(str, labels)))


__all__ = ["HEAD", "MAX_BYTES", "answer", "answered", "asked", "framed", "length_of", "question"]
