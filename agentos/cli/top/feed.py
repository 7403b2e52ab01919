"""The live feed as the terminal follows it: one connection, resumed from the last position, so that nothing is missed or told twice."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
NOT_YOURS = {4401: "the key is unknown, expired or revoked", 4403: "the key's roles may not follow events"}
"""Close codes after which trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How the feed stands. ``why`` says what ended it."""

    state: Literal["connecting", "live", "lost", "refused"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom the feed tells what."""

    event: Callable[[dict[str, Any]], None]
    figures: Callable[[dict[str, Any]], None]
    connection: Callable[[Connection], None]
    refetch: Callable[[], None]
    """What was read before may be old: the feed stands for the first time, or has missed too much."""


class Feed:
    """Of one event loop."""

    def __init__(self, url: str, token: str, listener: Listener) -> None:
        self._url = url.rstrip("/").replace("http", "ws", 1) + "/api/v1/ws"
        self._token = token
        self._told = listener
        self.position: int | None = None

    async def run(self) -> None:
        """Follow until cancelled, or until the gateway refuses the key."""
        wait_s = FIRST_WAIT_S
        while True:
            began = self.position
            try:
                code = await self._follow()
                why = NOT_YOURS.get(code or 0, f"closed ({code})")
            except (OSError, TimeoutError, WebSocketException) as fault:
                code, why = None, str(fault) or type(fault).__name__
            if code in NOT_YOURS:
                self._told.connection(Connection("refused", why))
                return
            if self.position != began:
                wait_s = FIRST_WAIT_S
            self._told.connection(Connection("lost", why))
            # Spread, so that not all terminals come back at the same moment.
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _follow(self) -> int | None:
        """One connection until it ends; its close code."""
        async with connect(self._url, proxy=None, max_size=None, user_agent_header="agentos-cli") as socket:
            try:
                hello = {"type": "hello", "token": self._token, "since": self.position, "topics": ["*"]}
                await socket.send(json.dumps(hello))
                async for frame in socket:
                    said = cast("dict[str, Any]", json.loads(frame))
                    if said["type"] == "ping":
                        await socket.send('{"type":"pong"}')
                    else:
                        self._take(said)
            except WebSocketException:
                # How it ended stands in the close code.
                return socket.close_code
            finally:
                # Whoever leaves waits for no farewell. Cancelled once more while waiting, it would leave the connection open.
                socket.transport.abort()
            return socket.close_code

    def _take(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "welcome":
                self._told.connection(Connection("live"))
                if self.position is None:
                    self.position = int(said["position"])
                    self._told.refetch()
            case "gap":
                self.position = int(said["position"])
                self._told.refetch()
            case "event" if self.position is None or said["position"] > self.position:
                self.position = int(said["position"])
                self._told.event(said)
            case "metrics.update":
                self._told.figures(said)
            case _:
                pass  # an event that was told before, or a frame of a newer gateway
