"""A day of mixed traffic and faults through the router's choosing and execution, in virtual time: what must hold after it.

    python -m bench.router_day [hours] [calls an hour at noon]

The providers are stand-ins that keep their own books: latencies that follow the day, limits of their own, outages, refusals of keys,
streams that break off. The broker is left out; everything between a decided call and its settlement is the real thing. It checks that no
call is stuck, that cost is exact to the last digit, and that memory is flat, and draws what breakers and limits did (bench/out/).
"""

import asyncio
import gc
import math
import random
import resource
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from adapters.port import Answer, Features, ProviderError
from agentos.contracts.events.call import CallAttempted, CallContext, CallDecided
from agentos.contracts.model import Delta, ModelRequest, ModelResponse, TextDelta, TextPart, Usage, estimated_input_tokens, user
from agentos.contracts.routing import Attempt
from bench import _virtual as virtual
from bench._plot import Line, Strip, plot
from bench._processes import ROOT
from bench._report import hush, percentile, shown, table
from services.router.attempts import CallLimits, Errand
from services.router.book import PriceBook
from services.router.choosing import Target
from services.router.configuration import parse
from services.router.execution import Ending, Execution
from services.router.selection import Selection
from services.router.turns import Turns

OUT = ROOT / "bench" / "out"
SAMPLE_S = 10
PRICES = PriceBook()
CONFIGURATION = """
aliases:
  default: [openai/gpt-5-mini, anthropic/claude-haiku-4-5, gemini/gemini-2.5-flash]
  cheap: {targets: [openai/gpt-5-mini, gemini/gemini-2.5-flash, anthropic/claude-haiku-4-5], ordering: cost}
  fast: {targets: [openai/gpt-5-mini, gemini/gemini-2.5-flash, anthropic/claude-haiku-4-5], ordering: latency, hedge: {after_s: 4}}
providers:
  gemini: {limits: {requests_per_minute: 120, max_in_flight: 64}}
retries: {tries_per_target: 2, attempts: 6, longest_wait_s: 20}
timeouts: {attempt_s: 40, first_token_s: 15, stall_s: 10, queue_s: 15}
"""


@dataclass(slots=True)
class Trouble:
    """Between two hours of the day, a share of the calls ends so. ``kind`` None: the stream breaks off in the middle."""

    begins: float
    ends: float
    share: float
    status: int | None
    after_s: float = 0.2


@dataclass(slots=True)
class Provider:
    """A stand-in with one key. It bears ``most`` calls at once, and charges for what it said, whole or not."""

    provider: str
    model: str
    first_ms: float
    most: int
    troubles: tuple[Trouble, ...]
    rng: random.Random
    in_flight: int = 0
    charged: Decimal = Decimal(0)
    asked: int = 0

    def features(self, model: str) -> Features:  # noqa: ARG002 - part of the port
        """Everything; one of them goes on with what another has begun."""
        return Features(continues=self.provider == "anthropic")

    async def close(self) -> None:
        """Nothing is open."""

    async def complete(self, request: ModelRequest, *, model: str, timeout: timedelta, idempotency_key: str) -> Answer:  # noqa: ASYNC109 - the port's
        """A whole answer."""
        async for item in self.stream(request, model=model, timeout=timeout, idempotency_key=idempotency_key):
            if isinstance(item, Answer):
                return item
        raise AssertionError("a stream ends in its answer or in an error")

    async def stream(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109, ARG002 - part of the port
        idempotency_key: str,  # noqa: ARG002 - part of the port
    ) -> AsyncGenerator[Delta | Usage | Answer]:
        """An answer of some forty words."""
        self.asked += 1
        self.in_flight += 1
        try:
            trouble = self._trouble()
            if trouble is not None and trouble.status is not None:
                await asyncio.sleep(trouble.after_s)
                raise self._refusal(trouble.status)
            if self.in_flight > self.most:
                await asyncio.sleep(0.05)
                raise self._refusal(429)
            await asyncio.sleep(self.rng.lognormvariate(0, 0.4) * self.first_ms / 1000 * (1 + self.in_flight / self.most))
            usage = Usage(input_tokens=estimated_input_tokens(request), output_tokens=1)
            words = self.rng.randint(20, 60)
            for word in range(words):
                await asyncio.sleep(0.02)
                usage = usage.model_copy(update={"output_tokens": word + 1})
                yield TextDelta(text=f"word{word} ")
                yield usage
                if trouble is not None and word == words // 2:
                    self._charge(usage)
                    raise ProviderError(
                        "the connection was lost", kind="retry", provider=self.provider, code="unreachable", usage=usage
                    )
            self._charge(usage)
            text = "".join(f"word{word} " for word in range(words))
            yield Answer(
                ModelResponse(
                    provider=self.provider, model=model, parts=(TextPart(text=text),), finish_reason="stop", usage=usage
                )
            )
        finally:
            self.in_flight -= 1

    def _charge(self, usage: Usage) -> None:
        self.charged += PRICES.price(f"{self.provider}/{self.model}", usage, virtual.START).usd

    def _trouble(self) -> Trouble | None:
        hour = asyncio.get_running_loop().time() / 3_600
        return next((t for t in self.troubles if t.begins <= hour < t.ends and self.rng.random() < t.share), None)

    def _refusal(self, status: int) -> ProviderError:
        kind = "wait" if status == 429 else "needs_operator" if status == 401 else "retry"
        wait = timedelta(seconds=2) if status == 429 and self.rng.random() < 0.5 else None
        return ProviderError(
            f"{self.provider} answered {status}", kind=kind, provider=self.provider, code=f"http_{status}", status=status, retry_after=wait
        )  # fmt: skip


