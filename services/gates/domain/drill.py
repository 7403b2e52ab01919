"""Drills, pure: from what was measured to what is written down."""

import math
from collections.abc import Mapping, Sequence

from agentos.contracts.commands import DrillKill
from agentos.contracts.events.kill import InstanceReach, KillDrilled


def drilled(command: DrillKill, measured: Mapping[str, Sequence[float | None]]) -> KillDrilled:
    """The figures by instance (``<service>.<instance>``) and over all. None is a round without an answer in time."""
    everything = [one for rounds in measured.values() for one in rounds if one is not None]
    return KillDrilled(
        rounds=command.rounds,
        reason=command.reason,
        by=command.by,
        instances=tuple(_reach(name, rounds) for name, rounds in sorted(measured.items())),
        p50_ms=_percentile(everything, 0.5),
        p99_ms=_percentile(everything, 0.99),
        max_ms=_percentile(everything, 1.0),
    )


def _reach(name: str, rounds: Sequence[float | None]) -> InstanceReach:
    service, _, instance = name.partition(".")
    seen = [one for one in rounds if one is not None]
    return InstanceReach(
        service=service,
        instance=instance,
        seen=len(seen),
        missed=len(rounds) - len(seen),
        p50_ms=_percentile(seen, 0.5),
        p99_ms=_percentile(seen, 0.99),
        max_ms=_percentile(seen, 1.0),
    )


def _percentile(values: Sequence[float], share: float) -> float | None:
    """An observed value, never one between two; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)
