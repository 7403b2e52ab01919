"""The handler table: what the ledger reads durably, and who answers which query.

The query stands in the subject, ``qry.ledger.<what>.<request>``, with ``-`` where its name has a dot: ``tasks.list`` is asked on
``qry.ledger.tasks-list.<request>`` and answered on ``ans.ledger.<request>``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from agentos.bus import Bus, Route
from agentos.contracts.base import Json
from agentos.contracts.commands import Answer, Query
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Refused, Unavailable
from services.ledger.queries import SQL_QUERIES, Arguments
from services.ledger.settings import Settings
from services.ledger.store import Store
from services.ledger.trail import AnchorStates, Trail
from services.ledger.writer import Writer

log = structlog.get_logger(__name__)

T = TypeVar("T")


def query_token(name: str) -> str:
    """A query's name as it stands in a subject, where a dot would part two tokens."""
    return name.replace(".", "-")


class Queries:
    """Answers queries. Reads go to threads of their own, and see one consistent snapshot each."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        writer: Writer,
        settings: Settings,
        key: Ed25519PrivateKey,
        anchor_states: AnchorStates = list,
    ) -> None:
        self._bus = bus
        self._store = store
        self._writer = writer
        self._wait_s = settings.behind_wait.total_seconds()
        self._threads = ThreadPoolExecutor(4, "ledger-reader")
        self._others: dict[str, tuple[type[Arguments], Callable[[str, Any], Awaitable[Json]]]] = {
            "ledger.status": (Arguments, self._status),
            **Trail(bus, store, key, self._run, anchor_states).queries,
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
        if not await self._reached(args):
            detail = f"the ledger stands at {self._writer.progress.position}, before {args.min_seq}; ask again"
            return Answer(ok=False, code="behind", detail=detail)
        try:
            if sql is not None:
                run = sql.run
                return Answer(ok=True, data=await self._read(lambda tx: run(tx, tenant, args)))
            if other is not None:
                return Answer(ok=True, data=await other[1](tenant, args))
        except (Refused, Unavailable) as fault:
            return Answer(ok=False, code=fault.code, detail=fault.detail)
        except OperationalError as fault:
            log.warning("database_unavailable", fault=str(fault.orig)[:300])
            return Answer(ok=False, code="unavailable", detail="the ledger's database does not answer; ask again")
        raise LookupError(name)

    async def _reached(self, args: Arguments) -> bool:
        if args.wait_ms is None:
            return await self._writer.wait_for(args.min_seq, self._wait_s)
        # Who would rather have what there is than wait does not hold a reader's place for what a moment cannot bring.
        return self._writer.near(args.min_seq) and await self._writer.wait_for(args.min_seq, args.wait_ms / 1000)

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._run(lambda: self._store.read(query))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _status(self, _tenant: str, _: Arguments) -> Json:
        head = await self._run(self._store.head)
        return {
            "position": head.seq,
            "lag": self._writer.lag,
            "undecodable": head.undecodable,
            "dead_letter_position": await self._run(self._store.dead_letter_position),
            "level": self._writer.events.level.is_set(),
        }
