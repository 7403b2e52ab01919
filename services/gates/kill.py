"""The kill switch: subject → handler, and the shell around the domain."""

from collections.abc import AsyncGenerator

import structlog

from agentos.bus import Bus, Entry, Route
from agentos.bus.tail import Raw
from agentos.contracts.base import Contract
from agentos.contracts.commands import Answer, EngageKill, ReleaseKill
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, Refused
from agentos.contracts.events.governance import KillEngaged, KillReleased
from agentos.contracts.subjects import EventSubject
from agentos.killswitch import KillEntry
from services.gates.answers import answer_command
from services.gates.domain import kill as domain

log = structlog.get_logger(__name__)


class KillSwitches:
    """Handlers of the gates for kill switches."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kill = bus.bucket("kill")

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("gates.engage", self.on_engage),
            Route("gates.release", self.on_release),
        ]

    async def on_engage(self, message: Recorded) -> None:
        """Stop everything in scope. The bucket first: it is what the services watch; then the fact."""
        command = message.payload(EngageKill)
        switch = message.subject.rsplit(".", 1)[-1]
        events = await self._bus.load(command.tenant, "kill", switch)
        try:
            engaged = domain.engage(command, [event.data for event in events])
            released = any(isinstance(event.data, KillReleased) for event in events)
            if released and not any(event.meta.causation_id == message.meta.event_id for event in events):
                raise Refused("this kill switch is released already; engage a new one", code="already_released")
        except Refused as refused:
            await answer_command(self._bus, message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        if not released:
            await self._put(command.tenant, switch, engaged)
            if not events:
                await self._append_kill("kill.engaged", command.tenant, switch, engaged, message)
        await answer_command(
            self._bus, message, Answer(ok=True, data={"switch": switch, "scope": engaged.scope, "target": engaged.target})
        )

    async def on_release(self, message: Recorded) -> None:
        """Take a switch back. The fact first: should we stop in between, ``reconcile`` clears the bucket."""
        command = message.payload(ReleaseKill)
        events = await self._bus.load(command.tenant, "kill", command.switch)
        try:
            if not any(event.meta.causation_id == message.meta.event_id for event in events):
                released = domain.release([event.data for event in events], command.reason, command.by)
                await self._append_kill("kill.released", command.tenant, command.switch, released, message)
        except Refused as refused:
            await answer_command(self._bus, message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        await self._kill.delete(command.switch)
        await answer_command(self._bus, message, Answer(ok=True, data={"switch": command.switch}))

    async def _append_kill(self, channel: str, tenant: str, switch: str, event: Contract, message: Recorded) -> None:
        await self._bus.append(channel, switch, event, tenant=tenant, cause=message, correlation_id=switch)

    async def _put(self, tenant: str, switch: str, engaged: KillEngaged) -> None:
        try:
            await self._kill.create(switch, _entry(tenant, switch, engaged))
        except Conflict:
            log.info("kill_switch_stands_already", switch=switch)

    async def reconcile(self) -> None:
        """At start, make the bucket what the log says: the log is the truth, and a crash may have come between the two."""
        engaged: dict[str, tuple[str, KillEngaged]] = {}
        released: set[str] = set()
        async for raw in self._kill_events():
            try:
                event = await self._bus.decode(raw)
            except AgentOSError:
                log.exception("kill_event_unreadable", subject=raw.subject)
                continue
            subject = EventSubject.parse(raw.subject)
            match event.data:
                case KillEngaged():
                    engaged[subject.id] = (subject.tenant, event.data)
                case KillReleased():
                    engaged.pop(subject.id, None)
                    released.add(subject.id)
                case _:
                    continue
        present = {entry.key: entry for entry in await self._kill.entries()}
        for switch, (tenant, event) in engaged.items():
            if switch not in present or not _readable(present[switch]):
                await self._kill.put(switch, _entry(tenant, switch, event))
                # Another instance may have released it since we read the log.
                if await self._bus.get(f"evt.{tenant}.kill.{switch}.released") is not None:
                    await self._kill.delete(switch)
        # A switch in the bucket without its fact was being engaged when we stopped: its command comes again and completes it.
        for switch in present.keys() & released:
            await self._kill.delete(switch)

    async def _kill_events(self) -> AsyncGenerator[Raw]:
        updates = self._bus.tail(("evt.*.kill.*.engaged", "evt.*.kill.*.released"), start="first").updates()
        try:
            async for raw in updates:
                if raw is None:
                    return
                yield raw
        finally:
            await updates.aclose()


def _entry(tenant: str, switch: str, engaged: KillEngaged) -> bytes:
    entry = KillEntry(
        switch=switch, tenant=tenant, scope=engaged.scope, target=engaged.target, reason=engaged.reason, by=engaged.by
    )
    return entry.model_dump_json().encode()


def _readable(entry: Entry) -> bool:
    try:
        KillEntry.model_validate_json(entry.value or b"")
    except ValueError:
        return False
    return True
