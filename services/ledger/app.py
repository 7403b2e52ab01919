"""The composition root: the only place that connects the ledger to a broker and a database."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agentos.bus import BrokerSettings, Bus
from agentos.ending import end
from agentos.service import serve
from agentos.signing_key import load_or_create
from services.ledger import keys
from services.ledger.anchoring import TIMEOUT_S, Anchorer, places
from services.ledger.handlers import Queries
from services.ledger.settings import Settings
from services.ledger.store import SqlStore
from services.ledger.writer import Writer

log = structlog.get_logger(__name__)


async def run(settings: Settings, broker_settings: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; then finish the transaction and the answers in progress.

    Raises StreamGap when the stream is not the one that was folded, ConnectionError when the broker is gone for good.
    """
    # Threads and database close last, after the bus has drained: until then answers may be in progress.
    async with AsyncExitStack() as closing:
        store, key = await _open(settings, closing)

        async def body(bus: Bus, stop: asyncio.Event) -> None:
            writer = Writer(bus, store, settings, key)
            closing.push_async_callback(asyncio.to_thread, writer.close)
            await writer.open()
            client = await closing.enter_async_context(httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False))
            anchorers = [
                Anchorer(place, store, asyncio.to_thread, writer.progress)
                for place in places(settings, keys.public_bytes(key), client)
            ]
            queries = Queries(bus, store, writer, settings, key, lambda: [each.state for each in anchorers])
            closing.push_async_callback(asyncio.to_thread, queries.close)
            bus.consume(queries.routes)
            await bus.start()
            log.info("ledger_ready", position=writer.progress.position, database=store.dialect)
            await _until_first(writer.events.run(), writer.dead_letters.run(), *(each.run() for each in anchorers), stop.wait())

        await serve("ledger", broker_settings, body, stop)


async def _open(settings: Settings, closing: AsyncExitStack) -> tuple[SqlStore, Ed25519PrivateKey]:
    store = SqlStore(settings.database)
    closing.push_async_callback(asyncio.to_thread, store.close)
    await asyncio.to_thread(store.migrate)
    return store, await asyncio.to_thread(load_or_create, settings.audit_key)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to. ``same_chain`` is False when the stream no longer hashes to what had been recorded before."""

    position: int
    undecodable: int
    same_chain: bool


async def rebuild(settings: Settings, broker_settings: BrokerSettings, stop: asyncio.Event) -> Rebuilt:
    """Drop every row and fold both streams again from their first message. No other ledger may run meanwhile.

    ``stop`` ends it early, and is set at its end; a ledger that starts afterwards goes on from there.
    """
    rebuilt: list[Rebuilt] = []
    async with AsyncExitStack() as closing:
        store, key = await _open(settings, closing)

        async def body(bus: Bus, stop: asyncio.Event) -> None:
            before = await asyncio.to_thread(store.head)
            await asyncio.to_thread(store.reset)
            writer = Writer(bus, store, settings, key, sign=False)
            closing.push_async_callback(asyncio.to_thread, writer.close)
            await writer.open()
            await _until_first(writer.events.run(), writer.dead_letters.run(), _level(writer), stop.wait())
            await asyncio.to_thread(store.complete)
            after = await asyncio.to_thread(store.head)
            hashes = await asyncio.to_thread(store.hashes, before.seq, before.seq)
            same_chain = before.seq == 0 or hashes.get(before.seq) == before.chain
            rebuilt.append(Rebuilt(after.seq, after.undecodable, same_chain))
            stop.set()  # done: the end of this connection is meant

        await serve("ledger", broker_settings, body, stop)
    return rebuilt[0]


async def _level(writer: Writer) -> None:
    await writer.events.level.wait()
    await writer.dead_letters.level.wait()


async def _until_first(*work: Coroutine[Any, Any, Any]) -> None:
    """Run all until one ends; cancel the others, and raise what the ended one raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(*tasks)
