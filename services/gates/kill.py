"""The kill switch: subject → handler, and the shell around the domain."""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from agentos.bus import Bus, Entry, Route
from agentos.bus.tail import Raw
from agentos.contracts.base import Contract
from agentos.contracts.commands import Answer, ConfirmRelease, EngageKill, ReleaseKill, TimerDue, TripKill
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, Forbidden, NotFound, Refused, RetryLater
from agentos.contracts.events.kill import (
    KillEased,
    KillEngaged,
    KillReleased,
    KillReleaseRequested,
    KillTightened,
    KillUnconfirmed,
)
from agentos.contracts.subjects import EventSubject
from agentos.killswitch import KillEntry, Work
from services.gates.answers import answer_command
from services.gates.domain import kill as domain
from services.gates.domain.kill import Switch
from services.gates.inflight import Running, running

log = structlog.get_logger(__name__)

LOOKS = (timedelta(seconds=2), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10))
"""How long after the engagement, and then after each look, it is seen whether all has stopped. The last one repeats."""
MOST_LOOKS = 150


@dataclass(frozen=True, slots=True)
class _Standing:
    """A switch as the log has it."""

    tenant: str
    id: str
    events: list[Recorded]
    state: Switch

    @property
    def since(self) -> datetime:
        """When it was engaged, or tightened last."""
        times = [event.meta.time for event in self.events if isinstance(event.data, KillEngaged | KillTightened)]
        return max(times, default=datetime.now(UTC))

    def by(self, message: Recorded) -> Recorded | None:
        """The fact that this very message has written already, before a crash."""
        return next((event for event in self.events if event.meta.causation_id == message.meta.event_id), None)

    def entry(self) -> KillEntry | None:
        """What the bucket is to say; None when nothing."""
        engaged = self.state.engaged
        if engaged is None or self.state.released is not None:
            return None
        at = min(event.meta.time for event in self.events if isinstance(event.data, KillEngaged))
        return _entry(self.tenant, self.id, engaged, at, self.state.share_percent)


