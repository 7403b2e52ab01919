"""A call from its first attempt to its end: retries, fallback (in the middle of an answer too), hedges, the deadline. Knows no broker."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal, Protocol

import structlog

from adapters.port import ProviderError
from agentos.contracts.base import Fault
from agentos.contracts.events.call import CallAttempted
from agentos.contracts.model import ModelResponse, TextPart, Usage, estimated_input_tokens
from agentos.contracts.routing import Attempt
from services.router.attempts import AttemptRun, Errand, Floor, Halted, Outcome
from services.router.choosing import Plan, Target
from services.router.domain.gathering import BYTES_PER_TOKEN, Gathered, can_go_on, continuation
from services.router.domain.retries import Next, Option, Standing, after_failure, elsewhere

log = structlog.get_logger(__name__)

__all__ = ["Ending", "Execution", "Journal", "TakenOver"]


class TakenOver(Exception):
    """Another instance has settled the call meanwhile."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a call came to. ``last`` ended it; ``earlier`` are noted one by one. ``response`` is what came of an answer, whole or not."""

    outcome: Literal["completed", "failed", "refused", "cancelled"]
    last: Attempt | None
    earlier: tuple[Attempt, ...]
    response: ModelResponse | None = None
    fault: Fault | None = None
    reasons: tuple[str, ...] = ()


class Journal(Protocol):
    """Where a call's attempts are written down."""

    async def note(self, attempted: CallAttempted, number: int) -> None:
        """Write down an attempt that did not end the call. Idempotent; waits for as long as the broker is away."""
        ...

    async def taken_over(self) -> bool:
        """Whether the call is settled. Raises RetryLater when that cannot be seen."""
        ...

    def at(self, *targets: Target) -> None:
        """Which targets the call is about from now on, for a kill switch that comes while it runs."""
        ...


class _Failed(Exception):
    def __init__(self, run: AttemptRun, index: int, error: ProviderError) -> None:
        super().__init__(error.code)
        self.run, self.index, self.error = run, index, error


