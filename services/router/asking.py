"""Where recorded calls would go under another configuration, for the console. Asked through ``router.query``."""

import asyncio

from pydantic import Field, ValidationError

from agentos.bus import Bus, Route
from agentos.contracts.base import Contract, Json
from agentos.contracts.commands import Answer, Query
from agentos.contracts.envelope import Recorded
from services.router.book import PriceBook
from services.router.configuration import ConfigurationRefused, parse
from services.router.domain.simulation import Sums
from services.router.replay import Gathered, replayed


class RecordedEvent(Contract):
    """An event of a model call, as the API shows it."""

    type: str
    call: str
    data: dict[str, Json]


class Simulation(Contract):
    """A candidate as its YAML file has it, and the events of the calls to send through it."""

    configuration: str = Field(max_length=200_000)
    events: tuple[RecordedEvent, ...] = Field(max_length=20_000)
    seed: int = 0


class RoutingQueries:
    """Answers queries."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("router.query", self.on_query, concurrency=1)]

    async def on_query(self, message: Recorded) -> None:
        """Answer; what is wrong with a candidate is an answer too."""
        query = message.payload(Query)
        _, _, what, request = message.subject.split(".")
        if what != "simulate":
            answer = Answer(ok=False, code="unknown_query", detail=f"there is no query {what!r}")
        else:
            try:
                asked = Simulation.model_validate(query.arguments)
                answer = Answer(ok=True, data=await asyncio.to_thread(simulated, asked))
            except ConfigurationRefused as refused:
                answer = Answer(ok=False, code="configuration.refused", detail=str(refused))
            except ValidationError as bad:
                where = ", ".join(".".join(map(str, each["loc"])) for each in bad.errors(include_input=False))
                answer = Answer(ok=False, code="bad_query", detail=f"this cannot be asked (at: {where[:500]})")
        await self._bus.send("router.answer", (request,), answer, tenant=query.tenant, cause=message)


def simulated(asked: Simulation) -> Json:
    """The comparison, by what was asked for and over all. Raises ConfigurationRefused."""
    configuration = parse(asked.configuration)
    gathered = Gathered()
    for event in asked.events:
        gathered.add(event.type, event.call, event.data)
    said = replayed(gathered.pasts(), configuration, PriceBook(configuration.prices), seed=asked.seed)
    rows: list[Json] = [
        {
            "requested": name or None,
            "was": _shown(said.was.get(name, Sums())),
            "becomes": _shown(said.becomes.get(name, Sums())),
        }
        for name in sorted({*said.was, *said.becomes})
    ]
    return {
        "rows": rows,
        "guessed": dict(said.guessed),
        "unreadable": gathered.unreadable,
        "config": configuration.digest,
    }


def _shown(sums: Sums) -> Json:
    return {
        "calls": sums.calls,
        "completed": sums.completed,
        "attempts": sums.attempts,
        "fallbacks": sums.fallbacks,
        "cost_usd": str(sums.usd),
        "unpriced": sums.unpriced,
        "p50_s": sums.percentile(0.5),
        "p95_s": sums.percentile(0.95),
        "by_target": dict(sums.by_target),
        "unserved": dict(sums.unserved),
    }


__all__ = ["RecordedEvent", "RoutingQueries", "Simulation", "simulated"]