class KillSwitches:
    """Handlers of the gates for kill switches."""

    def __init__(self, bus: Bus, second_person_scopes: Collection[str]) -> None:
        self._bus = bus
        self._kill = bus.bucket("kill")
        self._second_person_scopes = second_person_scopes

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("gates.engage", self.on_engage),
            Route("gates.trip", self.on_trip),
            Route("gates.release", self.on_release),
            Route("gates.confirm", self.on_confirm),
            Route("timer.gates-confirm-due", self.on_look),
        ]

    # --- commands -----------------------------------------------------------------------------------------------------

    async def on_engage(self, message: Recorded) -> None:
        """Stop everything in scope."""
        command = message.payload(EngageKill)
        switch = message.subject.rsplit(".", 1)[-1]
        standing = await self._load(command.tenant, switch)
        try:
            engaged = domain.engage(command, standing.state)
            if standing.state.released is not None and standing.by(message) is None:
                raise Refused("this kill switch is released already; engage a new one", code="already_released")
        except Refused as refused:
            await answer_command(self._bus, message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        await self._engage(message, standing, engaged)
        data = {"switch": switch, "scope": engaged.scope, "target": engaged.target, "mode": engaged.mode}
        await answer_command(self._bus, message, Answer(ok=True, data=data))

    async def _engage(self, message: Recorded, standing: _Standing, engaged: KillEngaged) -> None:
        """The bucket first: it is what the services watch; then the fact."""
        if standing.state.released is not None:
            return
        try:
            await self._kill.create(standing.id, _json(_entry(standing.tenant, standing.id, engaged, message.meta.time)))
        except Conflict:
            log.info("kill_switch_stands_already", switch=standing.id)
        if standing.state.engaged is None:
            await self._append("kill.engaged", standing, engaged, message)
        await self._look_later(standing, message, 1, LOOKS[0])

    async def on_trip(self, message: Recorded) -> None:
        """A trigger tripped: end the probations that cover its target; where nothing stops it yet, engage a switch.

        Several instances of the policy see the same and send the same trip, or one a moment later: it counts once.
        """
        command = message.payload(TripKill)
        standing = await self._load(command.tenant, message.subject.rsplit(".", 1)[-1])
        if standing.state.engaged is None:
            target = _work(command)
            entries = [entry for entry in await self._entries() if entry.covers(target)]
            for entry in entries:
                if entry.stage == "probation":
                    await self._tighten(message, command, entry)
            if entries:
                return
        await self._engage(message, standing, domain.trip(command))

    async def _tighten(self, message: Recorded, command: TripKill, entry: KillEntry) -> None:
        """As with an engagement, the bucket first."""
        standing = await self._load(entry.tenant, entry.switch)
        tightened = domain.tighten(standing.state, command)
        if tightened is None:
            return
        await self._kill.put(entry.switch, _json(entry.model_copy(update={"stage": "blocked", "share_percent": 0})))
        await self._append("kill.tightened", standing, tightened, message, standing.state.tightenings + 1)
        await self._show(standing)
        await self._look_later(standing, message, standing.state.looks + 1, LOOKS[0])

    async def on_release(self, message: Recorded) -> None:
        """Take a switch back, in part or wholly. The fact first: should we stop in between, ``reconcile`` mends the bucket."""
        command = message.payload(ReleaseKill)
        standing = await self._load(command.tenant, command.switch)
        await self._open(message, standing, lambda: domain.release(standing.state, command, self._second_person_scopes))

    async def on_confirm(self, message: Recorded) -> None:
        """The second person agrees to a release."""
        command = message.payload(ConfirmRelease)
        standing = await self._load(command.tenant, command.switch)
        await self._open(message, standing, lambda: domain.confirm(standing.state, command))

    async def _open(self, message: Recorded, standing: _Standing, decide: Callable[[], Contract]) -> None:
        written = standing.by(message)
        try:
            event = written.data if written is not None else decide()
        except (Refused, NotFound, Forbidden) as refused:
            await answer_command(self._bus, message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        state = standing.state
        data: dict[str, object] = {"switch": standing.id}
        match event:
            case KillReleaseRequested():
                number = max(state.requests, default=0) + 1 if written is None else _ordinal(written)
                await self._append("kill.release-requested", standing, event, message, number)
                data |= {"stage": "requested", "request": number}
            case KillEased():
                number = state.easings + 1 if written is None else _ordinal(written)
                await self._append("kill.eased", standing, event, message, number)
                data |= {"stage": "probation", "share_percent": event.share_percent}
            case KillReleased():
                await self._append("kill.released", standing, event, message)
                data |= {"stage": "released"}
            case _:
                raise TypeError(f"unexpected {type(event).__name__}")
        await self._show(standing)
        await answer_command(self._bus, message, Answer(ok=True, data=data))

    async def entry(self, tenant: str, switch: str) -> KillEntry | None:
        """The switch as the log has it, whatever its entry in the bucket says by now; None when it is released."""
        return (await self._load(tenant, switch)).entry()

    # --- what stopped -------------------------------------------------------------------------------------------------

    async def on_look(self, message: Recorded) -> None:
        """See what of it still runs, and write down what nobody has told the end of."""
        tenant = message.payload(TimerDue).tenant
        switch, _, number = message.subject.rsplit(".", 1)[-1].rpartition("-")
        standing = await self._load(tenant, switch)
        entry = standing.entry()
        left = [] if entry is None else [one for one in await running(self._bus) if self._concerns(standing, entry, one)]
        for one in left if entry is not None and entry.mode == "halt" else ():
            await self._unconfirmed(message, switch, one)
        # Once more: what was cancelled meanwhile counts, in whichever tenant it ran.
        state = (await self._load(tenant, switch, everywhere=True)).state
        try:
            await self._append("kill.confirmed", standing, domain.account(state, len(left)), message, int(number))
        except Conflict:
            log.info("looked_already", switch=switch, look=number)
        if left and int(number) < MOST_LOOKS:
            await self._look_later(standing, message, int(number) + 1, LOOKS[min(int(number), len(LOOKS) - 1)])

    def _concerns(self, standing: _Standing, entry: KillEntry, one: Running) -> bool:
        if one.since > standing.since:
            # Whoever took it up since then has asked the switch.
            return False
        return entry.cancels(one.work) if entry.mode == "halt" else entry.covers(one.work)

    async def _unconfirmed(self, message: Recorded, switch: str, one: Running) -> None:
        fact = KillUnconfirmed(
            what=one.what,
            task=one.work.task or one.id,
            attempt=one.attempt,
            pack=one.work.pack or "",
            agent=one.work.agent or "",
            instance=one.instance,
            why="whoever runs it has not said that it stopped: gone, or cut off from the broker",
        )
        try:
            await self._bus.append(
                "kill.unconfirmed",
                switch,
                fact,
                ordinal=one.id,
                tenant=one.work.tenant,
                cause=message,
                correlation_id=one.work.task,
            )
        except Conflict:
            log.info("unconfirmed_already", switch=switch, id=one.id)

    async def _look_later(self, standing: _Standing, message: Recorded, number: int, delay: timedelta) -> None:
        await self._bus.set_timer(
            "confirm",
            f"{standing.id}-{number}",
            TimerDue(tenant=standing.tenant),
            at=datetime.now(UTC) + delay,
            cause=message,
            correlation_id=standing.id,
        )

    # --- log and bucket -----------------------------------------------------------------------------------------------

    async def _load(self, tenant: str, switch: str, *, everywhere: bool = False) -> _Standing:
        events = await self._bus.load("*" if everywhere else tenant, "kill", switch)
        state = domain.fold((event.data, EventSubject.parse(event.subject).ordinal) for event in events)
        return _Standing(tenant, switch, events, state)

    async def _append(
        self, channel: str, standing: _Standing, event: Contract, message: Recorded, ordinal: int | None = None
    ) -> None:
        await self._bus.append(
            channel, standing.id, event, ordinal=ordinal, tenant=standing.tenant, cause=message, correlation_id=standing.id
        )

    async def _show(self, standing: _Standing) -> None:
        """Make the bucket say what the log says. Whoever wrote the last fact does so last, for an older view loses the race."""
        while True:
            present = await self._kill.get(standing.id)
            wanted = (await self._load(standing.tenant, standing.id)).entry()
            if wanted is None:
                await self._kill.delete(standing.id)
                return
            try:
                if present is None:
                    await self._kill.create(standing.id, _json(wanted))
                elif not _same(_read(present), wanted):
                    await self._kill.update(standing.id, _json(wanted), present.revision)
            except Conflict:
                continue
            return

    async def _entries(self) -> list[KillEntry]:
        entries = [_read(entry) for entry in await self._kill.entries()]
        return [entry for entry in entries if entry is not None and not entry.drill]

    async def reconcile(self) -> None:
        """At start, make the bucket what the log says: the log is the truth, and a crash may have come between the two."""
        known: dict[str, str] = {}
        async with aclosing(self._kill_events()) as events:
            async for raw in events:
                subject = EventSubject.parse(raw.subject)
                known[subject.id] = subject.tenant
        present = {entry.key: entry for entry in await self._kill.entries()}
        for switch, tenant in known.items():
            standing = await self._load(tenant, switch)
            if standing.entry() is not None or switch in present:
                await self._show(standing)
        # A switch in the bucket without its fact was being engaged when we stopped: its command comes again and completes it.
        for switch, entry in present.items():
            if (said := _read(entry)) is not None and said.drill and switch not in known:
                await self._kill.delete(switch)

    async def _kill_events(self) -> AsyncGenerator[Raw]:
        async with aclosing(self._bus.tail(("evt.*.kill.*.engaged",), start="first").updates()) as updates:
            async for raw in updates:
                if raw is None:
                    return
                try:
                    await self._bus.decode(raw)
                except RetryLater:
                    raise
                except AgentOSError:
                    log.exception("kill_event_unreadable", subject=raw.subject)
                    continue
                yield raw


def _entry(tenant: str, switch: str, engaged: KillEngaged, at: datetime, share_percent: int | None = None) -> KillEntry:
    return KillEntry(
        switch=switch,
        tenant=tenant,
        scope=engaged.scope,
        target=engaged.target,
        mode=engaged.mode,
        stage="blocked" if share_percent is None else "probation",
        share_percent=share_percent or 0,
        reason=engaged.reason,
        by=engaged.by,
        engaged_at=at,
    )


def _json(entry: KillEntry) -> bytes:
    return entry.model_dump_json().encode()


def _read(entry: Entry) -> KillEntry | None:
    try:
        return KillEntry.model_validate_json(entry.value or b"")
    except ValueError:
        return None


def _same(one: KillEntry | None, other: KillEntry) -> bool:
    """Whether both mean the same; the command's time stands for the fact's until the bucket is written again."""
    return one is not None and one.model_copy(update={"engaged_at": other.engaged_at}) == other


def _work(command: TripKill) -> Work:
    """What a trip's target is, as far as it says."""
    target = command.target
    match command.scope:
        case "global" | "tenant":
            return Work(command.tenant)
        case "pack":
            return Work(command.tenant, pack=target)
        case "agent":
            pack, _, agent = target.partition("/")
            return Work(command.tenant, pack=pack, agent=agent)
        case "provider":
            return Work(command.tenant, provider=target)
        case "model":
            return Work(command.tenant, provider=target.partition("/")[0], model=target)
        case "tool":
            return Work(command.tenant, tool=target)
        case "task":
            return Work(command.tenant, task=target)


def _ordinal(event: Recorded) -> int:
    return int(EventSubject.parse(event.subject).ordinal or 0)
