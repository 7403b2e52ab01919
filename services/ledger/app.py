"""The composition root: the only place that connects the ledger to a broker and a database."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from agentos.bus import BrokerSettings, Bus
from services.ledger import keys
from services.ledger.handlers import Queries
from services.ledger.settings import Settings
from services.ledger.store import SqlStore
from services.ledger.writer import Writer

log = structlog.get_logger(__name__)


async def run(settings: Settings, broker_settings: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; then finish the transaction and the answers in progress.

    Raises StreamGap when the stream is not the one that was folded, ConnectionError when the broker is gone for good.
    """
    store = SqlStore(settings.database)
    bus: Bus | None = None
    writer: Writer | None = None
    queries: Queries | None = None
    try:
        await asyncio.to_thread(store.migrate)
        key = await asyncio.to_thread(keys.load_or_create, settings.audit_key)
        bus = await Bus.connect(broker_settings, "ledger")
        writer = Writer(bus, store, settings, key)
        await writer.open()
        queries = Queries(bus, store, writer, settings, key)
        bus.consume(queries.routes)
        await bus.start()
        log.info("ledger_ready", position=writer.progress.position, database=store.dialect)
        await _until_first(writer.events.run(), writer.dead_letters.run(), stop.wait(), _lost(bus))
    finally:
        if bus is not None:
            await bus.drain()
        if writer is not None:
            await asyncio.to_thread(writer.close)
        if queries is not None:
            await asyncio.to_thread(queries.close)
        await asyncio.to_thread(store.close)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to. ``same_chain`` is False when the stream no longer hashes to what had been recorded before."""

    position: int
    undecodable: int
    same_chain: bool


async def rebuild(settings: Settings, broker_settings: BrokerSettings) -> Rebuilt:
    """Drop every row and fold both streams again from their first message. No other ledger may run meanwhile."""
    store = SqlStore(settings.database)
    bus: Bus | None = None
    writer: Writer | None = None
    try:
        await asyncio.to_thread(store.migrate)
        key = await asyncio.to_thread(keys.load_or_create, settings.audit_key)
        bus = await Bus.connect(broker_settings, "ledger")
        before = await asyncio.to_thread(store.head)
        await asyncio.to_thread(store.reset)
        writer = Writer(bus, store, settings, key, sign=False)
        await writer.open()
        await _until_first(writer.events.run(), writer.dead_letters.run(), _level(writer))
        after = await asyncio.to_thread(store.head)
        hashes = await asyncio.to_thread(store.hashes, before.seq, before.seq)
        return Rebuilt(after.seq, after.undecodable, before.seq == 0 or hashes.get(before.seq) == before.chain)
    finally:
        if writer is not None:
            await asyncio.to_thread(writer.close)
        if bus is not None:
            await bus.drain()
        await asyncio.to_thread(store.close)


async def _level(writer: Writer) -> None:
    await writer.events.level.wait()
    await writer.dead_letters.level.wait()


async def _lost(bus: Bus) -> None:
    await bus.closed.wait()
    raise ConnectionError("the connection to the broker is closed for good; start again")


async def _until_first(*work: Coroutine[Any, Any, Any]) -> None:
    """Run all until one ends; cancel the others, and raise what the ended one raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
