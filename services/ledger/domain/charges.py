"""What each attempt of a model call cost, and what each cached answer saved: the rows that every sum of money is made of.

An attempt that did not end its call is its own fact, and counts as soon as it is recorded, on the day (UTC) on which it began; the one
that ended it stands in the settlement. Together they are what the settlement says that the call cost.

``number`` is the attempt's, from 1; a cached answer has 0.
"""

from datetime import UTC
from decimal import Decimal

from agentos.contracts.events import call as c
from agentos.contracts.model import Usage
from agentos.contracts.routing import Attempt
from services.ledger.domain.facts import Fact, Row

BLANK: Row = {
    "call": None,
    "number": 0,
    "task_type": None,
    "pack": None,
    "agent": None,
    "api_key": None,
    "end_user": None,
    "provider": None,
    "model": None,
    "key": None,
    "outcome": None,
    "started_at": None,
    "day": None,
    "estimated": False,
    "simulated": False,
    "cached": False,
    "unpriced": False,
    "cost_usd": Decimal(0),
    "saved_usd": Decimal(0),
    "input_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 0,
    "reasoning_tokens": 0,
    "first_seq": 0,
    "last_seq": 0,
}


def of_attempted(fact: Fact) -> tuple[str, ...]:
    """The rows that a ``call.attempted`` changes."""
    data = fact.data
    return (
        (f"{fact.subject.id}.{data.attempt.number}",) if isinstance(data, c.CallAttempted) and data.attempt is not None else ()
    )


def of_settled(fact: Fact) -> tuple[str, ...]:
    """The rows that a ``call.settled`` changes."""
    data = fact.data
    if not isinstance(data, c.ModelCallSettled):
        return ()
    if data.cached is not None:
        return (f"{fact.subject.id}.cached",)
    return (f"{fact.subject.id}.{data.last.number}",) if data.last is not None else ()


def attempted(row: Row, fact: Fact, data: c.CallAttempted) -> Row:
    if data.attempt is None or row["call"] is not None:
        # The settlement counted an attempt of this number already, and what it says is what the call cost.
        return row
    return _charged(row, fact, data.context, data.attempt, simulated=False)


def settled(row: Row, fact: Fact, data: c.ModelCallSettled) -> Row:
    if data.cached is not None:
        saved = Decimal(0) if data.simulated else data.cached.saved.usd
        at = fact.meta.time.astimezone(UTC)
        return (
            row
            | _whose(data.context)
            | {
                "call": fact.subject.id,
                "provider": data.provider,
                "model": data.model,
                "outcome": data.outcome,
                "started_at": at,
                "day": at.date().isoformat(),
                "simulated": data.simulated,
                "cached": True,
                "saved_usd": saved,
            }
        )
    return row if data.last is None else _charged(row, fact, data.context, data.last, simulated=data.simulated)


def _whose(context: c.CallContext) -> Row:
    return {
        "task_type": context.task_type,
        "pack": context.pack,
        "agent": context.agent,
        "api_key": context.api_key,
        "end_user": context.user,
    }


def _charged(row: Row, fact: Fact, context: c.CallContext, attempt: Attempt, *, simulated: bool) -> Row:
    provider, _, model = attempt.target.partition("/")
    simulated = simulated or provider == "simulated"
    cost = attempt.cost
    began = attempt.started_at.astimezone(UTC)
    return (
        row
        | _whose(context)
        | {
            "call": fact.subject.id,
            "number": attempt.number,
            "provider": provider,
            "model": model,
            "key": attempt.key or None,
            "outcome": attempt.outcome,
            "started_at": began,
            "day": began.date().isoformat(),
            "estimated": attempt.estimated,
            "simulated": simulated,
            "unpriced": not simulated and (not cost.priced if cost is not None else attempt.usage != _NOTHING),
            "cost_usd": Decimal(0) if simulated or cost is None else cost.usd,
        }
        | _tokens(attempt.usage)
    )


_NOTHING = Usage()


def _tokens(used: Usage) -> Row:
    return {
        "input_tokens": used.input_tokens,
        "cache_read_tokens": used.cache_read_tokens,
        "cache_write_tokens": used.cache_write_tokens,
        "output_tokens": used.output_tokens,
        "reasoning_tokens": used.reasoning_tokens,
    }