class Execution:
    """One call. ``run`` once; when it is cancelled, ``interrupted`` says what had come until then.

    ``earlier`` are attempts of the same call that are noted already, and ``said`` is what they said to the audience.
    """

    def __init__(
        self,
        errand: Errand,
        plan: Plan,
        journal: Journal,
        *,
        earlier: Sequence[Attempt] = (),
        said: Gathered | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._errand, self._plan, self._journal = errand, plan, journal
        self._targets, self._patience = plan.targets, plan.patience
        self._options = [Option(target.provider, target.features.continues) for target in plan.targets]
        self._earlier = list(earlier)
        self._before = said if said is not None and not said.empty else None
        self._said = "" if said is None else said.text
        self._number = max((attempt.number for attempt in earlier), default=0)
        self._continued_usage = Usage()
        self._unwritten: list[tuple[CallAttempted, int]] = []
        self._running: list[AttemptRun] = []
        self._tries: Counter[int] = Counter()
        self._left: set[int] = set()
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    async def run(self) -> Ending:
        """Attempt after attempt until the end. Raises TakenOver, and RetryLater where nothing may start because nothing can be seen."""
        deadline = self._began + self._patience.deadline.total_seconds()
        if (index := self._start()) is None:
            fault = self._earlier[-1].fault if self._earlier else None
            return Ending("failed", None, tuple(self._earlier), self._partial(None), fault)
        while True:
            if self._earlier and await self._journal.taken_over():
                # Asking also proves that the broker is there: who was cut off meanwhile starts nothing.
                raise TakenOver
            try:
                async with asyncio.timeout_at(deadline):
                    return self._completed(await self._race(index))
            except Halted as halted:
                return Ending(halted.outcome, None, tuple(self._earlier), self._partial(None), halted.fault, halted.reasons)
            except TimeoutError:
                return await self.interrupted("failed", _too_late(self._patience.deadline))
            except _Failed as failure:
                run, failed_at, error = failure.run, failure.index, failure.error
            fault = _fault(run.target, error)
            following = self._following(run, failed_at, error)
            if following is None:
                return Ending("failed", run.record("failed", fault), tuple(self._earlier), self._partial(run), fault)
            if not run.gathered.empty:
                self._said += run.gathered.text
                self._continued_usage = self._continued_usage.plus(run.usage()[0])
            await self._note(run, "failed", fault, following.delay, self._targets[following.index])
            if following.index != failed_at:
                self._left.add(failed_at)
            index = following.index
            self._journal.at(self._targets[index])
            await asyncio.sleep(following.delay.total_seconds())

    async def interrupted(self, outcome: Literal["failed", "cancelled"], fault: Fault) -> Ending:
        """The end of a call that was stopped: what ran is recorded with what it had used."""
        running = [run for run in self._running if run.began]
        speaker = next((run for run in running if not run.gathered.empty), running[0] if running else None)
        for run in running:
            if run is not speaker:
                await self._note(run, "cancelled", fault)
        await self._write()
        last = None if speaker is None else speaker.record(outcome, fault)
        return Ending(outcome, last, tuple(self._earlier), self._partial(speaker), fault)

    def _start(self) -> int | None:
        """The first target; one that can go on with what was said before, where that is anything. None where there is none."""
        if self._before is None:
            return 0
        if not can_go_on(self._errand.request, self._before):
            return None
        return next((place for place, option in enumerate(self._options) if option.continues), None)

    # --- attempts -----------------------------------------------------------------------------------------------------

    async def _race(self, index: int) -> AttemptRun:
        """The attempt that brought the answer: the one at ``index``, or its hedge. Raises _Failed when all of them have failed."""
        floor = Floor()
        first = self._attempt(index, floor)
        self._journal.at(first.target)
        after = self._patience.hedge_after
        other = elsewhere(self._options, index, self._left, begun=False) if after is not None and not self._said else None
        if after is not None and other is not None:
            return await self._hedged(first, index, other, after, floor)
        try:
            await first.go()
        except ProviderError as error:
            raise _Failed(first, index, error) from None
        return first

    async def _hedged(self, first: AttemptRun, index: int, other: int, after: timedelta, floor: Floor) -> AttemptRun:
        running: dict[asyncio.Task[None], tuple[AttemptRun, int]] = {asyncio.ensure_future(first.go()): (first, index)}

        def end_others(winner: AttemptRun) -> None:
            for task, (run, _) in running.items():
                if run is not winner:
                    task.cancel()

        floor.on_taken = end_others
        try:
            done, _ = await asyncio.wait(running, timeout=after.total_seconds())
            if not done and floor.holder is None and self._may_hedge():
                second = self._attempt(other, floor)
                self._journal.at(first.target, second.target)
                running[asyncio.ensure_future(second.go())] = (second, other)
            ended: list[AttemptRun | Exception] = []
            while running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    run, at = running.pop(task)
                    others = [each.target for each, _ in running.values()]
                    if (counts := await self._ended(run, at, task, others, floor)) is not None:
                        ended.append(counts)
            # The winner, or the failure of the one that was left.
            (outcome,) = ended
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _ended(
        self, run: AttemptRun, index: int, task: "asyncio.Task[None]", others: Sequence[Target], floor: Floor
    ) -> AttemptRun | Exception | None:
        """What the end of one of several attempts means for their race: it won, its failure is the race's, or nothing."""
        error = None if task.cancelled() else task.exception()
        if error is None and floor.holder is run:
            return run
        if error is None:
            if run.began:
                await self._note(run, "lost_hedge", Fault(code="lost_hedge", message="another attempt spoke first"))
            return None
        decides = floor.holder is run or (floor.holder is None and not others)
        if not isinstance(error, ProviderError):
            if decides or not isinstance(error, Exception):
                raise error
            log.info("hedge_not_made", target=run.target.name, reason=str(error))
            return None
        if decides:
            return _Failed(run, index, error)
        self._left.add(index)
        if run.began:
            await self._note(run, "failed", _fault(run.target, error), next_=others[0] if others else None)
        return None

    def _may_hedge(self) -> bool:
        return self._number + 1 <= self._patience.attempts and self._errand.chooser.may_hedge(self._plan)

    def _attempt(self, index: int, floor: Floor) -> AttemptRun:
        request = self._errand.request
        if self._said:
            request = continuation(request, self._said, spent_tokens=-(-len(self._said.encode()) // BYTES_PER_TOKEN))
        self._tries[index] += 1
        run = AttemptRun(
            self._errand,
            self._targets[index],
            request,
            floor=floor,
            number=self._next_number,
            spent=self._spent,
            continues=bool(self._said),
            skip_blanks=self._said[-1:].isspace(),
        )
        self._running.append(run)
        return run

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _spent(self) -> Decimal:
        """What the attempts before this one have cost."""
        return sum((attempt.cost.usd for attempt in self._earlier if attempt.cost is not None), Decimal(0))

    def _following(self, run: AttemptRun, index: int, error: ProviderError) -> Next | None:
        """Where the call goes on after a failure; None where it is at its end."""
        begun = bool(self._said) or not run.gathered.empty
        goes_on = not begun or can_go_on(self._errand.request, run.gathered)
        if run.gathered.empty and self._said:
            goes_on = True
        standing = Standing(
            index,
            tries_here=self._tries[index],
            attempts=run.number,
            elapsed=timedelta(seconds=self._loop.time() - self._began),
            elsewhere=elsewhere(self._options, index, self._left, begun=begun) if goes_on else None,
            here=goes_on and (not begun or self._options[index].continues),
            other_key=run.other_key,
        )
        following = after_failure(error.kind, standing, self._patience, retry_after=error.retry_after, jitter=self._jitter())
        if following is None or self._affordable(run, following.index):
            return following
        return None

    def _affordable(self, run: AttemptRun, index: int) -> bool:
        """Whether what is left of the call's money pays at least for asking once more."""
        most = self._errand.limits.usd
        if most is None:
            return True
        cost = run.record("failed").cost
        spent = self._spent() + (cost.usd if cost is not None else 0)
        asking = Usage(input_tokens=estimated_input_tokens(self._errand.request))
        again = self._errand.chooser.price(self._targets[index].name, asking, self._errand.now())
        return spent + again.usd <= most

    async def _note(
        self,
        run: AttemptRun,
        outcome: Outcome,
        fault: Fault,
        delay: timedelta = timedelta(),
        next_: Target | None = None,
    ) -> None:
        attempt = run.record(outcome, fault)
        self._running.remove(run)
        self._earlier.append(attempt)
        attempted = CallAttempted(
            context=self._errand.context,
            target=attempt.target,
            started_at=attempt.started_at,
            duration_ms=attempt.duration_ms,
            fault=fault,
            provider_status=attempt.provider_status,
            delay_ms=int(delay.total_seconds() * 1000),
            next=None if next_ is None else next_.name,
            attempt=attempt,
        )
        self._unwritten.append((attempted, attempt.number))
        await self._write()

    async def _write(self) -> None:
        """Write down what is not written yet. A stop may come while one is being written: then the end writes it again."""
        while self._unwritten:
            attempted, number = self._unwritten[0]
            await self._journal.note(attempted, number)
            self._unwritten.pop(0)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _completed(self, run: AttemptRun) -> Ending:
        if run.answer is None:
            return Ending("completed", run.record("cut_off"), tuple(self._earlier), self._whole(run.response("cut_off")))
        return Ending("completed", run.record("completed"), tuple(self._earlier), self._whole(run.answer.response))

    def _partial(self, run: AttemptRun | None) -> ModelResponse | None:
        """What had been said when the call ended without an answer; None where that is nothing."""
        if run is not None and not run.gathered.empty:
            return self._whole(run.response("other"))
        before = self._before
        if not self._said and before is None:
            return None
        target = self._earlier[-1].target.partition("/")
        return ModelResponse(
            provider=target[0],
            model=target[2],
            parts=(TextPart(text=self._said),) if before is None or before.plain else before.parts(target[0]),
            finish_reason="other",
            usage=self._continued_usage,
        )

    def _whole(self, response: ModelResponse) -> ModelResponse:
        """``response`` with what was said before it went on."""
        if not self._said:
            return response
        rest, said = response.parts, self._said
        if rest and isinstance(rest[0], TextPart):
            # Blanks that were said already are not said twice.
            tail = rest[0].text.lstrip() if said[-1:].isspace() else rest[0].text
            said, rest = said + tail, rest[1:]
        note = f"continued: {self._earlier[-1].target} broke off after {len(self._said)} characters"
        return response.model_copy(
            update={
                "parts": (TextPart(text=said), *rest),
                "usage": self._continued_usage.plus(response.usage),
                "notes": (*response.notes, note),
            }
        )


def _fault(target: Target, error: ProviderError) -> Fault:
    told = error.message if error.message.startswith(target.provider) else f"{target.provider}: {error.message}"
    return Fault(code=error.code, message=told, retryable=error.kind in ("retry", "wait"))


def _too_late(deadline: timedelta) -> Fault:
    return Fault(
        code="deadline",
        message=f"the call was not done within {deadline.total_seconds():g} s, its attempts and pauses together",
        retryable=True,
    )
