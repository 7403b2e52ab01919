"""Recorded traffic through another configuration: the same story gives what was recorded, another one what would have been."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from agentos.contracts.model import Usage
from services.router.domain.breaker import BreakerRules
from services.router.domain.candidates import Ability, Needs
from services.router.domain.retries import ErrorKind, Patience
from services.router.domain.simulation import Alternative, Comparison, Past, Try, World, compare

START = datetime(2026, 1, 1, tzinfo=UTC)
NEEDS = Needs(
    "generate", 100, 50, tools=False, json_schema=False, images=False, image_urls=False, thinking=False, streaming=False
)
PRICES = {"openai/dear": Decimal("0.02"), "deepseek/cheap": Decimal("0.001"), "gemini/new": Decimal("0.005")}


def attempt(target: str, second: float, error: ErrorKind | None = None, *, seconds: float = 1.0) -> Try:
    return Try(
        target,
        START + timedelta(seconds=second),
        timedelta(seconds=seconds),
        error=error,
        usd=Decimal(0) if error else PRICES[target],
    )


def past(number: int, *tries: Try, requested: str = "default", completed: bool = True) -> Past:
    return Past(f"call-{number}", tries[0].at, requested, NEEDS, Usage(input_tokens=100, output_tokens=50), tries, completed)


def world(aliases: Mapping[str, Alternative]) -> World:
    return World(
        aliases,
        ability=Ability,
        price=lambda target, _usage, _at: PRICES.get(target),
        alive=frozenset({"openai", "deepseek", "gemini"}),
        breaker=BreakerRules(),
        patience=Patience(),
    )


def replayed(pasts: Sequence[Past], through: World, seed: int = 0) -> Comparison:
    return compare(pasts, through, random.Random(seed))


CALM = [past(n, attempt("openai/dear", n * 10)) for n in range(200)]


def test_the_configuration_that_was_in_force_gives_what_was_recorded() -> None:
    said = replayed(CALM, world({"default": Alternative(("openai/dear",))}))
    was, becomes = said.was[""], said.becomes[""]
    assert (becomes.calls, becomes.completed, becomes.usd) == (was.calls, was.completed, was.usd) == (200, 200, Decimal(4))
    assert becomes.percentile(0.5) == was.percentile(0.5) == 1.0
    assert said.guessed == {}


def test_a_cheaper_target_costs_what_its_price_says_and_is_told_to_be_a_guess_where_nobody_tried_it() -> None:
    said = replayed(CALM, world({"default": Alternative(("openai/dear", "gemini/new"), ordering="cost")}))
    assert said.becomes[""].usd == Decimal(1)
    assert said.becomes[""].by_target == {"gemini/new": 200}
    assert said.guessed == {"gemini/new": "all other models"}


def test_failures_are_met_again_and_a_fallback_mends_them() -> None:
    bad = [past(n, attempt("openai/dear", n * 10, "retry"), completed=False) for n in range(200)]
    good = [past(1_000 + n, attempt("deepseek/cheap", n * 10 + 5), requested="other") for n in range(200)]
    alone = replayed(
        [*bad, *good], world({"default": Alternative(("openai/dear",)), "other": Alternative(("deepseek/cheap",))})
    )
    assert alone.becomes["default"].completed == 0
    mended = replayed(
        [*bad, *good],
        world({"default": Alternative(("openai/dear", "deepseek/cheap")), "other": Alternative(("deepseek/cheap",))}),
    )
    assert mended.becomes["default"].completed == 200
    assert mended.becomes["default"].by_target == {"deepseek/cheap": 200}
    # The breaker spares most calls the attempt that fails.
    assert mended.becomes["default"].attempts < 400


def test_the_same_seed_gives_the_same_result() -> None:
    mixed = [past(n, attempt("openai/dear", n, "retry" if n % 3 == 0 else None, seconds=n % 7 + 0.5)) for n in range(300)]
    told = world({"default": Alternative(("openai/dear",))})
    assert replayed(mixed, told, 7).becomes[""] == replayed(mixed, told, 7).becomes[""]


def test_a_call_that_nobody_could_serve_is_counted_with_the_reason() -> None:
    said = replayed(CALM, world({"default": Alternative(("mistral/x",))}))
    assert said.becomes[""].unserved == {"provider_off": 200}
    assert replayed(CALM, world({})).becomes[""].unserved == {"unknown_model": 200}


def test_every_call_ends() -> None:
    kinds: list[ErrorKind | None] = [None, "retry", "wait", "other_provider", "never", "needs_operator"]
    mixed = [past(n, attempt("openai/dear", n, kinds[n % 6]), completed=n % 6 == 0) for n in range(600)]
    sums = replayed(mixed, world({"default": Alternative(("openai/dear", "deepseek/cheap"))})).becomes[""]
    assert sums.completed + sums.failed == sums.calls == 600
    assert len(sums.seconds) == sums.by_target.total() == sums.completed > 0
