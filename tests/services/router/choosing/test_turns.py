"""Turns at provider keys: a key that was refused is probed again, whatever else goes wrong meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.port import ErrorKind, Features, ProviderError
from adapters.simulated import SimulatedAdapter
from agentos.contracts.model import Usage
from services.router.choosing import Prevented, Target
from services.router.configuration import parse
from services.router.turns import Turns

TARGET = Target("simulated", "reader-1", Features())


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def turns(clock: Clock, keys: int = 1) -> Turns:
    pool = [(f"simulated#{number}", SimulatedAdapter()) for number in range(1, keys + 1)]
    return Turns({"simulated": pool}, parse("breaker: {open_s: 10}"), now=clock, jitter=lambda: 0.5)


def refusal(kind: ErrorKind, status: int) -> ProviderError:
    return ProviderError("no", kind=kind, provider="simulated", code=f"http_{status}", status=status)


async def one(made: Turns, error: ProviderError | None) -> str:
    async with made.turn("acme", TARGET, 10) as turn:
        if error is None:
            turn.succeeded(first_token=None, duration=timedelta(seconds=1), usage=Usage(), limits=None)
        else:
            turn.failed(error)
        return turn.key


async def test_a_refused_key_is_left_alone_and_then_probed_again() -> None:
    clock = Clock()
    made = turns(clock)
    await one(made, refusal("needs_operator", 401))
    with pytest.raises(Prevented) as prevented:
        await one(made, None)
    assert prevented.value.code == "no_key"
    clock.later(60)
    assert await one(made, None) == "simulated#1"


async def test_a_probe_that_fails_otherwise_leaves_room_for_the_next() -> None:
    clock = Clock()
    made = turns(clock)
    await one(made, refusal("needs_operator", 401))
    clock.later(60)
    for _ in range(3):
        assert await one(made, refusal("retry", 503)) == "simulated#1"
    assert await one(made, None) == "simulated#1"


async def test_another_key_serves_while_one_is_refused() -> None:
    clock = Clock()
    made = turns(clock, keys=2)
    first = await one(made, refusal("needs_operator", 401))
    assert {await one(made, None) for _ in range(3)} == {"simulated#1", "simulated#2"} - {first}
