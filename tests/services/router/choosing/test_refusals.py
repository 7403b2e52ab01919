"""What a call is told that no target can serve: whether it is the request's fault, and which; and how long others are waited for."""

from datetime import timedelta

import pytest

from agentos.contracts.model import ModelRequest, Thinking, ToolSpec, user
from services.router.attempts import utc_now
from services.router.book import PriceBook
from services.router.choosing import Plan
from services.router.configuration import parse
from services.router.selection import Selection
from services.router.turns import Turns
from tests.governance.scenario import decision
from tests.services.router.offline import Scripted, said

CONFIGURATION = """
aliases: {short: [one/short, one/shorter], mixed: [one/short, one/plain], away: [none/m], plain: [one/plain, one/bare]}
models:
  one/short: {context_tokens: 400}
  one/shorter: {context_tokens: 200}
  one/plain: {without: [tools]}
  one/bare: {without: [tools]}
"""
TOOLS = (ToolSpec(name="t", description="", parameters={"type": "object"}),)


def choose(request: ModelRequest) -> Plan:
    configuration = parse(CONFIGURATION)
    turns = Turns({"one": (("one#1", Scripted("one", said("x"))),)}, configuration, now=utc_now, jitter=lambda: 0.5)
    selection = Selection(turns, configuration, PriceBook(configuration.prices), now=utc_now)
    return selection.choose("acme", "c1", request, decision(model=request.model))


@pytest.mark.parametrize(
    ("model", "words", "output", "tools", "code"),
    [
        ("short", 5_000, 10, False, "context_too_long"),
        ("short", 50, 1_000, False, "context_too_long"),
        ("mixed", 5_000, 10, True, "cannot_serve"),
        ("plain", 5, 10, True, "cannot_serve"),
        ("away", 5, 10, False, "no_provider"),
        ("nobody", 5, 10, False, "unknown_model"),
    ],
)
async def test_the_fault_says_whether_the_request_can_be_mended(
    model: str, words: int, output: int, tools: bool, code: str
) -> None:
    request = ModelRequest(
        model=model, messages=(user("word " * words),), max_output_tokens=output, tools=TOOLS if tools else ()
    )
    plan = choose(request)
    assert plan.fault is not None
    assert plan.fault.code == code


@pytest.mark.parametrize(
    ("thinking", "seconds"),
    [(None, 60), (Thinking(effort="none"), 60), (Thinking(effort="high"), 600), (Thinking(budget_tokens=2_000), 600)],
)
async def test_whoever_is_asked_to_think_is_given_the_time(thinking: Thinking | None, seconds: int) -> None:
    patience = choose(ModelRequest(model="one/plain", messages=(user("Hello"),), thinking=thinking)).patience
    assert patience.first_token == timedelta(seconds=seconds)
    assert patience.attempt == timedelta(seconds=max(seconds, 120))
