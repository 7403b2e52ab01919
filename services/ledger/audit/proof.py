"""Proof files: that one event is part of the signed log, or that one signed state of it is the beginning of another.

Some kilobytes each, whatever the length of the log, and nothing of any other event in them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.ledger.audit import chain, merkle
from services.ledger.audit.anchors import CHECKPOINT_FIELDS, Anchor, checkpoint_fields, checkpoint_from
from services.ledger.audit.chain import Chained, Checkpoint
from services.ledger.audit.lines import Malformed, b64, exact, fields, line, texts, typed, unb64, unhex
from services.ledger.audit.verdict import Verdict

INCLUSION = "agentos-audit-inclusion"
CONSISTENCY = "agentos-audit-consistency"
VERSION = 1
_EVENT_FIELDS = {"seq": int, "subject": str, "headers": dict, "body_b64": str}


@dataclass(frozen=True, slots=True)
class Event:
    """The event that a proof is about, as it stands in the stream."""

    seq: int
    subject: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Inclusion:
    """``event`` is leaf ``event.seq - 1`` of the tree that ``checkpoint`` signs; ``previous`` is the chain's hash before it."""

    public_key: bytes
    event: Event
    previous: bytes
    path: Sequence[bytes]
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Consistency:
    """The log that ``first`` signs is the beginning of the one that ``second`` signs: nothing of it was changed in between."""

    public_key: bytes
    first: Checkpoint
    second: Checkpoint
    path: Sequence[bytes]


def inclusion_line(public_key: bytes, event: Chained, previous: bytes, path: Sequence[bytes], checkpoint: Checkpoint) -> bytes:
    """The proof as its file's one line."""
    return line(
        {
            "format": INCLUSION,
            "version": VERSION,
            "public_key": b64(public_key),
            "event": {
                "seq": event.seq,
                "subject": event.subject,
                "headers": chain.chained_headers(event.headers),
                "body_b64": b64(event.body),
            },
            "previous": previous.hex(),
            "path": [each.hex() for each in path],
            "checkpoint": checkpoint_fields(checkpoint),
        }
    )


def consistency_line(public_key: bytes, first: Checkpoint, second: Checkpoint, path: Sequence[bytes]) -> bytes:
    """The proof as its file's one line."""
    return line(
        {
            "format": CONSISTENCY,
            "version": VERSION,
            "public_key": b64(public_key),
            "first": checkpoint_fields(first),
            "second": checkpoint_fields(second),
            "path": [each.hex() for each in path],
        }
    )


def parse_proof(given: bytes) -> Inclusion | Consistency:
    """The inverse of both. Raises Malformed on any other byte."""
    if b'"format":"%s"' % CONSISTENCY.encode() in given[:20_000]:
        found = _versioned(
            given, {"format": str, "version": int, "public_key": str, "first": dict, "second": dict, "path": list}, CONSISTENCY
        )
        first, second = (checkpoint_from(typed(found[name], CHECKPOINT_FIELDS)) for name in ("first", "second"))
        consistency = Consistency(unb64(found["public_key"]), first, second, _hashes(found["path"]))
        return exact(consistency, consistency_line(consistency.public_key, first, second, consistency.path), given)
    wanted = {"event": dict, "previous": str, "path": list, "checkpoint": dict}
    found = _versioned(given, {"format": str, "version": int, "public_key": str, **wanted}, INCLUSION)
    raw = typed(found["event"], _EVENT_FIELDS)
    if not all(type(value) is str for value in raw["headers"].values()):
        raise Malformed("a header's value is no text")
    event = Event(raw["seq"], raw["subject"], raw["headers"], unb64(raw["body_b64"]))
    checkpoint = checkpoint_from(typed(found["checkpoint"], CHECKPOINT_FIELDS))
    proof = Inclusion(unb64(found["public_key"]), event, unhex(found["previous"]), _hashes(found["path"]), checkpoint)
    return exact(proof, inclusion_line(proof.public_key, event, proof.previous, proof.path, checkpoint), given)


