"""Time and approvals: expiry, escalation, and the clock that a kill switch stops. Subject → handler, and the shell.

The kill switch is read from its bucket, at the stream's leader, rather than followed: what is asked is not whether something may start, but
whether time may pass, and a copy that lags would let an approval expire while everything stands still.
"""

from datetime import UTC, datetime, timedelta

import structlog

from agentos.bus import Bus, Route
from agentos.contracts.commands import TimerDue
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Refused, RetryLater
from agentos.contracts.events.approval import ApprovalThawed
from agentos.killswitch import KillEntry, Work
from services.gates.domain import approvals as domain
from services.gates.domain import deadlines
from services.gates.kill import KillSwitches
from services.gates.records import ApprovalRecords, Case

log = structlog.get_logger(__name__)


class Deadlines:
    """Handlers of the gates for timers of approvals, and what kill switches do to them."""

    def __init__(self, bus: Bus, records: ApprovalRecords, switches: KillSwitches) -> None:
        self._switches = switches
        self._records = records
        self._kill = bus.bucket("kill")

    def routes(self) -> list[Route]:
        """The handler table; ``kill.engaged`` and ``kill.released`` come by way of the gates' own."""
        return [
            Route("kill.eased", self.on_changed),
            Route("kill.tightened", self.on_changed),
            Route("timer.gates-expire-due", self.on_expire),
            Route("timer.gates-escalate-due", self.on_escalate),
        ]

    # --- timers -------------------------------------------------------------------------------------------------------

    async def on_expire(self, message: Recorded) -> None:
        """Nobody answered in time: that is a no."""
        approval, _, _ = message.subject.rsplit(".", 1)[-1].rpartition("-")
        case = await self._records.load(message.payload(TimerDue).tenant, approval)
        await self._records.tidy(case, message)
        if not await self._due(case, case.approval.expires_at, message):
            return
        resolved = domain.close(case.approval, "expired", "nobody answered in time")
        if resolved is not None:
            await self._records.resolve(case, resolved, message)

    async def on_escalate(self, message: Recorded) -> None:
        """Nobody answered for a while: ask more people."""
        due = message.payload(TimerDue)
        approval = message.subject.rsplit(".", 1)[-1].rsplit("-", 2)[0]
        case = await self._records.load(due.tenant, approval)
        escalated = deadlines.escalate(case.approval, due.ordinal)
        if escalated is None or not await self._due(case, case.approval.steps[0].at, message):
            return
        await self._records.append(case, "approval.escalated", escalated, message, due.ordinal + 1)

    async def _due(self, case: Case, at: datetime | None, message: Recorded) -> bool:
        """Whether this deadline has passed. Not while the clock stands, nor by a timer of before it stood."""
        if at is None or case.approval.resolved is not None or case.approval.frozen is not None:
            return False
        early = at - datetime.now(UTC)
        if early > timedelta(0):
            if early < deadlines.EARLY:
                raise RetryLater("a timer came early", delay=early, code="timer_early")
            return False
        return not await self.freeze_if_killed(case, message)

    # --- the kill switch ----------------------------------------------------------------------------------------------

    async def on_changed(self, message: Recorded) -> None:
        """A switch holds more, or less, than before: clocks stop, and clocks that nothing holds any more go on."""
        for case in await self._records.open():
            if await self._thaw_if_free(case, message):
                await self.freeze_if_killed(await self._records.load(case.tenant, case.id), message)

    async def freeze_if_killed(self, case: Case, message: Recorded) -> bool:
        """Whether the clock stands after this: stop it when a kill switch covers the task."""
        if case.approval.frozen is not None:
            return True
        switch = await self._covering(case)
        if switch is None:
            return False
        frozen = deadlines.freeze(case.approval, switch, datetime.now(UTC))
        if frozen is None:
            return False
        case = await self._records.append(case, "approval.frozen", frozen, message, case.approval.freezes + 1)
        # Released while we wrote: whoever handled that found nothing to thaw.
        return not await self._thaw_if_free(case, message)

    async def _thaw_if_free(self, case: Case, message: Recorded) -> bool:
        if case.approval.frozen is None:
            if case.made_by(message, ApprovalThawed):
                # Thawed at an earlier delivery, which may have ended before the timers stood.
                await self._records.set_timers(case, message)
                await self._publish(case, message)
            return True
        if await self._covering(case) is not None:
            return False
        thawed = deadlines.thaw(case.approval, datetime.now(UTC))
        if thawed is None:
            return True
        case = await self._records.append(case, "approval.thawed", thawed, message, case.approval.freezes)
        await self._records.set_timers(case, message)
        await self._publish(case, message)
        return True

    async def _publish(self, case: Case, message: Recorded) -> None:
        """Votes that were given under the switch count now."""
        try:
            await self._records.publish(case, message)
        except Refused as late:
            log.info("approval_not_resolved_after_freeze", approval=case.id, code=late.code)

    async def _covering(self, case: Case) -> str | None:
        """The switch that holds the task of ``case``, by what the log says of it: its entry in the bucket may come later, or go later."""
        requested = case.approval.requested
        if requested is None:
            return None
        context = requested.context
        name = {requested.kind: requested.target}
        # What waits belongs to an attempt that began before: a draining switch lets it finish, so its time goes on.
        work = Work(
            case.tenant, pack=context.pack, agent=context.agent, model=name.get("model"), alias=name.get("model"),
            tool=name.get("tool"), task=context.task, running=True,
        )  # fmt: skip
        for entry in await self._kill.entries():
            try:
                switch = KillEntry.model_validate_json(entry.value or b"")
            except ValueError:
                # It stops everything until somebody mends it; so it stops the clock as well.
                return entry.key
            if not switch.covers(work):
                continue
            standing = await self._switches.entry(switch.tenant, switch.switch)
            if standing is not None and standing.stops(work):
                return entry.key
        return None
