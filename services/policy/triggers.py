"""Automatic kill switches: what happens is counted, the rules say when it is too much, gates engages.

Every instance of the policy follows the whole log, so each has all counts; they come from the events' own times, so all instances
reach the same verdict and send the same trip, which counts once. After a restart the last minutes of the log are read again. While the
rules hold no trigger nothing is followed.
"""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from agentos.bus import Bus, Raw
from agentos.bus.claim import HEADER as CLAIM
from agentos.contracts.commands import TripKill
from agentos.contracts.envelope import decode_headers
from agentos.contracts.errors import AgentOSError, NeverRetry, RetryLater, Unavailable
from agentos.contracts.events.kill import KillEased, KillEngaged, KillReleased
from agentos.contracts.ids import derived_id
from agentos.contracts.subjects import EventSubject
from agentos.ending import end
from agentos.telemetry import counter
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import TriggerQuestion, WindowTotals
from services.policy.verdicts import askable
from services.policy.windows import KEPT, Key, Totals, Windows, WindowScope

log = structlog.get_logger(__name__)

_Span = Literal["1m", "5m"]
_Sums = dict[_Span, WindowTotals]
SPANS: dict[_Span, timedelta] = {"1m": timedelta(minutes=1), "5m": KEPT}
_CALLS = ("evt.*.call.*.decided", "evt.*.call.*.settled", "evt.*.tool.*.decided", "evt.*.tool.*.settled")
_SWITCHES = ("evt.*.kill.*.engaged", "evt.*.kill.*.eased.*", "evt.*.kill.*.released")
_ASK_EVERY_S = 1.0
_CONFIGURED_EVERY_S = 5.0


class _Context(BaseModel):
    model_config = ConfigDict(extra="ignore")

    pack: str
    agent: str


class _Cost(BaseModel):
    model_config = ConfigDict(extra="ignore")

    usd: Decimal = Decimal(0)


class _Seen(BaseModel):
    """What is counted of a decision or a settlement; the rest of it, which may be large, is passed over."""

    model_config = ConfigDict(extra="ignore")

    context: _Context
    verdict: str = ""
    outcome: str = ""
    reasons: tuple[str, ...] = ()
    provider: str | None = None
    model: str | None = None
    tool: str | None = None
    cost: _Cost | None = Field(default=None)


