"""Writing anchors outside: each signed checkpoint goes to files and webhooks that this system's administrators do not own.

The chain never waits for it. How far each place has come stands in the database, so a restart goes on from there; what cannot be
delivered is tried again for ever, less and less often. A file gets every checkpoint. A webhook that was away gets the newest
alone, for it stands for all before it.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy.exc import OperationalError
from standardwebhooks.webhooks import Webhook

from agentos.contracts.base import Json
from agentos.telemetry import gauge
from services.ledger.audit.anchors import anchor_line, parse_anchor
from services.ledger.audit.chain import Checkpoint
from services.ledger.audit.lines import Malformed
from services.ledger.settings import Settings
from services.ledger.store import Store
from services.ledger.writer import Progress

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 300.0
TIMEOUT_S = 10.0
_TAIL_BYTES = 16_384
"""More than the longest anchor."""


class Place(Protocol):
    """Somewhere outside that keeps anchors."""

    @property
    def name(self) -> str:
        """What an operator knows it by; no secret in it."""
        ...

    async def holds(self) -> int | None:
        """Up to which sequence it holds anchors, where it can say so itself."""
        ...

    async def keep(self, pending: list[Checkpoint]) -> None:
        """Store ``pending``, oldest first. Raises OSError or httpx.HTTPError; what was stored twice does no harm."""
        ...


class AnchorFile:
    """A file that is only ever added to. It says itself how far it has come, so that losing the database doubles nothing."""

    def __init__(self, path: Path, public_key: bytes) -> None:
        self._path = path
        self._public_key = public_key

    @property
    def name(self) -> str:
        return f"file:{self._path}"

    async def holds(self) -> int | None:
        return await asyncio.to_thread(self._last)

    async def keep(self, pending: list[Checkpoint]) -> None:
        await asyncio.to_thread(self._add, b"".join(anchor_line(each, self._public_key) for each in pending))

    def _last(self) -> int | None:
        for line in reversed(self._tail().split(b"\n")):
            try:
                return parse_anchor(line + b"\n").checkpoint.seq
            except Malformed:
                continue
        return None

    def _tail(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return file.read()
        except FileNotFoundError:
            return b""

    def _add(self, lines: bytes) -> None:
        tail = self._tail()
        if tail and not tail.endswith(b"\n"):
            lines = b"\n" + lines  # a line that a crash cut off stays as it is: this file is only added to
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


class AnchorWebhook:
    """A URL that is told each anchor as a signed Standard Webhook; its message id is the anchored sequence, so that a repeat shows."""

    def __init__(self, url: str, secret: str, public_key: bytes, client: httpx.AsyncClient) -> None:
        self._url = url
        self._webhook = Webhook(secret)
        self._public_key = public_key
        self._client = client

    @property
    def name(self) -> str:
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"

    async def holds(self) -> int | None:
        return None

    async def keep(self, pending: list[Checkpoint]) -> None:
        newest = pending[-1]
        body = anchor_line(newest, self._public_key).decode("ascii")
        id_, now = f"agentos-anchor-{newest.seq}", datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(id_, now, body),
        }
        answer = await self._client.post(self._url, content=body, headers=headers)
        answer.raise_for_status()


class Anchorer:
    """Brings one place up to date, again and again."""

    def __init__(
        self,
        place: Place,
        store: Store,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        progress: Progress,
    ) -> None:
        self._place = place
        self._store = store
        self._run_any = run
        self._progress = progress
        self._fault: str | None = None
        self._seq: int | None = None
        self._gauge = gauge("agentos_audit_anchored", "Last stream sequence that is anchored outside.", ("place",))

    @property
    def state(self) -> dict[str, Json]:
        """For an operator: where it stands, and what is in the way."""
        return {"place": self._place.name, "anchored": self._seq, "fault": self._fault}

    async def run(self) -> None:
        """Follow the checkpoints for ever; run it as a task."""
        delay = FIRST_DELAY_S
        while True:
            position = self._progress.position
            try:
                up_to_date = await self._once()
            except (OSError, httpx.HTTPError, OperationalError) as fault:
                self._fault = f"{type(fault).__name__}: {fault}"[:300]
                log.warning("anchor_not_kept", place=self._place.name, fault=self._fault, retry_in_s=round(delay, 1))
                await asyncio.sleep(delay * random.uniform(0.75, 1.25))  # noqa: S311 - spreads retries, guards nothing
                delay = min(delay * 2, LONGEST_DELAY_S)
                continue
            self._fault, delay = None, FIRST_DELAY_S
            if up_to_date:
                await self._progress.beyond(position)

    async def _once(self) -> bool:
        """Bring the place up to date; whether there was nothing to do."""
        if self._seq is None:
            self._seq = await self._place.holds() or await self._run(lambda: self._store.anchored(self._place.name))
        after = self._seq
        pending = await self._run(lambda: self._store.checkpoints_after(after))
        if not pending:
            return True
        await self._place.keep(pending)
        self._seq = seq = pending[-1].seq
        await self._run(lambda: self._store.note_anchored(self._place.name, seq))
        self._gauge.labels(self._place.name).set(seq)
        return False

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._run_any(work)


def places(settings: Settings, public_key: bytes, client: httpx.AsyncClient) -> list[Place]:
    """Every place that is configured."""
    found: list[Place] = []
    for target in settings.anchors:
        if target.startswith(("https://", "http://")):
            secret = settings.anchor_secret.get_secret_value() if settings.anchor_secret is not None else ""
            found.append(AnchorWebhook(target, secret, public_key, client))
        else:
            found.append(AnchorFile(Path(target), public_key))
    return found
