"""The execution of a call without a broker: providers that follow a script, and a log and a listener in memory."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from adapters.port import Answer, Features, ModelAdapter, ProviderError
from agentos.contracts.base import Fault
from agentos.contracts.events.call import CallAttempted, CallDecided
from agentos.contracts.model import Cost, Delta, ModelRequest, ModelResponse, TextDelta, TextPart, Usage, user
from agentos.contracts.routing import Attempt
from services.router.attempts import CallLimits, Errand, Halted, utc_now
from services.router.book import PriceBook
from services.router.choosing import Target
from services.router.configuration import Configuration
from services.router.domain.gathering import Gathered
from services.router.execution import Ending, Execution
from services.router.selection import Selection
from services.router.settling import sums
from services.router.turns import Turns
from tests.governance.scenario import decision

USAGE = Usage(input_tokens=1_000, output_tokens=500)
ASKED = ModelRequest(model="default", messages=(user("Say something long"),), max_output_tokens=1_000)


class Hang:
    """Says nothing more."""


Step = str | Delta | Usage | ProviderError | Hang | Answer
"""``str`` is a text delta."""


def done(text: str, usage: Usage = USAGE, **fields: Any) -> Answer:
    """The end of an answer."""
    response = ModelResponse.model_validate(
        {"provider": "p", "model": "m", "parts": (TextPart(text=text),), "finish_reason": "stop", "usage": usage} | fields
    )
    return Answer(response)


def said(*pieces: str, usage: Usage = USAGE) -> list[Step]:
    """A whole answer in pieces."""
    return [*pieces, done("".join(pieces), usage)]


def failure(kind: Any = "retry", code: str = "server_error", **fields: Any) -> ProviderError:
    """As an adapter raises it."""
    return ProviderError("it failed", kind=kind, provider="p", code=code, **fields)


class Scripted:
    """A provider whose attempts go as written, one script each; the last is used again."""

    def __init__(self, provider: str, *scripts: Sequence[Step], continues: bool = False) -> None:
        self.provider = provider
        self.requests: list[ModelRequest] = []
        self.keys: list[str] = []
        self.continues = continues
        self.closed = 0
        self._scripts = list(scripts)

    def script(self, *scripts: Sequence[Step]) -> None:
        """How the next attempts go."""
        self._scripts = list(scripts)

    def features(self, model: str) -> Features:
        assert model
        return Features(continues=self.continues)

    async def begin(self) -> None:
        """Before the first step."""

    async def complete(self, request: ModelRequest, *, model: str, timeout: timedelta, idempotency_key: str) -> Answer:
        answer: Answer | None = None
        async for item in self.stream(request, model=model, timeout=timeout, idempotency_key=idempotency_key):
            if isinstance(item, Answer):
                answer = item
        assert answer is not None
        return answer

    async def stream(
        self, request: ModelRequest, *, model: str, timeout: timedelta, idempotency_key: str
    ) -> AsyncGenerator[Delta | Usage | Answer]:
        assert timeout > timedelta()
        self.requests.append(request)
        self.keys.append(idempotency_key)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        try:
            await self.begin()
            for step in script:
                await asyncio.sleep(0)
                match step:
                    case str():
                        yield TextDelta(text=step)
                    case Hang():
                        await asyncio.Event().wait()
                    case ProviderError():
                        # Of its own, so that no attempt sees the traceback of another.
                        raise ProviderError(
                            step.message,
                            kind=step.kind,
                            provider=self.provider,
                            code=step.code,
                            status=step.status,
                            retry_after=step.retry_after,
                            usage=step.usage,
                        )
                    case Answer():
                        yield replace(
                            step, response=step.response.model_copy(update={"provider": self.provider, "model": model})
                        )
                    case _:
                        yield step
        finally:
            self.closed += 1

    async def close(self) -> None:
        return


@dataclass
class Listener:
    """Hears an answer as it comes in."""

    heard: list[tuple[int, Delta]] = field(default_factory=list[tuple[int, Delta]])
    crowded: bool = False

    def say(self, attempt: int, target: str, delta: Delta) -> None:
        assert "/" in target
        self.heard.append((attempt, delta))

    async def begun(self) -> None:
        """See ``Audience.begun``."""

    async def room(self) -> None:
        return

    @property
    def text(self) -> str:
        return "".join(delta.text for _, delta in self.heard if isinstance(delta, TextDelta))


@dataclass
class Log:
    """Remembers attempts."""

    noted: list[CallAttempted] = field(default_factory=list[CallAttempted])
    targets: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    settled_elsewhere: bool = False

    async def note(self, attempted: CallAttempted, number: int) -> None:
        assert attempted.attempt is not None
        assert attempted.attempt.number == number
        self.noted.append(attempted)

    async def taken_over(self) -> bool:
        return self.settled_elsewhere

    def at(self, *targets: Target) -> None:
        self.targets.append(tuple(target.name for target in targets))


class Offline:
    """A call over scripted providers, put together as the router does it. ``aliases`` is the chain that "default" stands for."""

    def __init__(
        self,
        *providers: ModelAdapter,
        streams: bool = True,
        request: ModelRequest = ASKED,
        decided: CallDecided | None = None,
        limits: CallLimits | None = None,
        permit: Mapping[str, str] | None = None,
        earlier: Sequence[Attempt] = (),
        said: Gathered | None = None,
        hedge_after: timedelta | None = None,
        chain: Sequence[str] | None = None,
        breaker: Mapping[str, int] | None = None,
        **patience: Any,
    ) -> None:
        names = list(dict.fromkeys(adapter.provider for adapter in providers))
        chain = chain or [f"{name}/m" for name in names]
        hedge = None if hedge_after is None else {"after_s": hedge_after.total_seconds()}
        configuration = Configuration.model_validate(
            {"aliases": {"default": {"targets": chain, "hedge": hedge}}, "breaker": breaker or {}}
        )
        pools = {
            name: tuple((f"{name}#{place}", each) for place, each in enumerate((a for a in providers if a.provider == name), 1))
            for name in names
        }
        self.turns = Turns(pools, configuration, now=utc_now, jitter=lambda: 0.0)
        self.chooser = Selection(self.turns, configuration, PriceBook(), now=utc_now)
        decided = (decided or decision()).model_copy(update={"stream": streams})
        plan = self.chooser.choose("default", "c1", request, decided)
        self.plan = replace(plan, patience=replace(plan.patience, **patience))
        self.log, self.listener = Log(), Listener()
        self._blocked = permit or {}
        errand = Errand(
            tenant="default",
            call="c1",
            context=decided.context,
            request=request,
            chooser=self.chooser,
            patience=self.plan.patience,
            input_tokens=plan.input_tokens,
            limits=limits or CallLimits(),
            audience=self.listener if streams else None,
            permit=self._permit,
        )
        self.execution = Execution(errand, self.plan, self.log, earlier=earlier, said=said, jitter=lambda: 0.0)

    def _permit(self, target: Target) -> None:
        if (why := self._blocked.get(target.name)) is not None:
            raise Halted("refused", Fault(code="killed", message=why), ("kill_switch",))

    async def run(self) -> Ending:
        """To the end; what was spent is checked against the attempts on the way."""
        ending = await self.execution.run()
        self.check(ending)
        return ending

    def check(self, ending: Ending) -> None:
        """The books balance: every attempt is noted once or is the last, numbered from 1, and listeners heard what the answer holds."""
        assert [each.attempt for each in self.log.noted] == list(ending.earlier)[-len(self.log.noted) or len(ending.earlier) :]
        made = [*ending.earlier, *([ending.last] if ending.last is not None else [])]
        assert sorted(attempt.number for attempt in made) == list(range(1, len(made) + 1))
        for attempt in made:
            assert attempt.cost is not None
        if ending.response is not None and self.listener.heard:
            assert ending.response.text.endswith(self.listener.text)

    @staticmethod
    def cost(ending: Ending) -> Cost | None:
        """Of all attempts."""
        return sums([*ending.earlier, *([ending.last] if ending.last is not None else [])])[1]


ZERO = Decimal(0)