def providers(seed: int) -> list[Provider]:
    """Three, each with a bad hour of its own kind."""
    rng = random.Random(seed)
    always = Trouble(0, 99, 0.004, 500)
    return [
        Provider("openai", "gpt-5-mini", 600, 40, (always, Trouble(9, 9.75, 0.95, 503), Trouble(15, 16, 0.3, None)), rng),
        Provider("anthropic", "claude-haiku-4-5", 800, 30, (always, Trouble(9.25, 9.5, 1.0, 529), Trouble(20, 20.5, 1.0, 401)), rng),
        Provider("gemini", "gemini-2.5-flash", 400, 25, (always, Trouble(12, 13, 0.6, 500, after_s=12)), rng),
    ]  # fmt: skip


@dataclass(slots=True)
class Day:
    """What was seen."""

    begun: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    targets: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])
    attempts: int = 0
    continued: int = 0
    hedged: int = 0
    estimated: int = 0
    settled_usd: Decimal = Decimal(0)
    estimated_usd: Decimal = Decimal(0)
    """Of attempts that we ended ourselves before the provider had said what they used."""
    memory_mb: list[float] = field(default_factory=list[float])
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict[str, list[tuple[float, float]]])


class _Journal:
    def __init__(self) -> None:
        self.noted: list[Attempt] = []

    async def note(self, attempted: CallAttempted, number: int) -> None:  # noqa: ARG002 - part of the port
        if attempted.attempt is not None:
            self.noted.append(attempted.attempt)

    async def taken_over(self) -> bool:
        return False

    def at(self, *targets: Target) -> None:
        pass


class _Listener:
    @property
    def crowded(self) -> bool:
        return False

    def say(self, attempt: int, target: str, delta: Delta) -> None:
        pass

    async def begun(self) -> None:
        """See ``Audience.begun``."""

    async def room(self) -> None:
        pass


async def simulate(hours: float, at_noon: int, seed: int = 1) -> tuple[Day, list[Provider]]:
    """The day. Raises ``Stuck`` when a call can never end."""
    day, stand_ins, rng = Day(), providers(seed), random.Random(seed)
    configuration = parse(CONFIGURATION)
    pools = {each.provider: ((f"{each.provider}#1", each),) for each in stand_ins}
    turns = Turns(pools, configuration, now=virtual.now, jitter=rng.random)
    selection = Selection(turns, configuration, PRICES, now=virtual.now)
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()
    watching = asyncio.create_task(_watch(day, turns))
    number = 0
    while (hour := loop.time() / 3_600) < hours:
        rate = at_noon / 3_600 * (0.15 + 0.85 * max(0.0, math.sin(math.pi * ((hour % 24) - 5) / 16)))
        await asyncio.sleep(rng.expovariate(max(rate, 1e-6)))
        number += 1
        one = asyncio.create_task(_call(day, selection, f"call-{number}", rng))
        running.add(one)
        one.add_done_callback(running.discard)
    async with asyncio.timeout(3_600):
        await asyncio.gather(*running)
    watching.cancel()
    return day, stand_ins


async def _call(day: Day, selection: Selection, call: str, rng: random.Random) -> None:
    day.begun += 1
    request = ModelRequest(
        model=rng.choice(["default", "default", "cheap", "fast"]),
        messages=(user(f"{call} " * rng.randint(5, 200)),),
        max_output_tokens=200,
    )
    context = CallContext(task=call, attempt=1, step=0, task_type="t", pack="p", agent="a", untrusted=False, instance="i")
    streamed = rng.random() < 0.7
    decided = CallDecided(
        verdict="allow", reasons=(), rules=(), bundle="b", context=context, kind="model", digest="d", stream=streamed
    )
    plan = selection.choose("acme", call, request, decided)
    journal, loop = _Journal(), asyncio.get_running_loop()
    errand = Errand(
        tenant=rng.choice(["acme", "globex"]),
        call=call,
        context=context,
        request=request,
        chooser=selection,
        patience=plan.patience,
        input_tokens=estimated_input_tokens(request),
        limits=CallLimits(),
        audience=_Listener() if streamed else None,
        permit=lambda _: None,
        now=virtual.now,
    )
    began = loop.time()
    ending = await Execution(errand, plan, journal, jitter=rng.random).run()
    _count(day, ending, loop.time() - began)


