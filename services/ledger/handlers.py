"""The handler table: what the ledger reads durably, and who answers which query.

The query stands in the subject, ``qry.ledger.<what>.<request>``, with ``-`` where its name has a dot: ``tasks.list`` is asked on
``qry.ledger.tasks-list.<request>`` and answered on ``ans.ledger.<request>``.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar, cast

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from agentos.bus import Bus, Raw, Route
from agentos.contracts.base import Json
from agentos.contracts.commands import Answer, Query
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Refused, Unavailable
from services.ledger import audit, export
from services.ledger.queries import SQL_QUERIES, Arguments
from services.ledger.settings import Settings
from services.ledger.store import Store
from services.ledger.verify import LiveCheck
from services.ledger.writer import Writer

log = structlog.get_logger(__name__)

T = TypeVar("T")

EXPORT_LINES = 500
EXPORT_BYTES = 2 * 1024 * 1024
"""Where a page of the export ends, whichever comes first."""
VERIFY_BATCH = 1_000


class ExportPage(Arguments):
    """A page of the audit export; the lines of all pages, one after the other, are the file."""

    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}-[0-9]{1,18}$")


def query_token(name: str) -> str:
    """A query's name as it stands in a subject, where a dot would part two tokens."""
    return name.replace(".", "-")


class Queries:
    """Answers queries. Reads go to threads of their own, and see one consistent snapshot each."""

    def __init__(self, bus: Bus, store: Store, writer: Writer, settings: Settings, key: Ed25519PrivateKey) -> None:
        self._bus = bus
        self._store = store
        self._writer = writer
        self._wait_s = settings.behind_wait.total_seconds()
        self._key = key
        self._public_key = audit.public_bytes(key.public_key())
        self._threads = ThreadPoolExecutor(4, "ledger-reader")
        self._others: dict[str, tuple[type[Arguments], Callable[[Any], Awaitable[Json]]]] = {
            "ledger.status": (Arguments, self._status),
            "audit.status": (Arguments, self._audit_status),
            "audit.verify": (Arguments, self._audit_verify),
            "audit.export": (ExportPage, self._audit_export),
        }

    @property
    def routes(self) -> list[Route]:
        """Subject to handler."""
        return [Route("ledger.query", self.query)]

    @property
    def names(self) -> list[str]:
        """Every query that is answered."""
        return sorted([*SQL_QUERIES, *self._others])

    def close(self) -> None:
        """Wait for the reads in progress."""
        self._threads.shutdown(wait=True)

    async def query(self, recorded: Recorded) -> None:
        """Answer once. A query whose handling was cut off comes again; its answer then stands there already."""
        _, _, what, request = recorded.subject.split(".")
        asked = cast("Query", recorded.data)
        answer = await self.answer(what.replace("-", ".").replace("_", "."), asked.tenant, asked.arguments)
        await self._bus.send("ledger.answer", (request,), answer, tenant=recorded.meta.tenant, cause=recorded)

    async def answer(self, name: str, tenant: str, arguments: dict[str, Json]) -> Answer:
        """What the ledger says to a query; faults of the asker are answers too."""
        sql, other = SQL_QUERIES.get(name), self._others.get(name)
        model = sql.arguments if sql is not None else other[0] if other is not None else None
        if model is None:
            return Answer(
                ok=False, code="unknown_query", detail=f"there is no query {name!r}; there are {', '.join(self.names)}"
            )
        try:
            args = model.model_validate(arguments)
        except ValidationError as bad:
            where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors(include_input=False))
            return Answer(ok=False, code="bad_query", detail=where)
        if not await self._writer.progress.wait_for(args.min_seq, self._wait_s):
            detail = f"the ledger stands at {self._writer.progress.position}, before {args.min_seq}; ask again"
            return Answer(ok=False, code="behind", detail=detail)
        try:
            if sql is not None:
                run = sql.run
                return Answer(ok=True, data=await self._read(lambda tx: run(tx, tenant, args)))
            if other is not None:
                return Answer(ok=True, data=await other[1](args))
        except (Refused, Unavailable) as fault:
            return Answer(ok=False, code=fault.code, detail=fault.detail)
        except OperationalError as fault:
            log.warning("database_unavailable", fault=str(fault.orig)[:300])
            return Answer(ok=False, code="unavailable", detail="the ledger's database does not answer; ask again")
        raise LookupError(name)

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._run(lambda: self._store.read(query))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _status(self, _: Arguments) -> Json:
        head = await self._run(self._store.head)
        return {
            "position": head.seq,
            "lag": self._writer.lag,
            "undecodable": head.undecodable,
            "dead_letter_position": await self._run(self._store.dead_letter_position),
            "level": self._writer.events.level.is_set(),
        }

    async def _audit_status(self, _: Arguments) -> Json:
        head = await self._run(self._store.head)
        checkpoints = await self._run(self._store.checkpoints)
        last = checkpoints[max(checkpoints)] if checkpoints else None
        return {
            "position": head.seq,
            "chain": head.chain.hex(),
            "key_id": audit.key_id(self._public_key),
            "public_key": base64.b64encode(self._public_key).decode(),
            "checkpoints": len(checkpoints),
            "last_checkpoint": None
            if last is None
            else asdict(last) | {"signature": base64.b64encode(last.signature).decode()},
            "uncovered": await self._run(self._store.uncovered),
        }

    async def _audit_verify(self, _: Arguments) -> Json:
        check = await self._run(lambda: LiveCheck(_SqlRecord(self._store), self._public_key))
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
        verdict = await self._run(check.finish)
        return {"ok": verdict.ok, **asdict(verdict)}

    async def _audit_export(self, args: ExportPage) -> Json:
        """Lines from the stream itself, each with the hash that the ledger recorded for it; the end is fixed by the first page."""
        first, last = (
            (int(part) for part in args.cursor.split("-")) if args.cursor else (1, (await self._run(self._store.head)).seq)
        )
        recorded = await self._run(lambda: self._store.hashes(last, last))
        if (last and last not in recorded) or not 1 <= first <= last + 1:
            raise Refused("the cursor is none of this ledger's; begin again without one", code="bad_query")
        header = export.header_line(export.Header(self._public_key, last, recorded.get(last, audit.GENESIS)))
        lines = [header] if args.cursor is None else []
        next_, events = await self._export_events(first, last)
        lines += events
        if next_ > last:
            lines.append(export.closing_line(audit.seal(self._key, header)))
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


class _SqlRecord:
    """The store as the live verification reads it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def position(self) -> int:
        return self._store.head().seq

    def hashes(self, first: int, last: int) -> dict[int, bytes]:
        return self._store.hashes(first, last)

    def checkpoints(self) -> dict[int, audit.Checkpoint]:
        return self._store.checkpoints()
