"""What can serve a request, and in which order it is tried."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.contracts.model import ImagePart, JsonSchemaFormat, Message, ModelRequest, Thinking, ToolSpec, user
from agentos.contracts.routing import Ordering
from services.router.domain.candidates import Ability, Needs, judge, needs_of
from services.router.domain.ordering import Standing, order, sticky_target

ORDERINGS: tuple[Ordering, ...] = ("listed", "cost", "latency", "quality")
ALIVE = {"openai", "anthropic"}
PLAIN = ModelRequest(messages=(user("hello"),), max_output_tokens=100)
PICTURE = Message(role="user", parts=(ImagePart(url="https://example.com/a.png"),))
WITH_TOOL = PLAIN.model_copy(update={"tools": (ToolSpec(name="t", description="", parameters={}),)})


def needs(request: ModelRequest = PLAIN, **more: Any) -> Needs:
    return replace(needs_of(request, input_tokens=50, streaming=False), **more)


@pytest.mark.parametrize(
    ("ability", "asked", "code"),
    [
        (Ability("gemini/x"), needs(), "provider_off"),
        (Ability("openai/x"), needs(providers=frozenset({"anthropic"})), "not_permitted"),
        (Ability("openai/x"), needs(models=("openai/y",)), "not_permitted"),
        (Ability("openai/x"), needs(regions=frozenset({"eu"})), "residency"),
        (Ability("openai/x", regions=frozenset({"us"})), needs(regions=frozenset({"eu"})), "residency"),
        (Ability("openai/x", refuses_data=frozenset({"SECRET"})), needs(data_classes=frozenset({"SECRET"})), "data_class"),
        (Ability("openai/x", context_tokens=40), needs(), "context_too_long"),
        (Ability("openai/x", context_tokens=120), needs(), "no_room_for_output"),
        (Ability("openai/x", max_output_tokens=99), needs(), "output_too_long"),
        (Ability("openai/x", tools=False), needs(WITH_TOOL), "no_tools"),
        (
            Ability("openai/x", json_schema=False),
            needs(PLAIN.model_copy(update={"response_format": JsonSchemaFormat(name="a", json_schema={})})),
            "no_json_schema",
        ),
        (Ability("openai/x", images=False), needs(PLAIN.model_copy(update={"messages": (PICTURE,)})), "no_vision"),
        (Ability("openai/x", image_urls=False), needs(PLAIN.model_copy(update={"messages": (PICTURE,)})), "no_image_urls"),
        (Ability("openai/x", thinking=False), needs(PLAIN.model_copy(update={"thinking": Thinking(effort="high")})), "no_thinking"),
        (Ability("openai/x", streaming=False), needs(streaming=True), "no_streaming"),
        (Ability("openai/x"), needs(PLAIN.model_copy(update={"kind": "embed"})), "no_embeddings"),
        (Ability("openai/x", generates=False), needs(), "embeddings_only"),
    ],
)  # fmt: skip
def test_each_objection_has_its_code_and_stands_alone(ability: Ability, asked: Needs, code: str) -> None:
    assert judge(ability, asked, ALIVE).rejected == (code,)


def test_what_nobody_knows_rejects_nothing_but_a_demand_for_a_region() -> None:
    assert judge(Ability("openai/x"), needs(), ALIVE).rejected == ()


def test_thinking_switched_off_needs_no_thinking_model() -> None:
    assert not needs(PLAIN.model_copy(update={"thinking": Thinking(effort="none")})).thinking


A = Standing("a/1", 0, usd=Decimal("0.02"), latency_ms=100, quality=2)
B = Standing("b/1", 1, usd=Decimal("0.01"), latency_ms=900, quality=5)
C = Standing("c/1", 2, usd=None, latency_ms=300, quality=None)


@pytest.mark.parametrize(
    ("ordering", "best_first"),
    [
        ("listed", ["a/1", "b/1", "c/1"]),
        ("cost", ["b/1", "a/1", "c/1"]),
        ("latency", ["a/1", "c/1", "b/1"]),
        ("quality", ["b/1", "a/1", "c/1"]),
    ],
)
def test_each_ordering_goes_by_its_figure(ordering: Ordering, best_first: list[str]) -> None:
    assert order([A, B, C], ordering, call="x") == best_first


def test_what_is_open_comes_last_whatever_it_costs() -> None:
    broken = Standing("b/1", 1, usd=Decimal("0.01"), breaker="open")
    assert order([broken, A, C], "cost", call="x") == ["a/1", "c/1", "b/1"]


def test_a_half_open_target_gets_its_probe_and_no_more_than_that() -> None:
    ill = Standing("a/1", 0, breaker="half_open", wants_probe=True)
    assert order([ill, B], "listed", call="x") == ["a/1", "b/1"]
    assert order([replace(ill, wants_probe=False), B], "listed", call="x") == ["b/1", "a/1"]


def test_a_sticky_target_comes_first_while_it_is_well() -> None:
    assert order([A, B, C], "listed", call="x", sticky="c/1")[0] == "c/1"
    ill = Standing("c/1", 2, breaker="half_open")
    assert order([A, B, ill], "listed", call="x", sticky="c/1")[0] == "a/1"


def test_weights_are_the_shares_of_calls() -> None:
    pair = [Standing("a/1", 0, weight=3.0), Standing("b/1", 1, weight=1.0)]
    first = Counter(order(pair, "listed", call=f"call-{n}")[0] for n in range(4_000))
    assert 0.71 < first["a/1"] / 4_000 < 0.79


def test_a_weight_of_nothing_is_a_fallback_only() -> None:
    pair = [Standing("a/1", 0, weight=0.0), Standing("b/1", 1, weight=1.0)]
    assert {order(pair, "listed", call=f"call-{n}")[0] for n in range(200)} == {"b/1"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True), st.sampled_from(ORDERINGS), st.text())
def test_an_order_is_a_permutation_and_the_same_each_time(places: list[int], ordering: Ordering, call: str) -> None:
    standings = [Standing(f"p/{place}", place, weight=1.0 + place % 3) for place in places]
    found = order(standings, ordering, call=call)
    assert sorted(found) == sorted(each.target for each in standings)
    assert found == order(list(reversed(standings)), ordering, call=call)


def test_few_prefixes_move_when_a_target_goes() -> None:
    targets = ["a/1", "b/1", "c/1", "d/1"]
    before = {n: sticky_target(f"prefix {n}", targets, {}) for n in range(1_000)}
    after = {n: sticky_target(f"prefix {n}", targets[:3], {}) for n in range(1_000)}
    assert all(after[n] == before[n] for n in before if before[n] != "d/1")
