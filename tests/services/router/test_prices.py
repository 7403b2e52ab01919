"""Prices: those of the maintained table to the last digit, the operator's own over them, by day, hour, size and class."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as TableUsage
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.contracts.model import Usage
from services.router.book import PriceBook
from services.router.configuration import Configuration, ConfigurationRefused, parse
from services.router.prices.listed import PROVIDER_IDS, listed_periods, listed_targets

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LISTED = sorted(target for provider in PROVIDER_IDS for target in listed_targets(provider))
BOOK = PriceBook()


def book(**models: Any) -> PriceBook:
    """With the operator's prices by "provider/model" in which ``__`` stands for the slash."""
    named = {name.replace("__", "/").replace("_", "-"): {"prices": prices} for name, prices in models.items()}
    return PriceBook(Configuration.model_validate({"models": named}).prices)


def usd(prices: PriceBook, target: str, at: datetime = NOON, **tokens: int) -> Decimal | None:
    cost = prices.price(target, Usage(**tokens), at)
    return cost.usd if cost.priced else None


tokens = st.integers(0, 400_000)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(LISTED), tokens, tokens, tokens, tokens, st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)), st.data()
)
def test_what_the_table_lists_costs_what_the_table_says(
    target: str, plain: int, read: int, write: int, out: int, at: datetime, data: st.DataObject
) -> None:
    provider, _, model = target.partition("/")
    hour = data.draw(st.integers(0, write)) if provider == "anthropic" else 0
    usage = Usage(
        input_tokens=plain, cache_read_tokens=read, cache_write_tokens=write, cache_write_1h_tokens=hour, output_tokens=out
    )
    if not listed_periods(target):
        assert usage == Usage() or usd(BOOK, target, at.replace(tzinfo=UTC), **usage.model_dump()) is None
        return
    theirs = TableUsage(
        input_tokens=plain + read + write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=hour,
        output_tokens=out,
    )
    moment = at.replace(tzinfo=UTC)
    table = calc_price(theirs, model_ref=model, provider_id=PROVIDER_IDS[provider], genai_request_timestamp=moment)
    if usage != Usage():
        assert usd(BOOK, target, moment, **usage.model_dump()) == table.total_price


def test_every_price_of_the_table_is_exact_to_a_millionth_of_a_millionth() -> None:
    rates = [rates for target in LISTED for period in listed_periods(target) for rates in period.tiers]
    assert len(rates) > 200
    for one in rates:
        for price in (one.input, one.output, one.cache_read, one.cache_write, one.cache_write_1h):
            assert price == price.quantize(Decimal("1e-6"))


def test_an_hour_in_anthropics_cache_costs_what_the_table_says_and_twice_the_input_where_only_the_operator_speaks() -> None:
    hour = usd(BOOK, "anthropic/claude-sonnet-4-5", cache_write_tokens=1_000_000, cache_write_1h_tokens=1_000_000)
    short = usd(BOOK, "anthropic/claude-sonnet-4-5", cache_write_tokens=100_000)
    assert (hour, short) == (Decimal(12), Decimal("0.375")), "above 200,000 tokens everything is dearer"
    own = book(anthropic__mine=[{"input_per_mtok": "1", "output_per_mtok": "2"}])
    assert usd(own, "anthropic/mine", cache_write_tokens=10**6, cache_write_1h_tokens=10**6) == 2
    assert usd(own, "anthropic/mine", cache_write_tokens=10**6) == 1
    mixed = usd(own, "anthropic/mine", cache_write_tokens=10**6, cache_write_1h_tokens=250_000)
    assert mixed == Decimal("0.25") * 2 + Decimal("0.75")


def test_the_operators_prices_hold_from_their_day_on_and_the_table_before() -> None:
    own = book(openai__gpt_5_mini=[{"from": "2026-11-01", "input_per_mtok": "0.1", "output_per_mtok": "0.2"}])
    last, first = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert usd(own, "openai/gpt-5-mini", last, input_tokens=10**6) == Decimal("0.25")
    assert usd(own, "openai/gpt-5-mini", first, input_tokens=10**6) == Decimal("0.1")
    tokyo = first.astimezone(datetime.now().astimezone().tzinfo)
    assert usd(own, "openai/gpt-5-mini", tokyo, input_tokens=10**6) == Decimal("0.1"), (
        "the day is UTC's, whatever the clock says"
    )


def test_of_several_own_prices_the_latest_that_has_begun_counts_and_the_hour_before_the_day() -> None:
    prices = [
        {"from": "2026-06-01", "input_per_mtok": 2, "output_per_mtok": 2},
        {"from": "2026-06-01", "hours": "22:00-06:00", "input_per_mtok": 1, "output_per_mtok": 1},
        {"from": "2026-01-01", "input_per_mtok": 9, "output_per_mtok": 9},
    ]
    own = book(mine__model=prices)
    day = datetime(2026, 7, 1, tzinfo=UTC)
    for hour, expected in ((5, 1), (6, 2), (21, 2), (22, 1), (23, 1)):
        assert usd(own, "mine/model", day + timedelta(hours=hour), input_tokens=10**6) == expected
    assert usd(own, "mine/model", datetime(2026, 5, 31, 23, tzinfo=UTC), input_tokens=10**6) == 9
    assert usd(own, "mine/model", datetime(2025, 12, 31, tzinfo=UTC), input_tokens=1) is None, "nobody said what it cost then"


