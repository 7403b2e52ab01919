"""Anchors: signed checkpoints that are kept where the system's own administrators cannot write.

A stolen key signs any history, but not one that fits what was written down elsewhere before. One line an anchor, each complete in itself.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from services.ledger.audit.chain import Checkpoint
from services.ledger.audit.lines import Malformed, b64, exact, fields, line, unb64, unhex
from services.ledger.audit.verdict import Verdict

FORMAT = "agentos-audit-anchor"
VERSION = 1
CHECKPOINT_FIELDS = {"seq": int, "chain": str, "root": str, "count": int, "key_id": str, "signature": str}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint and the public key that signed it; ``place`` is where it stands in its file."""

    checkpoint: Checkpoint
    public_key: bytes
    place: str = ""


def checkpoint_fields(checkpoint: Checkpoint) -> dict[str, int | str]:
    """A checkpoint as JSON."""
    return asdict(checkpoint) | {"signature": b64(checkpoint.signature)}


def checkpoint_from(found: dict[str, int | str]) -> Checkpoint:
    """The inverse of ``checkpoint_fields``; the types were checked. Raises Malformed."""
    for name in ("chain", "root"):
        if len(unhex(str(found[name]))) != 32:
            raise Malformed(f"{name} is no SHA-256")
    return Checkpoint(
        int(found["seq"]), str(found["chain"]), str(found["root"]), int(found["count"]), str(found["key_id"]),
        unb64(str(found["signature"])),
    )  # fmt: skip


def anchor_line(checkpoint: Checkpoint, public_key: bytes) -> bytes:
    """An anchor as it stands in a file and in the body of a webhook."""
    return line(
        {"format": FORMAT, "version": VERSION, "public_key": b64(public_key), **checkpoint_fields(checkpoint)},
    )


def parse_anchor(given: bytes, place: str = "") -> Anchor:
    """The inverse of ``anchor_line``. Raises Malformed on any other byte."""
    found = fields(given, {"format": str, "version": int, "public_key": str, **CHECKPOINT_FIELDS})
    if found["format"] != FORMAT or found["version"] != VERSION:
        raise Malformed(f"not an {FORMAT} of version {VERSION}")
    anchor = Anchor(checkpoint_from(found), unb64(found["public_key"]), place)
    return exact(anchor, anchor_line(anchor.checkpoint, anchor.public_key), given)


def read_anchors(lines: Iterable[bytes], verdict: Verdict) -> list[Anchor]:
    """The anchors of a file, by the sequence that they sign. What is none is a problem of ``verdict``.

    A writer that was cut off leaves a part of a line, and writes that line whole when it comes back: such a part is no problem.
    """
    found: list[Anchor] = []
    given = list(lines)
    for number, one in enumerate(given, 1):
        place = f"anchor line {number}"
        following = given[number] if number < len(given) else None
        if one.endswith(b"\n") and following is not None and following.startswith(one[:-1]) and following != one:
            continue
        if not one.endswith(b"\n") and following is None:
            continue
        try:
            found.append(parse_anchor(one, place))
        except Malformed as bad:
            verdict.report(place, "malformed", str(bad))
    return sorted(found, key=lambda anchor: anchor.checkpoint.seq)
