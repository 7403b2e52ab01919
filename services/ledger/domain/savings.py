"""What routing saved: each answered call's cost against what the dearest target that could have served it would have asked. Pure.

When a call is routed, each candidate's price for it at most stands in the log. The answer's real cost, in the proportion of the dearest
eligible candidate's price to the chosen one's, is what it would have cost there. It supposes that the other model would have used as many
tokens. Of a call with one eligible target, without prices, free, simulated or answered from the cache nothing is claimed.

Summed by the minute, the hour and the day in which the call was settled, in rows such as ``m2026-03-01T12:05``, ``h2026-03-01T12`` and
``d2026-03-01``: counted from the version on that has this table, or from a rebuild.
"""

from datetime import UTC
from decimal import Context, Decimal

from agentos.contracts.events.call import ModelCallSettled
from services.ledger.domain.facts import Fact, Row

BLANK: Row = {"calls": 0, "compared": 0, "cost_usd": Decimal(0), "dearest_usd": Decimal(0), "first_at": None}

_EXACT = Context(prec=80)
_PLACES = Decimal("1e-12")
_MOST_USD = Decimal(10) ** 9
"""Of one call: who claims more is broken or hostile, and must not make the sums overflow."""


def spans_of(fact: Fact) -> tuple[str, ...]:
    """The minute, the hour and the day in which it was told."""
    at = fact.meta.time.astimezone(UTC).isoformat()
    return f"m{at[:16]}", f"h{at[:13]}", f"d{at[:10]}"


def settled(row: Row, fact: Fact, data: ModelCallSettled) -> Row:
    cost, dearest = paid(data) or (None, None)
    return row | {
        "calls": row["calls"] + 1,
        "compared": row["compared"] + (cost is not None),
        "cost_usd": row["cost_usd"] + (cost or 0),
        "dearest_usd": row["dearest_usd"] + (dearest or 0),
        "first_at": row["first_at"] or fact.meta.time,
    }


def paid(data: ModelCallSettled) -> tuple[Decimal, Decimal] | None:
    """What the answer cost, and what it would have cost at the dearest target; None where nothing can be said."""
    last, routing = data.last, data.routing
    if last is None or routing is None or last.cost is None or not last.cost.priced:
        return None
    if data.outcome != "completed" or data.simulated or data.cached is not None:
        return None
    asked = {each.target: each.usd for each in routing.candidates if not each.rejected and each.usd is not None}
    chosen = asked.get(last.target, Decimal(0))
    if len(asked) < 2 or chosen <= 0 or not 0 <= last.cost.usd <= _MOST_USD:
        return None
    there = _EXACT.divide(_EXACT.multiply(last.cost.usd, max(asked.values())), chosen)
    return last.cost.usd, min(there, _MOST_USD).quantize(_PLACES, context=_EXACT)


__all__ = ["BLANK", "paid", "settled", "spans_of"]
