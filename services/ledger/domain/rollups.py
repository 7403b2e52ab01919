"""Sums that are kept up to date as rows change, so that no question about a month has to read a month. Pure.

A row of ``charges``, ``tasks`` or ``calls`` contributes to some sums. When the fold changes it, what it contributed before is taken off
and what it contributes now is added, so that the sums say at every moment what reading all rows would say.

``spend`` holds, for each hour and for each day, one sum of each value of a dimension, and one of all dimensions together: few enough to
be read at once, and enough for every question. ``pack_totals`` has one row a pack.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from services.ledger.domain.facts import Row

Key = tuple[str, str, str]
Sums = dict[str, int | Decimal]

DIMENSIONS = ("pack", "agent", "model", "provider", "task_type", "api_key", "end_user")
"""What a charge can be asked for by, besides its tenant and its day: columns of ``charges``."""
ALL = "*"
"""In the place of a dimension: sums by every dimension at once."""

TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
MONEY = ("cost_usd", "saved_usd")
SPENT = ("calls", "attempts", "cached_calls", "unpriced_attempts", "simulated_attempts", "estimated_attempts", *TOKENS)
"""Counts of ``spend``. A call counts once, with its first attempt or its cached answer, so that groups of any kind sum to the total."""

OUTCOMES = ("completed", "failed", "refused", "cancelled", "expired")
TOTALLED = (*OUTCOMES, "refusals", "calls", "unpriced_calls", "simulated_calls", *TOKENS)
"""Counts of ``pack_totals``: settled tasks by outcome, refused calls of all tasks, and settled model calls."""

KEYS: dict[str, tuple[str, ...]] = {"spend": ("tenant", "by", "span", *DIMENSIONS), "pack_totals": ("tenant", "pack")}
COUNTS: dict[str, tuple[str, ...]] = {"spend": (*SPENT, *MONEY), "pack_totals": (*TOTALLED, "cost_usd")}


MOST_TOKENS = 10**12
"""Of one attempt, in a sum: who claims more is broken or hostile, and must not make the sums overflow."""


def hour_of(at: datetime) -> str:
    """The span of an hour, such as ``h2026-03-01T12``."""
    return f"h{at.astimezone(UTC).isoformat()[:13]}"


def day_of(at: datetime) -> str:
    """The span of a day, such as ``d2026-03-01``."""
    return f"d{at.astimezone(UTC).isoformat()[:10]}"


def changes(before: Mapping[Key, Row], after: Mapping[Key, Row]) -> dict[str, list[Row]]:
    """By table, what to add to its rows: their keys, and how much more of everything."""
    charged: dict[tuple[str, ...], Sums] = {}
    totalled: dict[tuple[str, ...], Sums] = {}
    into = {"charges": charged, "tasks": totalled, "calls": totalled}
    for key, row in after.items():
        contribution = _CONTRIBUTION.get(key[0])
        if contribution is None:
            continue
        for sign, one in ((-1, before.get(key)), (1, row)):
            found = None if one is None else contribution(one)
            if found is not None:
                _add(into[key[0]], *found, sign)
    sums_of = {"spend": _spent(charged), "pack_totals": totalled}
    return {table: rows for table, sums in sums_of.items() if (rows := _rows(table, sums))}


def _add(into: dict[tuple[str, ...], Sums], of: tuple[str, ...], more: Sums, sign: int) -> None:
    sums = into.setdefault(of, {})
    for name, n in more.items():
        if n:
            sums[name] = sums.get(name, 0) + sign * n


def _rows(table: str, sums_of: Mapping[tuple[str, ...], Sums]) -> list[Row]:
    return [
        dict(zip(KEYS[table], of, strict=True)) | {name: sums.get(name, _ZERO.get(name, 0)) for name in COUNTS[table]}
        for of, sums in sums_of.items()
        if any(sums.values())
    ]


_ZERO = {name: Decimal(0) for name in MONEY}


def _spent(charged: Mapping[tuple[str, ...], Sums]) -> dict[tuple[str, ...], Sums]:
    """From sums by tenant, hour and all dimensions to every sum of ``spend``: charges of a batch are alike, so that few are parted."""
    found: dict[tuple[str, ...], Sums] = {}
    for (tenant, hour, *values), sums in charged.items():
        for span in (hour, f"d{hour[1:11]}"):
            for place, dimension in enumerate(DIMENSIONS):
                alone = (value if other == place else "" for other, value in enumerate(values))
                _add(found, (tenant, dimension, span, *alone), sums, 1)
            _add(found, (tenant, ALL, span, *values), sums, 1)
    return found


Contribution = tuple[tuple[str, ...], Sums] | None
"""What a row counts under, and what it counts for."""


def _charge(row: Row) -> Contribution:
    began: datetime | None = row["started_at"]
    if began is None:
        return None
    made = not row["cached"]
    sums: Sums = {
        "calls": int(row["number"] <= 1),
        "attempts": int(made),
        "cached_calls": int(not made),
        "unpriced_attempts": int(made and row["unpriced"]),
        "simulated_attempts": int(made and row["simulated"]),
        "estimated_attempts": int(made and row["estimated"]),
        **_tokens(row),
        **{name: row[name] for name in MONEY},
    }
    return (row["tenant"], hour_of(began), *(row[name] or "" for name in DIMENSIONS)), sums


def _task(row: Row) -> Contribution:
    if row["pack"] is None:
        return None
    sums: Sums = {"refusals": row["refusals"]}
    if row["state"] == "settled" and row["outcome"] in OUTCOMES:
        sums[row["outcome"]] = 1
    return (row["tenant"], row["pack"]), sums


def _call(row: Row) -> Contribution:
    if row["pack"] is None or row["kind"] != "model" or row["state"] != "settled":
        return None
    counts = {"calls": 1, "unpriced_calls": int(row["unpriced"]), "simulated_calls": int(row["simulated"])}
    return (row["tenant"], row["pack"]), {**counts, **_tokens(row), "cost_usd": row["cost_usd"]}


def _tokens(row: Row) -> dict[str, int]:
    return {name: max(-MOST_TOKENS, min(row[name], MOST_TOKENS)) for name in TOKENS}


_CONTRIBUTION: dict[str, Callable[[Row], Contribution]] = {"charges": _charge, "tasks": _task, "calls": _call}
