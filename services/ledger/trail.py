"""The questions about the audit trail: where it stands, whether it is whole, a copy of it, a proof of one event."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field
from sqlalchemy import select

from agentos.bus import Bus, Raw
from agentos.contracts.base import Json
from agentos.contracts.errors import NotFound, Refused
from services.ledger import keys, tables
from services.ledger.audit import chain, export, merkle, proof
from services.ledger.audit.anchors import read_anchors
from services.ledger.audit.chain import Checkpoint
from services.ledger.queries import Arguments
from services.ledger.store import Store, StreamGap
from services.ledger.verify import LiveCheck

T = TypeVar("T")

EXPORT_LINES = 500
EXPORT_BYTES = 2 * 1024 * 1024
"""Where a page of the export ends, whichever comes first."""
VERIFY_BATCH = 1_000
MOST_ANCHORS = 1_000


class Verification(Arguments):
    """Lines of a file of anchors, to hold the live chain against."""

    anchors: tuple[str, ...] = Field(default=(), max_length=MOST_ANCHORS)


class ExportPage(Arguments):
    """A page of the audit export; the lines of all pages, one after the other, are the file."""

    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}-[0-9]{1,18}$")


class Proof(Arguments):
    """The event by its id or its subject; ``checkpoint`` is the sequence that the checkpoint to be proven against signs."""

    event: str = Field(min_length=1, max_length=600)
    checkpoint: int | None = Field(default=None, ge=1, lt=2**63)


class Growth(Arguments):
    """Two checkpoints, by the sequences that they sign; the last one where ``second`` is left out."""

    first: int = Field(ge=1, lt=2**63)
    second: int | None = Field(default=None, ge=1, lt=2**63)


AnchorStates = Callable[[], list[dict[str, Json]]]


class Trail:
    """Answers them. ``run`` takes blocking work off the event loop."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        key: Ed25519PrivateKey,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        anchor_states: AnchorStates,
    ) -> None:
        self._bus = bus
        self._store = store
        self._key = key
        self._public_key = keys.public_bytes(key)
        self._run_any = run
        self._anchor_states = anchor_states

    @property
    def queries(self) -> dict[str, tuple[type[Arguments], Callable[[str, Any], Awaitable[Json]]]]:
        """By name: the model of the arguments, and what answers (tenant, arguments)."""
        return {
            "audit.status": (Arguments, self._status),
            "audit.verify": (Verification, self._verify),
            "audit.export": (ExportPage, self._export),
            "audit.prove": (Proof, self._prove),
            "audit.consistency": (Growth, self._consistency),
        }

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._run_any(work)

    async def _status(self, _tenant: str, _: Arguments) -> Json:
        head = await self._run(self._store.head)
        newest = await self._run(lambda: self._store.checkpoints_after(None))
        count, signed_at = await self._run(self._store.signed_at)
        return {
            "position": head.seq,
            "chain": head.chain.hex(),
            "key_id": chain.key_id(self._public_key),
            "public_key": base64.b64encode(self._public_key).decode(),
            "checkpoints": count,
            "last_checkpoint": None
            if not newest or signed_at is None
            else asdict(newest[0])
            | {"signature": base64.b64encode(newest[0].signature).decode(), "time": signed_at.isoformat()},
            "uncovered": await self._run(self._store.uncovered),
            "anchors": self._anchor_states(),
        }

    async def _verify(self, _tenant: str, args: Verification) -> Json:
        check = await self._run(lambda: LiveCheck(_SqlRecord(self._store), self._public_key))
        anchors = read_anchors((f"{line}\n".encode() for line in args.anchors), check.verdict)
        batch: list[Raw] = []
        updates = self._bus.tail(("evt.>",), start="first").updates()
        try:
            async for raw in updates:
                if raw is not None:
                    batch.append(raw)
                if batch and (raw is None or len(batch) == VERIFY_BATCH):
                    full, batch = batch, []
                    await self._run(lambda events=full: check.events(events))
                if raw is None:
                    break
        finally:
            await updates.aclose()
        verdict = await self._run(lambda: check.finish(anchors))
        return {"ok": verdict.ok, **asdict(verdict)}

    async def _export(self, _tenant: str, args: ExportPage) -> Json:
        """Lines from the stream itself, each with the hash that the ledger recorded for it; the end is fixed by the first page."""
        first, last = (
            (int(part) for part in args.cursor.split("-")) if args.cursor else (1, (await self._run(self._store.head)).seq)
        )
        recorded = await self._run(lambda: self._store.hashes(last, last))
        if (last and last not in recorded) or not 1 <= first <= last + 1:
            raise Refused("the cursor is none of this ledger's; begin again without one", code="bad_query")
        header = export.header_line(export.Header(self._public_key, last, recorded.get(last, chain.GENESIS)))
        lines = [header] if args.cursor is None else []
        next_, events = await self._export_events(first, last)
        lines += events
        if next_ > last:
            lines.append(export.closing_line(keys.seal(self._key, header)))
        cursor = f"{next_}-{last}" if next_ <= last else None
        return {"lines": [line.decode("ascii").removesuffix("\n") for line in lines], "cursor": cursor}

    async def _export_events(self, first: int, last: int) -> tuple[int, list[bytes]]:
        if first > last:
            return first, []
        hashes = await self._run(lambda: self._store.hashes(first, min(last, first + EXPORT_LINES - 1)))
        lines: list[bytes] = []
        next_, size = first, 0
        updates = self._bus.tail(("evt.>",), start=first).updates()
        try:
            async for raw in updates:
                if raw is None or raw.seq != next_:
                    raise Refused(f"the stream does not have event {next_}; verify the audit chain", code="stream_gap")
                lines.append(export.event_line(raw, hashes.get(raw.seq, b"")))
                next_, size = next_ + 1, size + len(lines[-1])
                if next_ > last or len(lines) == EXPORT_LINES or size > EXPORT_BYTES:
                    break
        finally:
            await updates.aclose()
        return next_, lines

    async def _prove(self, tenant: str, args: Proof) -> Json:
        """The inclusion proof as its file's line: of the tenant's own events, and of those of the system."""
        e = tables.events.c
        wanted = e.subject if args.event.startswith("evt.") else e.event_id
        query = select(e.seq).where(wanted == args.event, e.tenant.in_((tenant, "system"))).order_by(e.seq).limit(1)
        seq = await self._run(lambda: self._store.read(lambda tx: tx.execute(query).scalar_one_or_none()))
        if seq is None:
            raise NotFound(f"there is no event {args.event!r}")
        checkpoint = await self._checkpoint(args.checkpoint)
        if checkpoint is None or checkpoint.seq < seq:
            detail = (
                f"event {seq} is covered by no such checkpoint: the ledger signs the next one soon; see `agentos audit status`"
            )
            raise Refused(detail, code="not_signed_yet")
        path = await self._tree(lambda node: merkle.inclusion_path(seq - 1, checkpoint.count, node))
        hashes = await self._run(lambda: self._store.hashes(seq - 1, seq))
        raw = await self._event(seq)
        previous = hashes.get(seq - 1, chain.GENESIS)
        if chain.link(previous, raw) != hashes.get(seq):
            raise Refused(f"event {seq} is not what was recorded; verify the audit chain", code="chain_broken")
        return {"proof": proof.inclusion_line(self._public_key, raw, previous, path, checkpoint).decode("ascii")}

    async def _consistency(self, _tenant: str, args: Growth) -> Json:
        """The consistency proof as its file's line."""
        first, second = await self._checkpoint(args.first), await self._checkpoint(args.second)
        if first is None or second is None or first.seq > second.seq:
            raise NotFound("there are no two such checkpoints, the first before the second")
        path = await self._tree(lambda node: merkle.consistency_path(first.count, second.count, node))
        return {"proof": proof.consistency_line(self._public_key, first, second, path).decode("ascii")}

    async def _checkpoint(self, seq: int | None) -> Checkpoint | None:
        """The checkpoint that signs ``seq``; the newest one for None."""
        signed = (await self._run(self._store.checkpoints)).values()
        fitting = [each for each in signed if seq is None or each.seq == seq]
        return max(fitting, key=lambda each: each.seq, default=None)

    async def _tree(self, query: Callable[[merkle.Reader], T]) -> T:
        try:
            return await self._run(lambda: self._store.tree(query))
        except StreamGap as gap:
            raise Refused(gap.detail, code="chain_broken") from None

    async def _event(self, seq: int) -> Raw:
        updates = self._bus.tail(("evt.>",), start=seq).updates()
        try:
            async for raw in updates:
                if raw is not None and raw.seq == seq:
                    return raw
                break
        finally:
            await updates.aclose()
        raise Refused(f"the stream does not have event {seq}; verify the audit chain", code="stream_gap")


class _SqlRecord:
    """The store as the live verification reads it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def position(self) -> int:
        return self._store.head().seq

    def hashes(self, first: int, last: int) -> dict[int, bytes]:
        return self._store.hashes(first, last)

    def checkpoints(self) -> dict[int, Checkpoint]:
        return self._store.checkpoints()