def _count(day: Day, ending: Ending, seconds: float) -> None:
    attempts = [*ending.earlier, *([ending.last] if ending.last is not None else [])]
    day.outcomes[ending.outcome] += 1
    if ending.fault is not None:
        day.faults[ending.fault.code] += 1
    if ending.outcome == "completed" and ending.last is not None:
        day.targets[ending.last.target] += 1
        day.seconds.append(seconds)
    day.attempts += len(attempts)
    for attempt in attempts:
        day.continued += attempt.continues
        day.hedged += attempt.outcome == "lost_hedge"
        usd = attempt.cost.usd if attempt.cost is not None else Decimal(0)
        if attempt.estimated:
            day.estimated += 1
            day.estimated_usd += usd
        else:
            day.settled_usd += usd


async def _watch(day: Day, turns: Turns) -> None:
    loop, states = asyncio.get_running_loop(), {"closed": 0.0, "half_open": 0.5, "open": 1.0}
    while True:
        at, now = loop.time() / 3_600, virtual.now()
        for name, known in turns.targets().items():
            day.samples.setdefault(f"breaker {name}", []).append((at, states[known.breaker.state(now)]))
        for pool in turns.pools.values():
            day.samples.setdefault(f"limit {pool.name}", []).append((at, float(pool.keys[0].limit.limit)))
            day.samples.setdefault(f"in flight {pool.name}", []).append((at, float(pool.keys[0].limit.in_flight)))
        if int(at * 3_600) % 3_600 < SAMPLE_S:
            gc.collect()
            day.memory_mb.append(_resident_mb())
        await asyncio.sleep(SAMPLE_S)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def draw(day: Day, path: Path) -> None:
    """Breakers as bars, limits and calls in flight as lines, over the hours."""
    strips = [
        Strip(f"breaker of {name.removeprefix('breaker ')} (half-open, open)", (Line(name, points, step=True),), top=1.0)
        for name, points in day.samples.items()
        if name.startswith("breaker ")
    ]
    for name in sorted({name.partition(" ")[2] for name in day.samples if name.startswith("limit ")}):
        lines = (
            Line("limit", day.samples[f"limit {name}"], step=True),
            Line("in flight", day.samples[f"in flight {name.strip()}"]),
        )
        strips.append(Strip(f"calls at once at {name}: as adapted, and really", lines))
    path.parent.mkdir(exist_ok=True)
    path.write_text(plot("A day at the router", strips))


def main() -> None:
    """See the module. Exits with 1 when something does not hold."""
    hush()
    hours = min(float(sys.argv[1]) if len(sys.argv) > 1 else 24.0, 240.0)
    at_noon = min(int(sys.argv[2]) if len(sys.argv) > 2 else 1_500, 50_000)
    day, stand_ins = virtual.run(simulate(hours, at_noon))
    charged = sum((each.charged for each in stand_ins), Decimal(0))
    graph = OUT / "router-day.svg"
    draw(day, graph)
    calls = day.outcomes.total()
    half = day.memory_mb[len(day.memory_mb) // 2 :]
    rows = [
        ["calls, attempts", f"{calls:,}, {day.attempts:,}"],
        ["outcomes", ", ".join(f"{name} {count}" for name, count in day.outcomes.most_common())],
        ["faults of those that failed", ", ".join(f"{name} {count}" for name, count in day.faults.most_common(5)) or "none"],
        ["answered by", ", ".join(f"{name} {count}" for name, count in day.targets.most_common())],
        ["seconds p50, p99", f"{shown(percentile(day.seconds, 0.5))}, {shown(percentile(day.seconds, 0.99))}"],
        ["continued in mid-answer, lost hedges", f"{day.continued}, {day.hedged}"],
        ["charged by the providers, settled by us", f"{charged} USD, {day.settled_usd} USD"],
        ["estimated for attempts that we ended", f"{day.estimated} attempts, {day.estimated_usd} USD"],
        ["memory at half-time, at the end", f"{half[0]:.0f} MB, {half[-1]:.0f} MB" if half else "too short a run"],
        ["begun and never settled", str(day.begun - calls)],
    ]
    print(table(f"{hours:g} simulated hours", ["what", "seen"], rows))
    print(f"histories: {graph.relative_to(ROOT)}")
    wrong = [] if charged == day.settled_usd else [f"cost differs by {charged - day.settled_usd} USD"]
    if day.begun != calls:
        wrong.append("calls are stuck")
    if half and half[-1] > half[0] * 1.1 + 5:
        wrong.append("memory grows")
    print("\n".join(f"WRONG: {what}" for what in wrong) or "all of it holds")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
