"""How much of everything happened in each minute and in each hour: the rows that every curve over time is made of.

A row's id is ``m2026-03-01T12:05`` or ``h2026-03-01T12``, so that a window is a range of ids. Latencies are counted in classes whose
bounds grow by half: a percentile read from them is right to within that.
"""

from datetime import UTC
from decimal import Decimal

from agentos.contracts.events import call as c
from agentos.contracts.events import task as t
from services.ledger.domain.facts import Fact, Row
from services.ledger.domain.tasks import cost_usd

COUNTS = (
    "submitted", "completed", "failed", "refused", "cancelled", "expired",
    "decisions", "denied", "held", "calls", "calls_failed", "tool_calls", "input_tokens", "output_tokens",
)  # fmt: skip

CLASSES_MS = tuple(round(10 * 1.5**n) for n in range(28))
"""Upper bounds of the latency classes, 10 ms to some 9 minutes; one more class holds what is longer."""

BLANK: Row = dict.fromkeys(COUNTS, 0) | {"cost_usd": Decimal(0), "saved_usd": Decimal(0), "latencies": None}


def spans_of(fact: Fact) -> tuple[str, ...]:
    """The minute and the hour in which it was told."""
    at = fact.meta.time.astimezone(UTC).isoformat(timespec="minutes")
    return f"m{at[:16]}", f"h{at[:13]}"


def submitted(row: Row, _: Fact, _data: t.TaskSubmitted) -> Row:
    return row | {"submitted": row["submitted"] + 1}


def settled(row: Row, _: Fact, data: t.TaskSettled) -> Row:
    return row | {data.outcome: row[data.outcome] + 1}


def decided(row: Row, _: Fact, data: c.CallDecided) -> Row:
    return row | {
        "decisions": row["decisions"] + 1,
        "denied": row["denied"] + (data.verdict == "deny"),
        "held": row["held"] + (data.verdict == "hold"),
    }


def model_call_settled(row: Row, _: Fact, data: c.ModelCallSettled) -> Row:
    latencies = row["latencies"]
    if data.outcome == "completed" and data.cached is None:
        latencies = [*(latencies or [0] * (len(CLASSES_MS) + 1))]
        latencies[latency_class(data.duration_ms)] += 1
    saved = data.cached.saved.usd if data.cached is not None and not data.simulated else Decimal(0)
    return row | {
        "calls": row["calls"] + 1,
        "calls_failed": row["calls_failed"] + (data.outcome == "failed"),
        "input_tokens": row["input_tokens"] + data.usage.input_tokens,
        "output_tokens": row["output_tokens"] + data.usage.output_tokens,
        "cost_usd": row["cost_usd"] + cost_usd(data),
        "saved_usd": row["saved_usd"] + saved,
        "latencies": latencies,
    }


def tool_call_settled(row: Row, _: Fact, _data: c.ToolCallSettled) -> Row:
    return row | {"tool_calls": row["tool_calls"] + 1}


def latency_class(duration_ms: int) -> int:
    """Where a latency is counted."""
    return next((place for place, bound in enumerate(CLASSES_MS) if duration_ms <= bound), len(CLASSES_MS))


def percentile_ms(latencies: list[int], share: float) -> int | None:
    """The upper bound of the class in which the share's latency stands; None where nothing was counted."""
    wanted = sum(latencies) * share
    seen = 0
    for place, count in enumerate(latencies):
        seen += count
        if count and seen >= wanted:
            return CLASSES_MS[min(place, len(CLASSES_MS) - 1)]
    return None