def verify_proof(
    given: bytes, *, public_key: bytes | None = None, anchors: Iterable[Anchor] | None = None, verdict: Verdict | None = None
) -> Verdict:
    """Check a proof file. ``public_key`` and ``anchors`` as for an export; with anchors, what was signed has to be among them."""
    verdict = Verdict() if verdict is None else verdict
    try:
        proof = parse_proof(given)
    except Malformed as bad:
        verdict.report("proof", "malformed", str(bad))
        return verdict
    if public_key is not None and proof.public_key != public_key:
        detail = f"signed by key {chain.key_id(proof.public_key)}, expected {chain.key_id(public_key)}"
        verdict.report("proof", "replaced", detail)
    signed = (proof.checkpoint,) if isinstance(proof, Inclusion) else (proof.first, proof.second)
    for checkpoint in signed:
        if checkpoint.count != checkpoint.seq or not chain.signed_by(checkpoint, proof.public_key):
            verdict.report(f"seq {checkpoint.seq}", "forged", f"key {checkpoint.key_id} did not sign this checkpoint")
        else:
            verdict.checkpoints += 1
    try:
        if isinstance(proof, Inclusion):
            _check_inclusion(proof)
            verdict.events, verdict.last_seq = 1, proof.event.seq
        else:
            one, two = proof.first, proof.second
            merkle.check_consistency(one.count, unhex(one.root), two.count, unhex(two.root), proof.path)
            verdict.last_seq = two.seq
    except merkle.BadProof as bad:
        place = f"seq {proof.event.seq}" if isinstance(proof, Inclusion) else f"seq {proof.first.seq} to {proof.second.seq}"
        verdict.report(place, "not_included" if isinstance(proof, Inclusion) else "replaced", str(bad))
    if anchors is not None:
        _hold(verdict, signed, proof.public_key, list(anchors))
    return verdict


def _check_inclusion(proof: Inclusion) -> None:
    hashed = chain.link(proof.previous, proof.event)
    found = merkle.root_from_inclusion(merkle.leaf_hash(hashed), proof.event.seq - 1, proof.checkpoint.count, proof.path)
    if found.hex() != proof.checkpoint.root:
        raise merkle.BadProof("the event is not part of the log that was signed")


def _hold(verdict: Verdict, signed: Iterable[Checkpoint], public_key: bytes, anchors: list[Anchor]) -> None:
    by_seq: dict[int, Anchor] = {}
    for anchor in anchors:
        if chain.signed_by(anchor.checkpoint, anchor.public_key):
            by_seq[anchor.checkpoint.seq] = anchor
        else:
            verdict.report(anchor.place or "anchor", "forged", "the anchor is not signed by the key that it names")
    held = 0
    for checkpoint in signed:
        anchor = by_seq.get(checkpoint.seq)
        if anchor is None:
            continue
        held += 1
        same = (anchor.checkpoint.chain, anchor.checkpoint.root) == (checkpoint.chain, checkpoint.root)
        if not same or anchor.public_key != public_key:
            verdict.report(f"seq {checkpoint.seq}", "replaced", f"what was anchored there is something else ({anchor.place})")
        else:
            verdict.anchors += 1
    if not held:
        below = ", ".join(map(str, sorted(by_seq)[-5:])) or "none"
        detail = f"no anchor signs what this proof stands on; there are anchors at {below}: ask for a proof of one of them"
        verdict.report("proof", "not_anchored", detail)


def _versioned(given: bytes, wanted: Mapping[str, type], name: str) -> dict[str, Any]:
    found = fields(given, wanted)
    if found["format"] != name or found["version"] != VERSION:
        raise Malformed(f"not an {name} of version {VERSION}")
    return found


def _hashes(values: Any) -> list[bytes]:
    hashes = [unhex(value) for value in texts(values)]
    if any(len(each) != 32 for each in hashes):
        raise Malformed("a hash of the path is no SHA-256")
    return hashes
