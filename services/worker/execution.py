"""Executes one tool of a pack in the pack's tool host: with its own secrets, within its time, and can be called off."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from agentos.contracts.base import Fault
from agentos.packhost.hiding import Hider
from agentos.packhost.listener import Tried
from agentos.packhost.process import Died, EndedFrame, Frame, HostBroken, HostOptions, PackHost
from agentos.sdk.journal import canonical
from agentos.sdk.manifest import Pack, ToolEntry

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 0.2
"""How long a tool that is called off may take to clean up; then its process is ended, for it has a network."""


@dataclass(frozen=True, slots=True)
class Worked:
    """The tool did its work."""

    value: Any
    simulated: bool


class ToolHosts:
    """One process a pack for its tools: network, but no other file than its own and the outbox, no environment, no keys."""

    def __init__(
        self,
        packs: Mapping[str, Pack],
        options: HostOptions,
        environment: Mapping[str, str],
        outbox: Path,
        unclaimed: Callable[[str, Tried], object],
    ) -> None:
        """``environment`` is what tools may be given at all; each gets only what its manifest names.

        ``unclaimed`` hears what a pack tries while it is imported, or what none of its tools can be named for.
        """
        self._unclaimed = unclaimed
        self._packs = packs
        self._options = options
        self._environment = environment
        self._outbox = outbox
        self._hosts: dict[str, PackHost] = {}
        self._locks = {name: asyncio.Lock() for name in packs}
        self._numbers = itertools.count(1)
        self._unstopped: set[str] = set()

    def tool(self, pack: str, name: str) -> ToolEntry | None:
        """The tool as its manifest declares it."""
        known = self._packs.get(pack)
        return known.manifest.tool(name) if known is not None else None

    async def execute(
        self,
        pack: str,
        tool: ToolEntry,
        call_id: str,
        arguments: Any,
        attempt: int,
        hide: Hider,
        tried: Callable[[Tried], object],
    ) -> Worked | Fault:
        """One attempt. ``tried`` hears what the tool tries that it may not.

        Cancelling this coroutine cancels the tool, with its process where it does not heed that."""
        try:
            host = await self._host(pack)
        except HostBroken as broken:
            return Fault(code=broken.code, message=hide(broken.detail)[:500])
        number = next(self._numbers)
        heard: asyncio.Queue[Frame | Died] = asyncio.Queue()

        def hear(message: Frame | Died | Tried) -> None:
            if isinstance(message, Tried):
                tried(message)
            else:
                heard.put_nowait(message)

        secrets = {name: self._environment[name] for name in tool.secrets if name in self._environment}
        call: dict[str, Any] = {
            "id": call_id,
            "name": tool.name,
            "arguments": arguments,
            "outbox": str(self._outbox.resolve()),
            "secrets": secrets,
            "settings": {name: self._environment[name] for name in tool.settings if name in self._environment},
            "attempt": attempt,
        }
        host.begin(number, {"t": "tool", "call": call}, hear)
        try:
            async with asyncio.timeout(tool.timeout_s):
                while not isinstance(frame := await heard.get(), EndedFrame | Died):
                    pass
        except TimeoutError:
            return Fault(code="tool_timeout", message=f"the tool did not end within {tool.timeout_s:g} s", retryable=True)
        except asyncio.CancelledError:
            host.cancel(number)
            if not await _ended(heard):
                # Its neighbours in the process are tried again: their call ids make that safe.
                log.warning("tool_does_not_stop", pack=pack, tool=tool.name, call=call_id)
                host.kill()
                if not await _ended(heard):
                    self._unstopped.add(call_id)
            raise
        finally:
            host.forget(number)
        return _outcome(frame, replace(hide, values={**hide.values, **{value: f"<{name}>" for name, value in secrets.items()}}))

    def has_stopped(self, call_id: str) -> bool:
        """Whether a call that was called off is known to have stopped. Ask once."""
        try:
            self._unstopped.remove(call_id)
        except KeyError:
            return True
        return False

    async def _host(self, pack: str) -> PackHost:
        async with self._locks[pack]:
            known = self._hosts.get(pack)
            if known is not None and not known.died.is_set():
                return known
            if known is not None:
                await known.stop()
            self._hosts[pack] = fresh = await PackHost.start(
                self._packs[pack],
                self._options,
                lambda s, line: _output(pack, s, line),
                lambda tried: self._unclaimed(pack, tried),
            )
            if self._options.sandboxed and not fresh.watched:
                log.warning(
                    "tools_are_not_watched", pack=pack, means="they are locked in, but only Python tells of what they try"
                )
            return fresh

    async def stop(self) -> None:
        """End every process."""
        for host in self._hosts.values():
            with contextlib.suppress(ProcessLookupError):
                await host.stop()


async def _ended(heard: "asyncio.Queue[Frame | Died]") -> bool:
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            while not isinstance(await heard.get(), EndedFrame | Died):
                pass
    except TimeoutError:
        return False
    return True


def _outcome(frame: EndedFrame | Died, hide: Hider) -> Worked | Fault:
    match frame:
        case Died(hung=True, guilty=True):
            return Fault(code="tool_hung", message="the tool did not give the event loop back; await instead of blocking")
        case Died():
            # The tool's idempotency key is the call id: to ask again is safe.
            return Fault(code="tool_host_died", message="the process of the pack's tools ended", retryable=True)
        case EndedFrame(outcome="completed"):
            return _worked(frame.result)
        case EndedFrame():
            if frame.trace:
                log.debug("tool_raised", trace=hide(frame.trace))
            return Fault(code=frame.code or "tool_failed", message=hide(frame.message)[:500], retryable=frame.retryable)


def _worked(result: Any) -> Worked | Fault:
    try:
        canonical(result["value"])
        return Worked(result["value"], bool(result["simulated"]))
    except (KeyError, TypeError, ValueError):
        return Fault(code="bad_result", message="the tool's result is not JSON")


def _output(pack: str, stream: str, line: str) -> None:
    log.debug("pack_output", pack=pack, stream=stream, line=Hider()(line))
