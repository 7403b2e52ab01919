"""What the router says of its models and their highest prices."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agentos.contracts.budgets import ModelCatalogue
from agentos.contracts.model import Usage
from services.router.book import PriceBook
from services.router.catalogue import catalogue_of, publish
from services.router.configuration import Configuration
from tests.conftest import Broker

BOOK = PriceBook()


def test_without_keys_everything_is_free_and_the_price_table_is_not_needed() -> None:
    catalogue = catalogue_of(["simulated", "ollama"], {"default": ("simulated/echo",)}, BOOK)
    assert set(catalogue.prices) == {"simulated/*", "ollama/*"}
    assert catalogue.aliases == {"default": ("simulated/echo",)}


def test_models_of_providers_that_are_on_have_prices_and_others_have_none() -> None:
    catalogue = catalogue_of(["openai"], {"default": ("openai/gpt-5-mini-2025-08-07", "anthropic/claude-haiku-4-5")}, BOOK)
    assert {"openai/gpt-5-mini", "openai/gpt-5-mini-2025-08-07"} <= set(catalogue.prices)
    assert {target.partition("/")[0] for target in catalogue.prices} == {"openai"}
    assert BOOK.highest("openai/a-model-of-nobody") is None
    assert BOOK.highest("nobody/gpt-5-mini") is None


def test_what_the_operator_has_priced_is_in_it_also_of_a_provider_that_no_table_lists() -> None:
    own = {"prices": [{"input_per_mtok": 1, "output_per_mtok": 2, "per_request": "0.01"}]}
    book = PriceBook(Configuration.model_validate({"models": {"mine/m": own, "ollama/llama": own, "off/m": own}}).prices)
    prices = catalogue_of(["mine", "ollama"], {}, book).prices
    assert set(prices) == {"mine/m", "ollama/llama", "ollama/*"}
    assert prices["mine/m"].request_usd == Decimal("0.01")


@pytest.mark.parametrize(
    "model", ["openai/gpt-5-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro", "deepseek/deepseek-chat"]
)
@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=900, output_tokens=300),
        Usage(cache_write_tokens=5_000, output_tokens=10),
        Usage(input_tokens=10, cache_read_tokens=5_000),
        Usage(input_tokens=450_000, output_tokens=60_000),
    ],
)
def test_the_highest_price_is_never_below_what_a_call_costs_in_the_end(model: str, usage: Usage) -> None:
    highest = BOOK.highest(model)
    assert highest is not None
    cost = BOOK.price(model, usage, datetime.now(UTC))
    assert cost.priced
    tokens_in = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    assert Decimal(0) < cost.usd <= highest.input_usd * tokens_in + highest.output_usd * usage.output_tokens


async def test_the_catalogue_stands_where_policy_reads_it(broker: Broker) -> None:
    router, policy = await broker.connect("router"), await broker.connect("policy")
    await publish(router, ["simulated"], {"default": ("simulated/echo",)}, BOOK)
    entry = await policy.bucket("models").get("catalogue")
    assert entry is not None
    assert ModelCatalogue.model_validate_json(entry.value or b"").providers == ("simulated",)