def test_above_a_size_every_token_costs_the_tiers_price_and_each_attempt_its_own() -> None:
    tier = {"above_input_tokens": 1000, "input_per_mtok": 10, "output_per_mtok": 20}
    own = book(mine__m=[{"input_per_mtok": 1, "output_per_mtok": 2, "per_request": "0.005", "tiers": [tier]}])
    assert usd(own, "mine/m", input_tokens=1000, output_tokens=100) == Decimal("0.005") + Decimal("0.0012")
    assert usd(own, "mine/m", input_tokens=600, cache_read_tokens=401) == Decimal("0.005") + Decimal("0.01001")
    assert own.at_most("mine/m", 1001, 10) == Decimal("0.005") + Decimal("0.01021")


def test_what_is_local_is_free_unless_the_operator_says_otherwise_and_a_stranger_has_no_price() -> None:
    assert usd(BOOK, "ollama/llama", input_tokens=10**9) == 0
    assert usd(BOOK, "simulated/echo", output_tokens=10**9) == 0
    assert usd(BOOK, "nobody/model", input_tokens=1) is None
    assert usd(BOOK, "openai/a-model-of-nobody", input_tokens=1) is None
    assert usd(BOOK, "nobody/model") == 0, "what used nothing cost nothing"
    assert usd(book(ollama__llama=[{"input_per_mtok": 1, "output_per_mtok": 1}]), "ollama/llama", input_tokens=10**6) == 1


def test_the_highest_price_covers_every_later_hour_and_day_and_is_unknown_where_one_of_them_is() -> None:
    later = [
        {"input_per_mtok": 1, "output_per_mtok": 1},
        {"from": "2199-01-01", "hours": "10:00-11:00", "input_per_mtok": 7, "output_per_mtok": 8, "per_request": "0.5"},
    ]
    highest = book(mine__m=later).highest("mine/m")
    assert highest is not None
    assert (highest.input_usd, highest.output_usd, highest.request_usd) == (Decimal("7e-6"), Decimal("8e-6"), Decimal("0.5"))
    past = [{"from": "2020-01-01", "input_per_mtok": 9, "output_per_mtok": 9}, {"from": "2021-01-01", **later[0]}]
    assert (highest := book(mine__m=past).highest("mine/m")) is not None
    assert highest.input_usd == Decimal("1e-6"), "what is over is over"
    assert book(mine__m=[{"from": "2199-01-01", **later[0]}]).highest("mine/m") is None
    assert book(mine__m=[{"hours": "10:00-11:00", **later[0]}]).highest("mine/m") is None


def test_new_prices_hold_for_what_is_priced_from_then_on() -> None:
    own = book(mine__m=[{"input_per_mtok": 1, "output_per_mtok": 1}])
    assert usd(own, "mine/m", input_tokens=10**6) == 1
    own.configure(parse("models: {mine/m: {prices: [{input_per_mtok: 3, output_per_mtok: 3}]}}").prices)
    assert usd(own, "mine/m", input_tokens=10**6) == 3


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{output_per_mtok: 1}", "models.a/b.prices.0.input_per_mtok: Field required"),
        ("{input_per_mtok: -1, output_per_mtok: 1}", "input_per_mtok: Input should be greater than or equal to 0"),
        ("{input_per_mtok: .nan, output_per_mtok: 1}", "input_per_mtok: Input should be a finite number"),
        ("{input_per_mtok: 0.1234567, output_per_mtok: 1}", "no more than 6 decimal places"),
        ("{input_per_mtok: cheap, output_per_mtok: 1}", "input_per_mtok: Input should be a valid decimal"),
        ("{input_per_mtok: 1, output_per_mtok: 1, from: yesterday}", "prices.0.from"),
        ("{input_per_mtok: 1, output_per_mtok: 1, from: 2026-01-01T10:00:00Z}", "prices change at midnight UTC"),
        ("{input_per_mtok: 1, output_per_mtok: 1, hours: night}", "are no two times of the day"),
        ("{input_per_mtok: 1, output_per_mtok: 1, hours: '10:00-10:00'}", "two different times of the day"),
        ("{input_per_mtok: 1, output_per_mtok: 1, hours: '10:00+02:00-11:00'}", "without a zone"),
        ("{input_per_mtok: 1, output_per_mtok: 1, hours: 1030}", "two times of the day in UTC"),
        ("{input_per_mtok: 1, output_per_mtok: 1, currency: EUR}", "prices.0.currency: Extra inputs are not permitted"),
        (
            "{input_per_mtok: 1, output_per_mtok: 1, tiers: ["
            "{above_input_tokens: 9, input_per_mtok: 1, output_per_mtok: 1},"
            "{above_input_tokens: 9, input_per_mtok: 2, output_per_mtok: 2}]}",
            "ascending order of above_input_tokens",
        ),
    ],
)
def test_a_price_that_makes_no_sense_is_refused_with_its_place(entry: str, told: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        parse(f"models: {{a/b: {{prices: [{entry}]}}}}")
    assert told in str(refused.value)
