"""Calls from their first attempt to their end: fallback before and in the middle of an answer, hedges, cut-off, stops, and what it cost."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from agentos.contracts.base import Fault
from agentos.contracts.model import (
    JsonSchemaFormat,
    Message,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    estimated_input_tokens,
)
from agentos.contracts.routing import Attempt
from agentos.ending import end
from services.router.attempts import CallLimits, utc_now
from services.router.book import PriceBook
from services.router.domain.gathering import Gathered
from services.router.execution import TakenOver
from tests.services.router.offline import ASKED, USAGE, Hang, Offline, Scripted, done, failure, said

PRICES = PriceBook()
SOON = timedelta(seconds=0.05)


async def test_an_answer_is_passed_on_piece_by_piece_and_is_whole_in_the_end() -> None:
    call = Offline(Scripted("openai", said("Hello ", "world")))
    ending = await call.run()
    assert (ending.outcome, call.listener.text, len(call.listener.heard)) == ("completed", "Hello world", 2)
    assert ending.response is not None
    assert ending.response.text == "Hello world"
    assert ending.last is not None
    assert (ending.last.number, ending.last.key, ending.last.streamed, ending.last.estimated) == (1, "openai#1", True, False)
    assert ending.last.usage == USAGE
    assert ending.last.first_token_ms is not None
    assert call.log.noted == []


async def test_an_answer_that_nobody_wants_in_pieces_is_asked_for_whole() -> None:
    call = Offline(Scripted("openai", said("Hello")), streams=False)
    ending = await call.run()
    assert ending.last is not None
    assert (ending.outcome, ending.last.streamed, call.listener.heard) == ("completed", False, [])


@pytest.mark.parametrize("streams", [True, False])
async def test_before_the_first_piece_the_next_target_takes_over_without_a_trace_in_the_answer(*, streams: bool) -> None:
    first, second = Scripted("openai", [failure("other_provider")]), Scripted("gemini", said("Hello"))
    call = Offline(first, second, streams=streams)
    ending = await call.run()
    assert (ending.outcome, len(first.requests), len(second.requests)) == ("completed", 1, 1)
    (noted,) = call.log.noted
    assert (noted.next, noted.attempt and noted.attempt.outcome) == ("gemini/m", "failed")
    assert ending.response is not None
    assert (ending.response.text, ending.response.notes) == ("Hello", ())
    assert ending.last is not None
    assert not ending.last.continues


async def test_a_key_that_is_refused_gives_way_to_the_next_key_of_the_same_provider() -> None:
    first, second = Scripted("openai", [failure("needs_operator", status=401)]), Scripted("openai", said("Hello"))
    call = Offline(first, second, chain=["openai/m"])
    ending = await call.run()
    assert ending.last is not None
    assert (ending.outcome, ending.last.key, ending.last.target) == ("completed", "openai#2", "openai/m")


async def test_in_the_middle_of_an_answer_a_target_that_can_goes_on_where_it_broke_off() -> None:
    """Nobody but the log notices. A peer of ours sends its fallback nothing at all here."""
    broken = Scripted("openai", [Usage(input_tokens=40), "Once upon a ", failure("retry", "incomplete", status=200)])
    other = Scripted("gemini", said("wrong"))
    going_on = Scripted("anthropic", said("time.", " The end."), continues=True)
    call = Offline(broken, other, going_on)
    ending = await call.run()
    assert (len(broken.requests), len(other.requests), len(going_on.requests)) == (1, 0, 1)
    assert ending.outcome == "completed"
    assert ending.response is not None
    assert ending.response.text == call.listener.text == "Once upon a time. The end."
    assert ending.response.parts == (TextPart(text="Once upon a time. The end."),)
    assert "broke off" in ending.response.notes[-1]
    prefix = going_on.requests[0].messages[-1]
    assert prefix == Message(role="assistant", parts=(TextPart(text="Once upon a"),))
    assert going_on.requests[0].max_output_tokens < ASKED.max_output_tokens
    (noted,) = call.log.noted
    assert noted.attempt is not None
    assert (noted.attempt.usage.input_tokens, noted.attempt.estimated) == (40, True)
    assert ending.last is not None
    assert ending.last.continues
    assert [attempt for attempt, _ in call.listener.heard] == [1, 2, 2]


async def test_blanks_around_the_break_are_not_said_twice() -> None:
    broken = Scripted("openai", ["One,\n\n", failure()], continues=True)
    going_on = Scripted("anthropic", said("\n", "\n two"), continues=True)
    call = Offline(broken, going_on, tries_per_target=1)
    ending = await call.run()
    assert ending.response is not None
    assert ending.response.text == call.listener.text == "One,\n\ntwo"


async def test_the_same_target_goes_on_with_its_own_answer_first_where_it_can() -> None:
    provider = Scripted("deepseek", ["One ", failure()], ["two ", failure()], said("three"), continues=True)
    call = Offline(provider)
    ending = await call.run()
    assert ending.response is not None
    assert (ending.outcome, ending.response.text, len(provider.requests)) == ("completed", "One two three", 3)
    assert provider.requests[2].messages[-1].parts == (TextPart(text="One two"),)


@pytest.mark.parametrize(
    ("begins", "request_"),
    [
        (["Half an ans"], ASKED),
        ([ToolCallStarted(index=0, id="t", name="tool"), ToolCallDelta(index=0, json_text='{"a":')], ASKED),
        (["{"], ASKED.model_copy(update={"response_format": JsonSchemaFormat(name="n", json_schema={})})),
    ],
    ids=["nobody can go on", "an open tool call", "an answer by schema"],
)
async def test_an_answer_that_nobody_can_go_on_with_fails_with_what_had_come_and_what_it_cost(
    begins: list[object], request_: object
) -> None:
    continues = begins[0] != "Half an ans"
    broken = Scripted("openai", [*begins, failure(status=200)])  # pyright: ignore[reportArgumentType] - steps of a script
    call = Offline(broken, Scripted("gemini", said("x"), continues=continues), request=request_)  # pyright: ignore[reportArgumentType]
    ending = await call.run()
    assert (ending.outcome, ending.fault and ending.fault.code) == ("failed", "server_error")
    assert ending.response is not None
    assert ending.response.text == "".join(piece for piece in begins if isinstance(piece, str))
    assert ending.response.finish_reason == "other"
    assert ending.last is not None
    assert ending.last.estimated
    assert ending.last.usage.output_tokens > 0


async def test_a_call_that_breaks_off_after_a_whole_tool_call_keeps_it() -> None:
    whole = [ToolCallStarted(index=0, id="t", name="tool"), ToolCallDelta(index=0, json_text='{"a": 1}'), failure(status=200)]
    ending = await Offline(Scripted("openai", whole)).run()  # pyright: ignore[reportArgumentType] - steps of a script
    assert ending.response is not None
    assert ending.response.parts == (ToolCallPart(id="t", name="tool", arguments={"a": 1}),)


# --- silence ------------------------------------------------------------------------------------------------------------------


async def test_a_target_that_says_nothing_in_time_is_passed_over_before_the_first_piece() -> None:
    silent, other = Scripted("openai", [Hang()]), Scripted("gemini", said("Hello"))
    call = Offline(silent, other, first_token=SOON, tries_per_target=1)
    ending = await call.run()
    assert (ending.outcome, call.log.noted[0].fault.code, silent.closed) == ("completed", "timeout", 1)


async def test_a_pause_between_two_pieces_has_a_limit_of_its_own() -> None:
    stalls, going_on = Scripted("openai", ["One ", Hang()]), Scripted("anthropic", said("two"), continues=True)
    call = Offline(stalls, going_on, stall=SOON, first_token=timedelta(minutes=1))
    ending = await call.run()
    assert ending.response is not None
    assert (call.log.noted[0].fault.code, ending.response.text) == ("stalled", "One two")


async def test_the_deadline_ends_the_call_whatever_it_is_doing() -> None:
    call = Offline(Scripted("openai", ["One ", Hang()]), deadline=SOON)
    ending = await call.run()
    assert (ending.outcome, ending.fault and ending.fault.code) == ("failed", "deadline")
    assert ending.last is not None
    assert ending.last.usage.output_tokens > 0
    pausing = Offline(Scripted("openai", [failure("wait", retry_after=timedelta(seconds=20))]), deadline=timedelta(seconds=10))
    ending = await pausing.run()
    assert (ending.outcome, ending.fault and ending.fault.code) == ("failed", "server_error")


# --- hedges -------------------------------------------------------------------------------------------------------------------


async def test_a_hedge_that_speaks_first_wins_and_the_loser_is_cancelled_and_paid_for() -> None:
    slow, quick = Scripted("openai", [Hang()]), Scripted("gemini", said("Hello"))
    call = Offline(slow, quick, hedge_after=SOON)
    ending = await call.run()
    assert ending.last is not None
    assert (ending.outcome, ending.last.target, slow.closed) == ("completed", "gemini/m", 1)
    (lost,) = call.log.noted
    assert lost.attempt is not None
    assert (lost.attempt.outcome, lost.attempt.estimated, lost.fault.code, lost.next) == (
        "lost_hedge",
        True,
        "lost_hedge",
        None,
    )
    assert lost.attempt.usage.input_tokens > 0
    assert ("openai/m", "gemini/m") in call.log.targets


async def test_a_first_attempt_that_speaks_after_all_beats_its_hedge() -> None:
    late = asyncio.Event()

    class Late(Scripted):
        async def begin(self) -> None:
            await late.wait()

    class Deaf(Scripted):
        async def begin(self) -> None:
            late.set()

    call = Offline(Late("openai", said("Hello")), Deaf("gemini", [Hang()]), hedge_after=SOON)
    ending = await call.run()
    assert ending.last is not None
    assert (ending.last.target, call.log.noted[0].target) == ("openai/m", "gemini/m")


async def test_one_of_two_that_fails_leaves_the_race_to_the_other_and_both_failing_is_a_failure() -> None:
    slow, broken = Scripted("openai", [Hang()]), Scripted("gemini", [failure("other_provider")])
    call = Offline(
        slow, broken, Scripted("anthropic", said("Hello")), hedge_after=SOON, first_token=3 * SOON, tries_per_target=1
    )
    ending = await call.run()
    assert [(each.target, each.fault.code) for each in call.log.noted] == [
        ("gemini/m", "server_error"),
        ("openai/m", "timeout"),
    ]
    assert ending.last is not None
    assert (ending.outcome, ending.last.target) == ("completed", "anthropic/m")


async def test_whoever_answers_in_time_is_not_hedged() -> None:
    call = Offline(Scripted("openai", said("Hello")), idle := Scripted("gemini", said("x")), hedge_after=timedelta(minutes=1))
    await call.run()
    assert idle.requests == []


async def test_a_hedge_that_the_kill_switch_forbids_is_not_made() -> None:
    slow = Scripted("openai", [Hang()])
    forbidden = Scripted("gemini", said("x"))
    call = Offline(slow, forbidden, hedge_after=SOON, first_token=3 * SOON, attempts=1, permit={"gemini/m": "no"})
    ending = await call.run()
    assert (ending.outcome, ending.fault and ending.fault.code, forbidden.requests) == ("failed", "timeout", [])


# --- money --------------------------------------------------------------------------------------------------------------------


async def test_an_answer_that_comes_to_cost_more_than_it_may_is_cut_off_there() -> None:
    most = PRICES.price("openai/gpt-5-mini", Usage(output_tokens=300), utc_now()).usd
    talker = Scripted("openai", said(*(["word " * 16] * 200)))
    call = Offline(talker, limits=CallLimits(usd=most), chain=["openai/gpt-5-mini"])
    ending = await call.run()
    assert ending.last is not None
    assert ending.response is not None
    assert (ending.outcome, ending.last.outcome, ending.response.finish_reason) == ("completed", "cut_off", "cut_off")
    assert talker.closed == 1
    assert 300 < ending.last.usage.output_tokens < 400
    assert ending.response.text == call.listener.text


async def test_an_answer_that_is_longer_than_it_may_be_is_cut_off_by_the_providers_own_count() -> None:
    talker = Scripted("openai", ["a", Usage(output_tokens=90), "b", Usage(output_tokens=101), "c", done("abc")])
    ending = await Offline(talker, limits=CallLimits(output_tokens=100)).run()
    assert ending.response is not None
    assert (ending.response.text, ending.response.finish_reason) == ("ab", "cut_off")


async def test_what_failed_attempts_cost_counts_towards_what_the_call_may_cost() -> None:
    used = Usage(input_tokens=100_000)
    most = PRICES.price("openai/gpt-5-mini", used, utc_now()).usd
    provider = Scripted("openai", [failure(usage=used)], said("Hello"))
    ending = await Offline(provider, limits=CallLimits(usd=most), chain=["openai/gpt-5-mini"]).run()
    assert (ending.outcome, len(provider.requests)) == ("failed", 1)


@pytest.mark.parametrize(
    ("error", "usage", "estimated"),
    [
        (failure(status=500), Usage(), False),
        (failure("wait", status=429), Usage(), False),
        (failure(code="unreachable"), Usage(), False),
        (failure(code="timeout"), Usage(input_tokens=estimated_input_tokens(ASKED)), True),
        (failure(code="bad_answer", status=200), Usage(input_tokens=estimated_input_tokens(ASKED)), True),
        (failure(status=500, usage=Usage(input_tokens=7, output_tokens=2)), Usage(input_tokens=7, output_tokens=2), False),
    ],
    ids=["refused", "limited", "never reached", "no answer in time", "no answer", "said by the provider"],
)
async def test_what_a_failed_attempt_used_is_its_providers_word_or_an_estimate_and_nothing_where_it_was_refused(
    error: Exception, usage: Usage, *, estimated: bool
) -> None:
    ending = await Offline(Scripted("openai", [error]), tries_per_target=1).run()  # pyright: ignore[reportArgumentType]
    assert ending.last is not None
    assert (ending.last.usage, ending.last.estimated) == (usage, estimated)


async def test_the_cost_of_a_call_is_the_sum_of_all_its_attempts() -> None:
    usage = Usage(input_tokens=1_234, output_tokens=567)
    provider = Scripted("openai", [failure(usage=usage)], [failure(usage=usage)], said("Hello", usage=usage))
    call = Offline(provider, chain=["openai/gpt-5-mini"])
    ending = await call.run()
    cost = call.cost(ending)
    assert cost is not None
    assert cost.priced
    assert cost.usd == 3 * PRICES.price("openai/gpt-5-mini", usage, utc_now()).usd > Decimal(0)


# --- stops --------------------------------------------------------------------------------------------------------------------


async def test_a_call_that_is_stopped_in_the_middle_keeps_what_came_and_what_it_used() -> None:
    provider = Scripted("openai", [Usage(input_tokens=11), "Once upon", Hang()])
    call = Offline(provider)
    running = asyncio.create_task(call.execution.run())
    while not call.listener.heard:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    await end(running)
    ending = await call.execution.interrupted("cancelled", Fault(code="killed", message="m"))
    call.check(ending)
    assert ending.response is not None
    assert ending.last is not None
    assert (ending.outcome, ending.response.text, ending.last.outcome) == ("cancelled", "Once upon", "cancelled")
    assert ending.last.usage == Usage(input_tokens=11, output_tokens=3)
    assert provider.closed == 1


async def test_both_attempts_of_a_race_that_is_stopped_are_accounted_for() -> None:
    call = Offline(Scripted("openai", [Hang()]), other := Scripted("gemini", [Hang()]), hedge_after=SOON)
    running = asyncio.create_task(call.execution.run())
    while not other.requests:
        await asyncio.sleep(0.01)
    await end(running)
    ending = await call.execution.interrupted("cancelled", Fault(code="killed", message="m"))
    call.check(ending)
    assert len(ending.earlier) == 1
    assert ending.last is not None


async def test_a_target_that_the_kill_switch_forbids_ends_the_call_as_refused() -> None:
    first = Scripted("openai", [failure("other_provider")])
    ending = await Offline(first, Scripted("gemini", said("x")), permit={"gemini/m": "no"}).run()
    assert (ending.outcome, ending.reasons, len(ending.earlier)) == ("refused", ("kill_switch",), 1)


async def test_a_call_that_another_instance_settled_meanwhile_is_not_tried_again() -> None:
    provider = Scripted("openai", [failure()])
    call = Offline(provider)
    call.log.settled_elsewhere = True
    with pytest.raises(TakenOver):
        await call.execution.run()
    assert len(provider.requests) == 1


async def test_a_call_that_a_lost_router_had_begun_goes_on_behind_what_was_said() -> None:
    lost = Attempt(
        number=1,
        target="anthropic/m",
        started_at=utc_now(),
        duration_ms=0,
        outcome="failed",
        cost=PRICES.price("ollama/m", USAGE, utc_now()),
    )
    provider = Scripted("anthropic", said("two"), continues=True)
    before = Gathered()
    before.add(TextDelta(text="One "))
    call = Offline(provider, earlier=(lost,), said=before)
    ending = await call.execution.run()
    assert ending.response is not None
    assert (ending.response.text, call.listener.text, provider.keys) == ("One two", "two", ["c1-2"])
