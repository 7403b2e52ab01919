"""Budgets over a real broker: several instances, a router's catalogue, and rules by hand."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.budgets import Budget, BudgetState, ModelCatalogue, UnitPrice
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import CallDecided, ModelCallSettled, Reservation
from agentos.contracts.model import Cost, Usage
from services.policy.budgets.budgets import Budgets, Demand
from services.policy.questions import Decision, Question
from tests.conftest import Broker
from tests.governance.scenario import TENANT, context, decision

ASKER = Principal(kind="api_key", id="ops")
PRICE = UnitPrice(input_usd=Decimal("0.001"), output_usd=Decimal("0.01"))
CATALOGUE = ModelCatalogue(
    providers=("openai", "ollama", "simulated"),
    aliases={"default": ("openai/gpt-5-mini", "ollama/qwen3")},
    prices={"openai/gpt-5-mini": PRICE, "ollama/*": UnitPrice(input_usd=Decimal(0), output_usd=Decimal(0))},
)


def budget(**fields: Any) -> Budget:
    """A hard budget of ten requests a day for the tenant, with ``fields``."""
    return Budget.model_validate(
        {"id": "b", "key": {"tenant": TENANT}, "metric": "requests", "limit": "10", "window": "day", "mode": "hard"} | fields
    )


def demand(**fields: Any) -> Demand:
    """A call of 100 tokens in and 50 out."""
    given: dict[str, Any] = {
        "asked_at": datetime.now(UTC), "task": "t1", "task_type": "triage", "pack": "engineering", "agent": "a", "requester": ASKER,
        "model": "default", "input_tokens": 100, "max_output_tokens": 50,
    }  # fmt: skip
    return Demand(**(given | fields))


class Rules:
    """An evaluator that names the same budgets for every call."""

    revision = "test"

    def __init__(self, *budgets: Budget) -> None:
        self.budgets: Sequence[Budget] = budgets
        self.said: list[Any] | None = None
        """In place of ``budgets``: anything."""
        self.asked: list[Question] = []

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        named = self.said if self.said is not None else [budget.model_dump(mode="json") for budget in self.budgets]
        return Decision(verdict="allow", reasons=("r",), rules=("r",), obligations={"budgets": named}, revision=self.revision)

    async def close(self) -> None:
        return


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Site:
    """Instances of policy's budgets over one broker, and those whose events they read."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.made: list[Budgets] = []

    async def start(self) -> None:
        self.gateway, self.router, self.policy = [await self.broker.connect(name) for name in ("gateway", "router", "policy")]
        await self.router.bucket("models").put("catalogue", CATALOGUE.model_dump_json().encode())

    async def budgets(self, rules: Rules, clock: Clock | None = None) -> Budgets:
        """One more instance, with a connection of its own."""
        bus = await self.broker.connect("policy")
        made = Budgets(bus, rules, clock=clock) if clock is not None else Budgets(bus, rules)
        self.made.append(made)
        return made

    async def stop(self) -> None:
        for made in self.made:
            await made.close()

    async def state(self, one: Budget) -> BudgetState:
        entry = await self.gateway.bucket("budgets").get(f"{TENANT}.{one.account}")
        assert entry is not None
        return BudgetState.model_validate_json(entry.value or b"")

    async def decide(self, call: str, reservations: tuple[Reservation, ...], **fields: Any) -> CallDecided:
        """The verdict, in the log."""
        decided = decision(reservations=reservations, **fields)
        await self.policy.append("call.decided", call, decided, tenant=TENANT, correlation_id="t1")
        return decided

    async def settle(self, call: str, **fields: Any) -> Recorded:
        """The end of a call, in the log, as policy reads it."""
        settled = ModelCallSettled.model_validate({"context": context(), "outcome": "completed", "attempts": 1} | fields)
        await self.router.append("call.settled", call, settled, tenant=TENANT, correlation_id="t1")
        recorded = await self.policy.get(f"evt.{TENANT}.call.{call}.settled")
        assert recorded is not None
        return recorded


def used(tokens: int = 0, usd: str | None = None, *, priced: bool = True, provider: str = "openai") -> dict[str, Any]:
    """The truth of a settled call."""
    cost = None if usd is None else Cost(usd=Decimal(usd), priced=priced)
    return {"usage": Usage(input_tokens=tokens), "cost": cost, "provider": provider}


async def facts(bus: Bus, kind: str, one: Budget) -> list[Any]:
    """The payloads of an account's events of one kind."""
    return [event.data for event in await bus.load(TENANT, "budget", one.account) if event.channel.name == kind]


@pytest.fixture
async def site(broker: Broker) -> AsyncIterator[Site]:
    made = Site(broker)
    await made.start()
    yield made
    await made.stop()
