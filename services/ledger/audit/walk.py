"""Recomputing the chain event by event, and holding it against recorded hashes, signed checkpoints and anchors."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable

from services.ledger.audit import anchors, chain, lines
from services.ledger.audit.anchors import Anchor
from services.ledger.audit.chain import Chained, Checkpoint
from services.ledger.audit.merkle import Tree
from services.ledger.audit.verdict import Verdict


def is_checkpoint(subject: str) -> bool:
    """Whether an event on ``subject`` is an audit checkpoint."""
    parts = subject.split(".")
    return len(parts) == 5 and parts[2] == "audit" and parts[4] == "checkpointed"


def checkpoint_of(body: bytes) -> Checkpoint:
    """The checkpoint that an event carries. Raises Malformed."""
    found = lines.fields(body, anchors.CHECKPOINT_FIELDS)
    try:
        signature = base64.b64decode(str(found["signature"]), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise lines.Malformed("the signature is no base64") from None
    return Checkpoint(found["seq"], found["chain"], found["root"], found["count"], found["key_id"], signature)


class _Hashes:
    """Every hash so far, 32 bytes each: runs of consecutive sequences, for a checkpoint may sign any earlier place."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._runs: list[bytearray] = []

    def add(self, seq: int, hash_: bytes) -> None:
        """``seq`` is greater than any before."""
        if not self._runs or self._starts[-1] + len(self._runs[-1]) // 32 != seq:
            self._starts.append(seq)
            self._runs.append(bytearray())
        self._runs[-1] += hash_

    def at(self, seq: int) -> bytes:
        """The hash after ``seq``; empty where there is none."""
        index = bisect_right(self._starts, seq) - 1
        if index < 0:
            return b""
        offset = 32 * (seq - self._starts[index])
        return bytes(self._runs[index][offset : offset + 32])


class Walk:
    """Recomputes the chain and the Merkle tree over it; problems go to ``verdict``."""

    def __init__(self, verdict: Verdict, public_key: bytes) -> None:
        self._verdict = verdict
        self._public_key = public_key
        self._chain = chain.GENESIS
        self._hashes = _Hashes()
        self._tree = Tree()
        self.seen: dict[int, Checkpoint] = {}
        """The checkpoints found in the stream, by the sequence of their event."""

    @property
    def chain(self) -> bytes:
        """The hash after the last event."""
        return self._chain

    def event(self, event: Chained, recorded: bytes | None, place: str) -> None:
        """The next event, with the hash that was recorded for it (None: nobody recorded one)."""
        verdict = self._verdict
        expected = verdict.last_seq + 1
        if event.seq != expected:
            kind = "gap" if event.seq > expected else "order"
            verdict.report(place, kind, f"expected sequence {expected}, found {event.seq}")
        computed = chain.link(self._chain, event)
        if recorded is not None and computed != recorded:
            detail = (
                f"the event hashes to {computed.hex()[:16]}…, recorded is {recorded.hex()[:16]}…: it or the record was changed"
            )
            verdict.report(place, "changed", detail)
            computed = recorded if len(recorded) == 32 else computed
            # One change is one problem: what follows is held against the record.
        self._chain = computed
        if event.seq >= expected:
            self._hashes.add(event.seq, computed)
            verdict.last_seq = event.seq
            if event.seq == self._tree.size + 1:
                self._tree.append(computed)
        verdict.events += 1
        if is_checkpoint(event.subject):
            self._checkpointed(event, place)

    def _checkpointed(self, event: Chained, place: str) -> None:
        try:
            checkpoint = checkpoint_of(event.body)
        except lines.Malformed:
            self._verdict.report(place, "checkpoint", "the body is no audit checkpoint")
            return
        self.seen[event.seq] = checkpoint
        if checkpoint.seq >= event.seq:
            self._verdict.report(place, "checkpoint", f"it claims sequence {checkpoint.seq}, which came after it")
        elif not chain.signed_by(checkpoint, self._public_key):
            detail = f"key {checkpoint.key_id} did not sign this, or it is not the ledger's key"
            self._verdict.report(place, "replaced", detail)
        elif checkpoint.seq < 1 or checkpoint.count != checkpoint.seq:
            detail = f"it counts {checkpoint.count} events up to sequence {checkpoint.seq}"
            self._verdict.report(place, "checkpoint", detail)
        elif not self._stands(checkpoint):
            detail = f"the chain at sequence {checkpoint.seq} is not the one that was signed"
            self._verdict.report(place, "replaced", detail)
        else:
            self._verdict.checkpoints += 1

    def _stands(self, checkpoint: Checkpoint) -> bool:
        """Whether the chain that was walked is the one that ``checkpoint`` speaks of."""
        if checkpoint.chain != self._hashes.at(checkpoint.seq).hex():
            return False
        # With a hole in the sequence there is no tree to compare; the hole is told already.
        return self._tree.size < checkpoint.seq or checkpoint.root == self._tree.root(checkpoint.seq).hex()

    def hold(self, kept: Iterable[Anchor]) -> None:
        """Hold the whole chain against checkpoints that were kept elsewhere, by their sequence, at the end of the walk."""
        verdict, sound, replaced = self._verdict, 0, False
        for anchor in sorted(kept, key=lambda each: each.checkpoint.seq):
            checkpoint = anchor.checkpoint
            seq = checkpoint.seq
            if seq < 1 or checkpoint.count != seq or not chain.signed_by(checkpoint, anchor.public_key):
                verdict.report(anchor.place or f"seq {seq}", "forged", "the anchor is not signed by the key that it names")
                continue
            if anchor.public_key != self._public_key:
                detail = (
                    f"the anchor was signed by key {checkpoint.key_id}, "
                    f"this chain by key {chain.key_id(self._public_key)}: one of the two took the other's place"
                )
                verdict.report(anchor.place or f"seq {seq}", "key", detail)
            if seq > verdict.last_seq:
                detail = f"an anchor signs sequence {seq}, but the chain ends at {verdict.last_seq}"
                if sound < verdict.last_seq:
                    detail += f"; up to {sound} it is the one that was anchored"
                verdict.report(f"seq {verdict.last_seq + 1} to {seq}", "truncated", detail)
                return
            if self._stands(checkpoint):
                sound = seq
                verdict.anchors += 1
            elif not replaced:
                replaced = True  # the later ones differ for the same reason
                detail = f"the chain at sequence {seq} is not the one that was anchored ({anchor.place or 'outside'})"
                if sound:
                    detail += f"; up to {sound} it is"
                verdict.report(f"seq {sound + 1} to {seq}", "replaced", detail)
