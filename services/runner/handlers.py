"""Subject → handler, and the shell: load, run, append, acknowledge."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from agentos.bus import Bus, Route
from agentos.contracts.commands import WorkItem
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NeverRetry, RetryLater
from agentos.contracts.events.governance import ViolationNoted
from agentos.contracts.events.task import TaskEnded, TaskStarted, TaskSuspended
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillEntry, KillSwitch, Work
from agentos.packhost.hiding import Hider
from agentos.packhost.listener import Tried
from agentos.sdk.manifest import Pack
from agentos.violations import Violations
from services.runner import domain
from services.runner.answers import Answers
from services.runner.attempt import Attempt, Done, Suspend
from services.runner.domain import Finish, TaskView
from services.runner.hosts import Hosts
from services.runner.pack_log import PackLog
from services.runner.settings import Settings
from services.runner.steps import Steps

log = structlog.get_logger(__name__)

_LEAVE_WITHIN_S = 5.0
_RANK = {"high": 0, "normal": 1, "low": 2}


STRANGER_TRIES = 20
"""How often a work item is offered whose pack nobody hosts: some eight minutes, long enough for a runner to be exchanged."""


class Runner:
    """Handlers of the runner. A work message is held while its attempt runs, so that a crash gives it to another runner."""

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        packs: Mapping[str, Pack],
        hosts: Hosts,
        answers: Answers,
        keys: KeyRing,
        kill: KillSwitch,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._packs = packs
        self._hosts = hosts
        self._answers = answers
        self._keys = keys
        self._kill = kill
        self._slots = PrioritySlots(settings.runner_max_active)
        self._active: dict[tuple[str, str], tuple[WorkItem, Attempt]] = {}
        self._leaving = False
        kill.on_engaged(self._on_engaged)

    def routes(self) -> list[Route]:
        """The handler table."""
        most = self._settings.runner_max_active
        return [
            Route("work.high", self.on_work, concurrency=most),
            Route("work.normal", self.on_work, concurrency=most),
            Route("work.low", self.on_work, concurrency=max(1, most // 4)),
        ]

    def active(self, pack: str) -> int:
        """Attempts of ``pack`` that run here now."""
        return sum(item.pack == pack for item, _ in self._active.values())

    async def leave(self) -> None:
        """Give all attempts back: they go on elsewhere, or here after a restart, from their recorded steps."""
        self._leaving = True
        for _, attempt in self._active.values():
            attempt.put_down()
        deadline = asyncio.get_running_loop().time() + _LEAVE_WITHIN_S
        while self._active and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)

    async def on_work(self, message: Recorded) -> None:
        """Run (or go on running) an attempt of a task."""
        item = message.payload(WorkItem)
        if item.pack not in self._packs and message.deliveries >= STRANGER_TRIES:
            # Nobody came to host it: the task ends and says so, rather than lie among the dead letters.
            told = f"no runner hosts pack {item.pack}; start one that does, then retry the task"
            await self._end(message, item, Done(Finish("failed", "pack_not_here", told)), None)
            return
        if self._leaving or item.pack not in self._packs:
            raise RetryLater(
                f"this runner does not host pack {item.pack}", delay=timedelta(milliseconds=500), code="pack_not_here"
            )
        async with self._slots.hold(_RANK[message.subject.split(".")[2]]):
            if self._leaving:
                raise RetryLater("the runner is leaving", delay=timedelta(milliseconds=50), code="draining")
            await self._work(message, item)

    async def _work(self, message: Recorded, item: WorkItem) -> None:
        if (item.tenant, item.task) in self._active:
            raise RetryLater(f"task {item.task} still runs here", delay=timedelta(milliseconds=200), code="still_running")
        view = await self._view(item)
        if view.submitted is None or not domain.is_due(view, item):
            return
        entry = self._kill.blocked(_work(item, running=item.resumption > 0 or item.attempt in view.started))
        if entry is not None:
            await self._end(message, item, Done(Finish("refused", "killed", entry.describe())), None)
            return
        agent = self._packs[item.pack].manifest.agent(item.agent)
        if agent is None:
            await self._end(
                message, item, Done(Finish("failed", "no_such_agent", f"pack {item.pack} has no agent {item.agent}")), None
            )
            return
        replaying = domain.replays(view, item, message.deliveries) or not await self._start(message, item)
        try:
            steps = Steps(
                self._bus, self._answers, message, item, view, self._packs[item.pack].manifest, self._keys,
                replaying=replaying, suspend_after=self._settings.runner_suspend_after,
            )  # fmt: skip
            said = PackLog(self._bus, message, item, steps.seal)
            given = await steps.open_input()
            await said.open(replaying=replaying)
        except NeverRetry as unreadable:
            # An erased key or a broken seal: the task must end, not vanish among the dead letters.
            await self._end(message, item, Done(Finish("failed", unreadable.code, unreadable.detail)), None)
            return
        violations = self._violations(message, item, steps)
        attempt = Attempt(
            item, agent, steps, self._hosts, self._settings.runner_suspend_after,
            lambda tried: self._enough(violations, tried), said,
        )  # fmt: skip
        over = False
        try:
            async with self._listed(item, attempt):
                came = await attempt.run(given, view.submitted.type)
            over = isinstance(came, Done)
        finally:
            steps.close()
            await violations.close()
            await said.close(over=over)
        if attempt.killed_by is not None:
            await self._note_killed(message, item, attempt, attempt.killed_by)
        match came:
            case Done():
                await self._end(message, item, came, steps)
            case Suspend():
                await self._suspend(message, item, view, came)

    def _violations(self, message: Recorded, item: WorkItem, steps: Steps) -> Violations:
        about = ViolationNoted(
            task=item.task, attempt=item.attempt, pack=item.pack, agent=item.agent, what="other", detail=""
        )  # fmt: skip
        return Violations(
            self._bus,
            "violation.noted",
            about,
            tenant=item.tenant,
            id_=item.task,
            hide=lambda text: steps.hide(text),
            cause=message,
        )

    def _enough(self, violations: Violations, tried: Tried) -> bool:
        serious = violations.take(tried)
        return self._settings.runner_violations == "end" and serious >= self._settings.runner_violations_most

    async def _view(self, item: WorkItem) -> TaskView:
        events = await self._bus.load(item.tenant, "task", item.task)
        return domain.fold((event.data, int(EventSubject.parse(event.subject).ordinal or 0)) for event in events)

    async def _start(self, message: Recorded, item: WorkItem) -> bool:
        """Whether this is the very first pick-up of the attempt."""
        version = self._packs[item.pack].manifest.version
        started = TaskStarted(instance=self._bus.instance, pack=item.pack, agent=item.agent, version=version)
        try:
            appended = await self._bus.append(
                "task.started", item.task, started, ordinal=item.attempt, cause=message, tenant=item.tenant
            )
        except Conflict:
            return False
        return not appended.duplicate

    @asynccontextmanager
    async def _listed(self, item: WorkItem, attempt: Attempt) -> AsyncGenerator[None]:
        """While listed, the attempt hears of its cancellation, of the kill switch and of the runner's leaving."""
        key = (item.tenant, item.task)
        self._active[key] = (item, attempt)
        cancelling = self._answers.wait(f"evt.{item.tenant}.task.{item.task}.cancelling.{item.attempt}")
        cancelling.add_done_callback(lambda done: None if done.cancelled() else attempt.cancel("the task was cancelled"))
        try:
            # Between the check and the listing a switch may have been engaged.
            if (entry := self._kill.blocked(_work(item, running=True))) is not None:
                attempt.kill(entry)
            if self._leaving:
                attempt.put_down()
            yield
        finally:
            cancelling.cancel()
            del self._active[key]

    async def _end(self, message: Recorded, item: WorkItem, done: Done, steps: Steps | None) -> None:
        finish = done.finish
        result, result_digest = (None, None)
        if finish.outcome == "completed" and steps is not None:
            try:
                result, result_digest = await steps.seal_result(done.result)
            except NeverRetry as unsealed:
                finish = Finish("failed", unsealed.code, unsealed.detail)
            except ValueError as odd:
                finish = Finish("failed", "bad_result", f"the result is not JSON ({type(odd).__name__})")
        ended = TaskEnded(
            outcome=finish.outcome,
            result=result,
            result_digest=result_digest,
            fault=domain.fault_of(finish, steps.hide if steps is not None else Hider()),
            failed_step=finish.step,
        )
        try:
            await self._bus.append("task.ended", item.task, ended, ordinal=item.attempt, cause=message, tenant=item.tenant)
        except Conflict:
            # Another runner had the attempt as well and ended it first: what stands, stands.
            log.info("attempt_ended_elsewhere", task=item.task, attempt=item.attempt)
            return
        log.info("attempt_ended", task=item.task, attempt=item.attempt, outcome=finish.outcome, code=finish.code or None)

    async def _note_killed(self, message: Recorded, item: WorkItem, attempt: Attempt, entry: KillEntry) -> None:
        after_ms, id_ = self._kill.age_ms(entry), f"{item.task}-{item.attempt}"
        await self._kill.note_cancelled(
            entry, "attempt", id_, _work(item, running=True), attempt=item.attempt, after_ms=after_ms, cause=message,
            confirmed=attempt.confirmed_stopped,
        )  # fmt: skip

    async def _suspend(self, message: Recorded, item: WorkItem, view: TaskView, suspend: Suspend) -> None:
        suspended = TaskSuspended(attempt=item.attempt, waiting_for=suspend.waiting_for, on=suspend.on)
        number = view.suspensions + 1
        try:
            await self._bus.append("task.suspended", item.task, suspended, ordinal=number, cause=message, tenant=item.tenant)
        except Conflict:
            log.info("attempt_suspended_elsewhere", task=item.task, attempt=item.attempt)

    def _on_engaged(self, entry: KillEntry) -> None:
        for item, attempt in self._active.values():
            if entry.cancels(_work(item, running=True)):
                attempt.kill(entry)


def _work(item: WorkItem, *, running: bool) -> Work:
    """The attempt as the kill switch knows it."""
    return Work(item.tenant, pack=item.pack, agent=item.agent, task=item.task, running=running)


class PrioritySlots:
    """A semaphore whose waiters come by rank (0 first), within a rank in their order."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def hold(self, rank: int) -> AsyncGenerator[None]:
        """Wait for a slot and keep it for the block."""
        if self._free > 0:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (rank, next(self._order), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
