"""Proving the audit chain: live against the broker's stream and the SQL rows, or offline against an export.

Only this file, ``audit`` and ``export`` are needed to check an export: no broker, no database.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError

from agentos.contracts.events.governance import AuditCheckpointed
from services.ledger import audit, export
from services.ledger.audit import Chained, Checkpoint

MOST_PROBLEMS = 100
"""A chain that is wrong everywhere is told by its first problems."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and where: ``place`` is ``seq <n>`` in a stream and ``line <n>`` in an export."""

    place: str
    kind: str
    detail: str


@dataclass(slots=True)
class Verdict:
    """What a verification found. ``checkpoints`` counts signatures that hold."""

    events: int = 0
    last_seq: int = 0
    checkpoints: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def ok(self) -> bool:
        """Nothing was found wrong."""
        return not self.problems

    def report(self, place: str, kind: str, detail: str) -> None:
        """Note a problem."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(place, kind, detail))


def is_checkpoint(subject: str) -> bool:
    """Whether an event on ``subject`` is an audit checkpoint."""
    parts = subject.split(".")
    return len(parts) == 5 and parts[2] == "audit" and parts[4] == "checkpointed"


class _Hashes:
    """Every hash so far, 32 bytes each: runs of consecutive sequences, for a checkpoint may sign any earlier place."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._runs: list[bytearray] = []

    def add(self, seq: int, chain: bytes) -> None:
        """``seq`` is greater than any before."""
        if not self._runs or self._starts[-1] + len(self._runs[-1]) // 32 != seq:
            self._starts.append(seq)
            self._runs.append(bytearray())
        self._runs[-1] += chain

    def at(self, seq: int) -> bytes:
        """The hash after ``seq``; empty where there is none."""
        index = bisect_right(self._starts, seq) - 1
        if index < 0:
            return b""
        offset = 32 * (seq - self._starts[index])
        return bytes(self._runs[index][offset : offset + 32])


class Walk:
    """Recomputes the chain event by event and holds it against the recorded hashes and the signed checkpoints in it."""

    def __init__(self, verdict: Verdict, public_key: bytes) -> None:
        self._verdict = verdict
        self._public_key = public_key
        self._chain = audit.GENESIS
        self._hashes = _Hashes()
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
        computed = audit.link(self._chain, event)
        if recorded is not None and computed != recorded:
            detail = (
                f"the event hashes to {computed.hex()[:16]}…, recorded is {recorded.hex()[:16]}…: it or the record was changed"
            )
            verdict.report(place, "changed", detail)
            computed = recorded  # one change is one problem: what follows is held against the record
        self._chain = computed
        if event.seq >= expected:
            self._hashes.add(event.seq, computed)
            verdict.last_seq = event.seq
        verdict.events += 1
        if is_checkpoint(event.subject):
            self._checkpointed(event, place)

    def _checkpointed(self, event: Chained, place: str) -> None:
        try:
            data = AuditCheckpointed.model_validate_json(event.body)
        except ValidationError:
            self._verdict.report(place, "checkpoint", "the body is no audit checkpoint")
            return
        checkpoint = Checkpoint(data.seq, data.chain, data.count, data.key_id, data.signature)
        self.seen[event.seq] = checkpoint
        if data.seq >= event.seq:
            self._verdict.report(place, "checkpoint", f"it claims sequence {data.seq}, which came after it")
            return
        self.anchored(checkpoint, place)

    def anchored(self, checkpoint: Checkpoint, place: str) -> None:
        """Hold a signed checkpoint against the chain that was walked so far."""
        seq = checkpoint.seq
        if seq > self._verdict.last_seq:
            detail = f"a checkpoint signs sequence {seq}, but the chain ends at {self._verdict.last_seq}"
            self._verdict.report(place, "truncated", detail)
        elif not audit.signed_by(checkpoint, self._public_key):
            self._verdict.report(place, "replaced", f"key {checkpoint.key_id} did not sign this, or it is not the ledger's key")
        elif seq < 1 or checkpoint.count != seq:
            self._verdict.report(place, "checkpoint", f"it counts {checkpoint.count} events up to sequence {seq}")
        elif checkpoint.chain != self._hashes.at(seq).hex():
            self._verdict.report(place, "replaced", f"the chain at sequence {seq} is not the one that was signed")
        else:
            self._verdict.checkpoints += 1


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
    """Holds a whole stream, from its first event, against the recorded chain, the checkpoints, and those kept elsewhere. Blocking."""

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

    def finish(self, anchors: Iterable[Checkpoint] = ()) -> Verdict:
        """The stream has no more. ``anchors`` are checkpoints that were kept outside of broker and database."""
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
        for anchor in anchors:
            self._walk.anchored(anchor, f"seq {anchor.seq}")
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


def verify_export(lines: Iterable[bytes], *, public_key: bytes | None = None) -> Verdict:
    """Check an export, byte for byte. ``lines`` keep their line ends (a file opened in binary mode does).

    With ``public_key`` (32 raw bytes, from where the ledger's operator published it) an export that was made anew with another key
    fails too; without it the export is held against the key it names itself, which its reader has to trust.
    """
    verdict = Verdict()
    numbered = enumerate(lines, 1)
    number, first = next(numbered, (1, b""))
    try:
        header = export.parse_header(first)
    except export.Malformed as bad:
        verdict.report("line 1", "malformed", str(bad))
        return verdict
    if public_key is not None and header.public_key != public_key:
        verdict.report(
            "line 1", "replaced", f"signed by key {audit.key_id(header.public_key)}, expected {audit.key_id(public_key)}"
        )
    walk = Walk(verdict, header.public_key)
    closed = False
    for number, line in numbered:
        place = f"line {number}"
        if closed:
            verdict.report(place, "malformed", "something follows the closing line")
            break
        try:
            parsed = export.parse_line(line)
        except export.Malformed as bad:
            verdict.report(place, "malformed", str(bad))
            continue
        if isinstance(parsed, export.Closing):
            closed = True
            _close(verdict, walk, header, first, parsed, place)
        else:
            walk.event(parsed, parsed.hash, place)
    if not closed:
        verdict.report(f"line {number + 1}", "truncated", "the closing line is missing")
    return verdict


def _close(verdict: Verdict, walk: Walk, header: export.Header, first: bytes, closing: export.Closing, place: str) -> None:
    if verdict.events != header.count or verdict.last_seq != header.count:
        verdict.report(place, "truncated", f"the header announces {header.count} events, {verdict.events} are here")
    if walk.chain != header.last_hash:
        verdict.report(place, "changed", "the chain does not end in the hash that the header names")
    if not audit.sealed_by(header.public_key, closing.signature, first):
        for either in ("line 1", place):  # one of the two is not what it was, and the signature cannot say which
            verdict.report(either, "replaced", "the closing signature does not hold for this header")
