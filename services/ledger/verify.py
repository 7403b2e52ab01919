"""Proving the audit chain live: the broker's stream against the SQL rows, the signed checkpoints in both, and anchors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from services.ledger.audit.anchors import Anchor
from services.ledger.audit.chain import Chained, Checkpoint
from services.ledger.audit.verdict import Verdict
from services.ledger.audit.walk import Walk


class Recorded(Protocol):
    """What the ledger's database recorded, as the live verification reads it. Blocking."""

    def position(self) -> int:
        """The last sequence that was folded."""
        ...

    def hashes(self, first: int, last: int) -> Mapping[int, bytes]:
        """The recorded hashes from ``first`` to ``last``."""
        ...

    def checkpoints(self) -> Mapping[int, Checkpoint]:
        """All recorded checkpoints, by the sequence of their event."""
        ...


class LiveCheck:
    """Holds a whole stream, from its first event, against the recorded chain, the checkpoints, and the anchors. Blocking."""

    def __init__(self, recorded: Recorded, public_key: bytes) -> None:
        self.verdict = Verdict()
        self._recorded = recorded
        self._position = recorded.position()
        self._walk = Walk(self.verdict, public_key)
        self._next = 1

    def events(self, batch: Sequence[Chained]) -> None:
        """The next events. Those that the ledger has not folded yet have no record, and are no problem."""
        last = batch[-1].seq
        hashes = dict(self._recorded.hashes(self._next, last))
        self._next = last + 1
        for event in batch:
            known = hashes.pop(event.seq, None)
            if known is None and event.seq <= self._position:
                self.verdict.report(f"seq {event.seq}", "missing", "the stream has this event, the audit chain does not")
            self._walk.event(event, known, f"seq {event.seq}")
        for seq in sorted(hashes):
            self.verdict.report(f"seq {seq}", "missing", "the audit chain has this event, the stream does not")

    def finish(self, anchors: Iterable[Anchor] = ()) -> Verdict:
        """The stream has no more. ``anchors`` were kept outside of broker and database."""
        verdict, position = self.verdict, self._position
        if position > verdict.last_seq:
            detail = f"the ledger recorded events up to {position}, the stream ends at {verdict.last_seq}"
            verdict.report(f"seq {verdict.last_seq + 1}", "truncated", detail)
        rows = self._recorded.checkpoints()
        beyond = set(self._recorded.hashes(position + 1, 2**63 - 1)) | set(rows)
        # Read after the rows: what the ledger wrote meanwhile lies within the position by now, and what lies beyond it did not write.
        for seq in sorted(seq for seq in beyond if seq > self._recorded.position()):
            verdict.report(f"seq {seq}", "forged", "the database has a row beyond the ledger's own position")
        _compare(verdict, self._walk.seen, rows, position)
        self._walk.hold(anchors)
        return verdict


def _compare(verdict: Verdict, stream: Mapping[int, Checkpoint], rows: Mapping[int, Checkpoint], position: int) -> None:
    for seq in sorted({*stream, *rows}):
        if seq not in rows and seq <= position:
            verdict.report(f"seq {seq}", "missing", "the stream has this checkpoint, the database does not")
        elif seq not in stream and seq <= verdict.last_seq:
            verdict.report(f"seq {seq}", "forged", "the database has this checkpoint, the stream does not")
        elif seq in rows and seq not in stream:
            if seq <= position:
                verdict.report(
                    f"seq {seq}", "truncated", f"a recorded checkpoint stands beyond the stream's end, {verdict.last_seq}"
                )
        elif seq in rows and rows[seq] != stream[seq]:
            verdict.report(f"seq {seq}", "changed", "the recorded checkpoint differs from the one in the stream")
