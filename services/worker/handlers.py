"""Subject → handler, and the shell: load, execute, append, acknowledge. A tool message is held while its tool works."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from agentos.bus import Bus, Route, Tail, keep_trying
from agentos.contracts.base import Fault
from agentos.contracts.channels import CHANNELS
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.errors import Conflict, NeverRetry, RetryLater
from agentos.contracts.events.approval import ApprovalResolved, ApprovalRevised
from agentos.contracts.events.call import CallAttempted, CallContext, CallDecided, ToolCallSettled
from agentos.contracts.events.governance import ViolationNoted
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillEntry, KillSwitch, Work
from agentos.packhost.hiding import Hider
from agentos.sdk.journal import canonical
from agentos.sdk.manifest import ToolEntry
from agentos.sealing import PlaceholderVault
from agentos.violations import Violations
from services.worker import domain
from services.worker.domain import Refusal, ToolView
from services.worker.execution import ToolHosts, Worked
from services.worker.settings import Settings

log = structlog.get_logger(__name__)

_LEAVE_WITHIN_S = 8.0
ARGUMENTS, RESULT, PLACEHOLDERS = "tool.arguments", "tool.result", "placeholders"


@dataclass(slots=True)
class _InFlight:
    work: Work
    attempt: int
    running: "asyncio.Task[Worked | Fault]"
    why: Fault | None = None
    killed_by: KillEntry | None = None


class Worker:
    """Handlers of the worker."""

    def __init__(self, bus: Bus, settings: Settings, hosts: ToolHosts, keys: KeyRing, kill: KillSwitch) -> None:
        self._bus = bus
        self._settings = settings
        self._hosts = hosts
        self._keys = keys
        self._kill = kill
        self._in_flight: dict[str, _InFlight] = {}
        self._leaving = False
        kill.on_engaged(self._on_engaged)

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("tool.decided", self.on_decided, concurrency=self._settings.worker_max_active),
            Route("approval.resolved", self.on_resolved, concurrency=self._settings.worker_max_active),
        ]

    async def on_decided(self, message: Recorded) -> None:
        """The policy ruled on a tool call: execute or refuse; a held one waits for its approval."""
        message.payload(CallDecided)
        await self._handle(message, None)

    async def on_resolved(self, message: Recorded) -> None:
        """A person answered a held tool call."""
        approval = message.payload(ApprovalResolved)
        if approval.kind == "tool":
            await self._handle(message, approval)

    async def leave(self) -> None:
        """Take nothing new and let tools that work end their work, for a while."""
        self._leaving = True
        deadline = asyncio.get_running_loop().time() + _LEAVE_WITHIN_S
        while self._in_flight and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)

    async def follow_cancellations(self, tail: Tail) -> None:
        """Call off what is in flight for a cancelled task. Runs until cancelled."""
        async with aclosing(tail.updates()) as updates:
            async for raw in updates:
                if raw is None:
                    continue
                subject = EventSubject.parse(raw.subject)
                for flight in self._in_flight.values():
                    same = (flight.work.tenant, flight.work.task, str(flight.attempt)) == (
                        subject.tenant,
                        subject.id,
                        subject.ordinal,
                    )
                    if same:
                        self._call_off(flight, Fault(code="cancelled", message="the task was cancelled"))

    def cancellations(self) -> Tail:
        """The live tail for ``follow_cancellations``."""
        return self._bus.tail(tuple(row.pattern for row in CHANNELS if self._bus.service in row.tails))

    def _on_engaged(self, entry: KillEntry) -> None:
        for flight in self._in_flight.values():
            if flight.why is None and entry.cancels(flight.work):
                flight.killed_by = entry
                self._call_off(flight, Fault(code="killed", message=entry.describe()))

    def _call_off(self, flight: _InFlight, why: Fault) -> None:
        flight.why = why
        flight.running.cancel()

    # --- one call -----------------------------------------------------------------------------------------------------
    async def _handle(self, message: Recorded, approval: ApprovalResolved | None) -> None:
        if self._leaving:
            raise RetryLater("the worker is leaving", delay=timedelta(milliseconds=50), code="draining")
        subject = EventSubject.parse(message.subject)
        view = domain.fold(event.data for event in await self._bus.load(subject.tenant, "tool", subject.id))
        revised = None if approval is None else await self._revised(subject, approval)
        verdict = domain.decide(view, approval, revised)
        if verdict is None or view.decided is None:
            return
        if isinstance(verdict, Refusal):
            await self._settle(message, subject.id, view.decided, "refused", fault=verdict.fault, reasons=verdict.reasons)
            return
        # From here on: what was approved.
        view = replace(view, decided=verdict.decided)
        context = verdict.decided.context
        if (stop := await self._stopped(_work(subject.tenant, verdict.decided), context)) is not None:
            await self._settle(message, subject.id, verdict.decided, "cancelled", fault=stop, reasons=(stop.message,))
            return
        try:
            tool, arguments, hide = await self._open(subject.tenant, view)
        except NeverRetry as unfit:
            # Settled rather than dead-lettered: somebody waits for the answer.
            await self._settle(
                message, subject.id, verdict.decided, "failed", fault=Fault(code=unfit.code, message=unfit.detail[:500])
            )
            return
        await self._execute(message, subject, view, tool, arguments, hide)

    async def _revised(self, subject: EventSubject, approval: ApprovalResolved) -> ApprovalRevised | None:
        """Policy's word on the edit that was approved; it, and not the approval, says what may be done."""
        if approval.revision == 0:
            return None
        found = await self._bus.get(f"evt.{subject.tenant}.approval.{subject.id}.revised.{approval.revision}")
        if found is None:
            raise RetryLater(f"the edit of {subject.id} that was approved cannot be read yet")
        return found.payload(ApprovalRevised)

    async def _stopped(self, work: Work, context: CallContext) -> Fault | None:
        if (entry := self._kill.blocked(work)) is not None:
            return Fault(code="killed", message=entry.describe())
        if await self._bus.get(f"evt.{work.tenant}.task.{context.task}.cancelling.{context.attempt}") is not None:
            return Fault(code="cancelled", message="the task was cancelled")
        return None

    async def _open(self, tenant: str, view: ToolView) -> tuple[ToolEntry, Any, Hider]:
        """Tool, arguments in clear, what to hide in messages. Raises NeverRetry with what is wrong."""
        decided, requested = view.decided, view.requested
        if decided is None or requested is None or decided.arguments is None:
            raise NeverRetry("the decision carries no arguments", code="no_arguments")
        tool = self._hosts.tool(decided.context.pack, requested.tool)
        if tool is None:
            raise NeverRetry(
                f"no pack {decided.context.pack} with a tool {requested.tool} is installed here", code="no_such_tool"
            )
        arguments = json.loads(await self._keys.open(tenant, ARGUMENTS, decided.arguments))
        if domain.arguments_differ(requested, decided, arguments):
            raise NeverRetry("the arguments are not those that were decided on; nothing was done", code="arguments_differ")
        if (wrong := domain.misfit(tool.parameters, arguments)) is not None:
            raise NeverRetry(f"the arguments do not fit {tool.name}: {wrong}", code="bad_arguments")
        values: dict[str, str] = {}
        if decided.placeholders is not None:
            vault = await self._keys.open_model(tenant, PLACEHOLDERS, decided.placeholders, PlaceholderVault)
            values = {value: f"<{name}>" for name, value in vault.values.items() if not name.startswith("NUMBER_")}
        return tool, arguments, Hider(values)

    async def _execute(
        self, message: Recorded, subject: EventSubject, view: ToolView, tool: ToolEntry, arguments: Any, hide: Hider
    ) -> None:
        decided = view.decided
        if decided is None or decided.arguments is None:
            return
        began = datetime.now(UTC)
        attempt = view.attempted + 1
        while True:
            started = datetime.now(UTC)
            came = await self._attempt(message, subject, decided, tool, arguments, attempt, hide)
            if isinstance(came, Worked):
                plain = canonical(came.value)
                try:
                    sealed = await self._keys.seal(subject.tenant, decided.arguments.key, RESULT, plain)
                except NeverRetry as erased:
                    fault = Fault(code=erased.code, message=erased.detail[:500])
                    await self._settle(message, subject.id, decided, "failed", fault=fault)
                    return
                await self._settle(
                    message, subject.id, decided, "completed", simulated=came.simulated, duration=datetime.now(UTC) - began,
                    result=sealed, result_digest=digest(plain), inspect_first=decided.obligations.get("inspect") == "before",
                )  # fmt: skip
                return
            if came.code in ("cancelled", "killed"):
                await self._settle(message, subject.id, decided, "cancelled", fault=came, reasons=(came.message,))
                return
            if not came.retryable or attempt >= self._settings.worker_max_attempts:
                final = came.model_copy(update={"retryable": False})
                await self._settle(message, subject.id, decided, "failed", fault=final, duration=datetime.now(UTC) - began)
                return
            delay = self._settings.worker_first_delay * 2 ** (attempt - 1)
            attempted = CallAttempted(
                context=decided.context,
                target=tool.name,
                started_at=started,
                duration_ms=_ms(datetime.now(UTC) - started),
                fault=came,
                delay_ms=_ms(delay),
            )
            await self._once(message, "tool.attempted", subject.id, attempted, attempt)
            await asyncio.sleep(delay.total_seconds())
            # Before the tool is asked again: this raises when the broker is gone, for who is cut off starts nothing.
            if (stop := await self._stopped(_work(subject.tenant, decided), decided.context)) is not None:
                await self._settle(message, subject.id, decided, "cancelled", fault=stop, reasons=(stop.message,))
                return
            attempt += 1

    async def _attempt(
        self,
        message: Recorded,
        subject: EventSubject,
        decided: CallDecided,
        tool: ToolEntry,
        arguments: Any,
        attempt: int,
        hide: Hider,
    ) -> Worked | Fault:
        context, work = decided.context, _work(subject.tenant, decided)
        about = ViolationNoted(
            task=context.task, attempt=context.attempt, pack=context.pack, agent=context.agent, tool=tool.name, what="other", detail=""
        )  # fmt: skip
        violations = Violations(
            self._bus, "violation.reported", about, tenant=subject.tenant, id_=context.task, hide=hide, cause=message
        )
        running = asyncio.create_task(
            self._hosts.execute(context.pack, tool, subject.id, arguments, attempt, hide, violations.take)
        )
        flight = self._in_flight[subject.id] = _InFlight(work, context.attempt, running)
        try:
            # In flight first, then the check: a switch engaged in between is heard by one of the two.
            if (stop := await self._stopped(work, context)) is not None:
                self._call_off(flight, stop)
            return await running
        except asyncio.CancelledError:
            if flight.why is None:
                raise
            if flight.killed_by is not None:
                await self._note_killed(message, subject, flight, flight.killed_by)
            return flight.why
        finally:
            running.cancel()
            del self._in_flight[subject.id]
            await violations.close()

    async def _note_killed(self, message: Recorded, subject: EventSubject, flight: _InFlight, entry: KillEntry) -> None:
        after_ms = self._kill.age_ms(entry)
        await self._kill.note_cancelled(
            entry, "tool", subject.id, flight.work, attempt=flight.attempt, after_ms=after_ms, cause=message,
            confirmed=self._hosts.has_stopped(subject.id),
        )  # fmt: skip

    async def _settle(
        self,
        message: Recorded,
        call: str,
        decided: CallDecided,
        outcome: Any,
        *,
        duration: timedelta = timedelta(0),
        **fields: Any,
    ) -> None:
        settled = ToolCallSettled(
            context=decided.context, tool=decided.tool or "", outcome=outcome, duration_ms=_ms(duration), **fields
        )
        await self._once(message, "tool.settled", call, settled)
        log.info("tool_settled", call=call, tool=decided.tool, outcome=outcome)

    async def _once(self, message: Recorded, channel: str, call: str, payload: Any, ordinal: int | None = None) -> None:
        try:
            await keep_trying(lambda: self._bus.append(channel, call, payload, ordinal=ordinal, cause=message))
        except Conflict:
            # Another worker had the call as well; the tool saw the same call id both times.
            log.info("settled_elsewhere", call=call, channel=channel)


def _work(tenant: str, decided: CallDecided) -> Work:
    """The tool call as the kill switch knows it."""
    context = decided.context
    return Work(tenant, pack=context.pack, agent=context.agent, tool=decided.tool, task=context.task, running=True)


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