class Triggers:
    """``run`` it beside the handlers."""

    def __init__(self, bus: Bus, evaluator: PolicyEvaluator) -> None:
        self._bus = bus
        self._evaluator = evaluator
        self._windows = Windows()
        self._sent: dict[tuple[Key, str], str] = {}
        self._observed: dict[Key, frozenset[str]] = {}
        self._would_trip = counter("agentos_kill_trips_monitored_total", "Trips that triggers on monitor only tell.", ("rule",))
        self._trips = counter("agentos_kill_trips_total", "Kill switches asked for by triggers.", ("trigger",))

    async def run(self) -> None:
        """Until cancelled: follow the log while there are triggers, and ask the rules every second about what has changed."""
        while True:
            while not await self._configured():
                await asyncio.sleep(_CONFIGURED_EVERY_S)
            self._windows = Windows()
            following = asyncio.create_task(self._follow(), name="policy-triggers")
            try:
                await self._ask_on(following)
            finally:
                await end(following)

    async def _ask_on(self, following: "asyncio.Task[None]") -> None:
        """Ask until the rules hold no trigger any more, or what is counted from has ended: then all is read again."""
        checked = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(_ASK_EVERY_S)
            if following.done():
                log.error("triggers_lost_the_log", fault=str(following.exception())[:500])
                return
            try:
                await self.ask(datetime.now(UTC))
            except (Unavailable, RetryLater) as silent:
                # Without an answer no call is allowed either.
                log.warning("triggers_not_asked", code=silent.code, detail=silent.detail)
            if asyncio.get_running_loop().time() - checked > _CONFIGURED_EVERY_S:
                checked = asyncio.get_running_loop().time()
                if not await self._configured():
                    return

    async def _configured(self) -> bool:
        nothing: _Sums = {name: WindowTotals() for name in SPANS}
        try:
            decision = await self._evaluator.decide(
                TriggerQuestion(tenant="none", scope="tenant", target="none", windows=nothing)
            )
        except Unavailable:
            return False
        return bool(decision.obligations.get("triggers"))

    async def _follow(self) -> None:
        tail = self._bus.tail((*_CALLS, *_SWITCHES), start=datetime.now(UTC) - KEPT)
        async with aclosing(tail.updates()) as updates:
            async for raw in updates:
                if raw is None:
                    continue
                try:
                    await self.take(raw)
                except (AgentOSError, ValueError):
                    # What cannot be read is dead-lettered elsewhere; here it is only not counted.
                    log.exception("not_counted", subject=raw.subject)

    async def take(self, raw: Raw) -> None:
        """Count one event, or begin anew for what a switch covered."""
        subject = EventSubject.parse(raw.subject)
        at = decode_headers(raw.headers).time
        if subject.aggregate == "kill":
            await self._restart(raw, subject, at)
            return
        if CLAIM in raw.headers:
            seen = _Seen.model_validate((await self._bus.decode(raw)).data.model_dump())
        else:
            seen = _Seen.model_validate_json(raw.body)
        what = _counted(subject.fact, seen)
        if what is not None:
            self._windows.note(_keys(subject.tenant, seen), at, what)

    async def _restart(self, raw: Raw, subject: EventSubject, at: datetime) -> None:
        event = (await self._bus.decode(raw)).data
        if not isinstance(event, KillEased | KillReleased):
            return
        engaged = await self._bus.get(f"evt.{subject.tenant}.kill.{subject.id}.engaged")
        if engaged is not None and isinstance(engaged.data, KillEngaged):
            self._windows.restart(subject.tenant, engaged.data.scope, engaged.data.target, at)

    async def ask(self, now: datetime) -> None:
        """Have the rules judge what has changed, and send the trips that they ask for. Raises Unavailable, RetryLater."""
        self._windows.forget(now)
        for key in self._windows.changed():
            totals: _Sums = {name: _question(self._windows.totals(key, now, span)) for name, span in SPANS.items()}
            try:
                question = askable(
                    lambda key=key, totals=totals: TriggerQuestion(
                        tenant=key.tenant, scope=key.scope, target=key.target, windows=totals
                    )
                )
            except NeverRetry as odd:
                log.warning("trigger_not_asked", tenant=key.tenant, scope=key.scope, detail=odd.detail)
                continue
            decision = await self._evaluator.decide(question)
            self._observe(key, frozenset(decision.monitored))
            if decision.verdict == "deny" and "trigger" in decision.obligations:
                await self._trip(key, now, decision.obligations, decision.reasons)

    def _observe(self, key: Key, rules: frozenset[str]) -> None:
        """Tell what triggers on monitor would have tripped: each once while it goes on."""
        for rule in sorted(rules - self._observed.get(key, frozenset())):
            log.warning("trigger_would_trip", rule=rule, tenant=key.tenant, scope=key.scope, target=key.target)
            self._would_trip.labels(rule).inc()
        self._observed[key] = rules

    async def _trip(self, key: Key, now: datetime, said: dict[str, object], reasons: tuple[str, ...]) -> None:
        name, cool_down_s = str(said["trigger"]), float(str(said["cool_down_s"]))
        slot = int(now.timestamp() // max(cool_down_s, 1.0))
        # The same in every instance: within one cool-down a trigger trips once, and what people released stays released.
        trip = derived_id("trip", key.tenant, key.scope, key.target, name, str(slot))
        if self._sent.get((key, name)) == trip:
            return
        command = TripKill.model_validate(
            {
                "tenant": key.tenant,
                "scope": said["scope"],
                "target": said["target"],
                "mode": said["mode"],
                "trigger": name,
                "reason": str(said["reason"])[:1_000],
            }
        )
        log.warning("trigger_tripped", trigger=name, scope=key.scope, target=key.target, reasons=reasons)
        await self._bus.send("gates.trip", (trip,), command, tenant=key.tenant, correlation_id=trip)
        self._sent[(key, name)] = trip
        self._trips.labels(name).inc()


def _counted(fact: str, seen: _Seen) -> Totals | None:
    """What an event counts as; None where it counts as nothing."""
    if fact == "decided":
        if "kill_switch" in seen.reasons:
            return None
        return Totals(decided=1, denied=int(seen.verdict == "deny"))
    if seen.outcome not in ("completed", "failed"):
        return None
    usd = seen.cost.usd if seen.cost is not None else Decimal(0)
    return Totals(calls=1, failed=int(seen.outcome == "failed"), spend_usd=usd)


def _keys(tenant: str, seen: _Seen) -> list[Key]:
    context = seen.context
    of: dict[WindowScope, str | None] = {
        "tenant": tenant,
        "pack": context.pack,
        "agent": f"{context.pack}/{context.agent}",
        "provider": seen.provider,
        "model": f"{seen.provider}/{seen.model}" if seen.provider and seen.model else None,
        "tool": seen.tool,
    }
    return [Key(tenant, scope, target) for scope, target in of.items() if target]


def _question(totals: Totals) -> WindowTotals:
    return WindowTotals(
        calls=totals.calls,
        failed=totals.failed,
        decided=totals.decided,
        denied=totals.denied,
        spent_microusd=int(totals.spend_usd * 1_000_000),
    )
