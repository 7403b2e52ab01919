"""In which order those targets are tried that can serve a request. Pure, and the same for the same call id: a replay chooses alike."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agentos.contracts.routing import BreakerState, Ordering


@dataclass(frozen=True, slots=True)
class Standing:
    """How a target stands at this moment. ``usd`` None: unpriced."""

    target: str
    listed: int
    """Its place in the alias, or in the policy's list."""
    usd: Decimal | None = None
    latency_ms: float = 1_000.0
    quality: int | None = None
    weight: float = 1.0
    breaker: BreakerState = "closed"
    wants_probe: bool = False
    """It is half-open, and one more call may find out whether it is well again."""
    full: bool = False
    """Its limits leave no room at this moment."""


def order(standings: Sequence[Standing], ordering: Ordering, *, call: str, sticky: str | None = None) -> list[str]:
    """Targets, best first.

    What is open comes last, what is being probed or full before it: they are fallbacks at best. A half-open target that lacks a probe stands
    where it would if it were well: if nobody were sent there, it would never be known to be. Among those a sticky target comes first; then
    the ordering decides; equal ones are drawn by weight, and listed targets with different weights are drawn as well.
    """
    return [
        each.target
        for each in sorted(
            standings,
            key=lambda one: (
                _health(one),
                0 if one.target == sticky and _health(one) == 0 else 1,
                _rank(one, ordering, weighted=_weighted(standings)),
                -_lot(call, one),
                one.listed,
            ),
        )
    ]


def _health(one: Standing) -> int:
    if one.breaker == "open":
        return 3
    if one.breaker == "half_open" and not one.wants_probe:
        return 2
    return 1 if one.full else 0


def _weighted(standings: Sequence[Standing]) -> bool:
    return any(one.weight != 1.0 for one in standings)


def _rank(one: Standing, ordering: Ordering, *, weighted: bool) -> float:
    match ordering:
        case "listed":
            return 0.0 if weighted else float(one.listed)
        case "cost":
            # Unpriced is dearest: nobody knows what it is.
            return math.inf if one.usd is None else float(one.usd)
        case "latency":
            # Differences below a tenth are noise; without steps the best one would get everything.
            return math.floor(math.log(max(one.latency_ms, 1.0)) / math.log(1.1))
        case "quality":
            return -float(one.quality or 0)


def _lot(call: str, one: Standing) -> float:
    """A draw by weight (Efraimidis and Spirakis 2006): the highest of u^(1/w) is drawn with probability w over the sum of weights."""
    if one.weight <= 0:
        return -1.0
    drawn = int.from_bytes(hashlib.blake2b(f"{call}\x00{one.target}".encode(), digest_size=8).digest(), "big")
    return ((drawn + 1) / (2**64 + 1)) ** (1.0 / one.weight)


def sticky_target(prefix: str, targets: Sequence[str], weights: Mapping[str, float]) -> str | None:
    """The target for a prefix by rendezvous hashing: every instance says the same, and few prefixes move when a target goes."""
    return max(targets, key=lambda target: _lot(prefix, Standing(target, 0, weight=weights.get(target, 1.0))), default=None)
