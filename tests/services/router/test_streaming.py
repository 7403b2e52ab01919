"""Answers on their way to whoever waits for them: sealed, in order, ahead of a settlement that holds all of it."""

import asyncio
from contextlib import aclosing
from typing import Any

from pydantic import TypeAdapter

from agentos.contracts.errors import RetryLater
from agentos.contracts.events.call import AnswerStreamed, CallAbandoned, CallAttempted, ModelCallSettled
from agentos.contracts.model import (
    Delta,
    ModelResponse,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSealed,
    ToolCallDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
)
from agentos.ending import end
from agentos.keyring import KeyRing
from services.router.domain.gathering import Gathered
from services.router.streaming import BACKLOG, OUTSTANDING, AnswerStream
from tests.governance.scenario import TENANT, decision, engage, event, message, switch
from tests.services.router.conftest import Site
from tests.services.router.offline import Hang, done, failure, said

DELTAS: TypeAdapter[list[Delta]] = TypeAdapter(list[Delta])
STREAMED: dict[str, Any] = {"model": "scripted/m", "stream": True}


async def pieces(site: Site, call: str, *, at_least: int = 1) -> list[tuple[AnswerStreamed, list[Delta]]]:
    """What the instance that waits has been told of the answer, as soon as there is so much."""
    found: list[tuple[AnswerStreamed, list[Delta]]] = []
    keys = KeyRing(site.gateway, site.master)
    tail = site.gateway.tail((f"tok.{TENANT}.r1.{call}",), stream="TOKENS", start="first")
    async with aclosing(tail.updates()) as updates:
        async for raw in updates:
            if raw is not None:
                piece = (await site.gateway.decode(raw)).payload(AnswerStreamed)
                found.append((piece, DELTAS.validate_json(await keys.open(TENANT, "call.streamed", piece.deltas))))
            if len(found) >= at_least:
                break
    return found


def text_of(found: list[tuple[AnswerStreamed, list[Delta]]]) -> str:
    return "".join(delta.text for _, deltas in found for delta in deltas if isinstance(delta, TextDelta))


async def answer(site: Site, settled: ModelCallSettled) -> ModelResponse:
    assert settled.response is not None
    keys = KeyRing(site.gateway, site.master)
    return await keys.open_model(TENANT, "call.response", settled.response, ModelResponse)


async def test_a_streamed_answer_comes_in_sealed_pieces_and_whole_in_the_settlement(site: Site) -> None:
    await site.decide("c1", **STREAMED)
    settled = await site.settled("c1")
    assert (await answer(site, settled)).text == "Hello world"
    found = await pieces(site, "c1")
    assert text_of(found)[:6] == "Hello "
    assert [(piece.attempt, piece.seq) for piece, _ in found] == [(1, number) for number in range(len(found))]
    assert settled.last is not None
    assert (settled.last.streamed, settled.last.usage, settled.usage) == (True, settled.usage, settled.last.usage)
    assert settled.routing is not None
    assert settled.routing.chain == ("scripted/m",)


async def test_what_nobody_wants_in_pieces_is_not_published(site: Site) -> None:
    await site.decide("c1", model="scripted/m")
    await site.settled("c1")
    await site.decide("c2", **STREAMED)
    await site.settled("c2")
    tail = site.gateway.tail((f"tok.{TENANT}.r1.*",), stream="TOKENS", start="first")
    async with aclosing(tail.updates()) as updates:
        first = await anext(updates)
    assert first is not None
    assert first.subject.endswith(".c2")


async def test_an_answer_that_goes_on_elsewhere_is_one_answer_to_its_reader(site: Site) -> None:
    site.scripted.script(["Once upon a ", failure(status=200)], said("time."))
    await site.decide("c1", **STREAMED)
    settled = await site.settled("c1")
    assert (settled.outcome, settled.attempts, (await answer(site, settled)).text) == ("completed", 2, "Once upon a time.")
    found = await pieces(site, "c1", at_least=2)
    assert text_of(found) == "Once upon a time."
    assert [(piece.attempt, piece.seq) for piece, _ in found] == [(1, 0), (2, 0)]
    noted = (await event(site.gateway, "call.c1.attempted.1")).payload(CallAttempted)
    assert noted.attempt is not None
    assert settled.last is not None
    assert settled.usage == noted.attempt.usage.plus(settled.last.usage)


async def test_a_client_that_goes_away_has_the_call_stopped_and_what_it_used_settled(site: Site) -> None:
    site.scripted.script([Usage(input_tokens=9), "Once ", Hang()])
    await site.decide("c1", **STREAMED)
    await pieces(site, "c1")
    await site.gateway.append("call.abandoned", "c1", CallAbandoned(reason="disconnected"), tenant=TENANT, correlation_id="t1")
    settled = await site.settled("c1")
    assert settled.fault is not None
    assert (settled.outcome, settled.fault.code, site.scripted.closed) == ("cancelled", "abandoned", 1)
    assert settled.usage == Usage(input_tokens=9, output_tokens=2)
    assert (await answer(site, settled)).text == "Once "


async def test_a_kill_switch_ends_a_stream_and_keeps_what_came(site: Site) -> None:
    site.scripted.script(["Once ", Hang()])
    await site.decide("c1", **STREAMED)
    await pieces(site, "c1")
    await engage(site.gates, switch())
    settled = await site.settled("c1")
    assert (settled.outcome, (await answer(site, settled)).text, settled.finish_reason) == ("cancelled", "Once ", None)


async def test_an_answer_that_costs_more_than_policy_allows_is_cut_off_and_complete(site: Site) -> None:
    site.scripted.script(["a", Usage(output_tokens=11), "b", done("ab")])
    await site.decide("c1", **STREAMED, obligations={"max_output_tokens": 10})
    settled = await site.settled("c1")
    assert settled.last is not None
    assert (settled.outcome, settled.finish_reason, settled.last.outcome) == ("completed", "cut_off", "cut_off")


async def test_a_router_that_is_lost_in_the_middle_is_followed_by_one_that_goes_on_where_it_was(site: Site) -> None:
    _, router, _, _ = await site.parts()
    site.scripted.script(["Once upon a ", Hang()], said("time."))
    lost = message("call.decided", (TENANT, "c1"), decision(**STREAMED), correlation_id="t1")
    dying = asyncio.create_task(router.on_call_decided(lost))
    await pieces(site, "c1")
    await end(dying)
    assert await site.gateway.get(f"evt.{TENANT}.call.c1.settled") is None
    await router.on_call_decided(
        message("call.decided", (TENANT, "c1"), decision(**STREAMED), correlation_id="t1", deliveries=2)
    )
    settled = await site.settled("c1")
    assert (settled.outcome, settled.attempts, (await answer(site, settled)).text) == ("completed", 2, "Once upon a time.")
    noted = (await event(site.gateway, "call.c1.attempted.1")).payload(CallAttempted)
    assert noted.attempt is not None
    assert settled.last is not None
    assert (noted.fault.code, noted.attempt.estimated, settled.last.continues) == ("router_lost", True, True)
    assert settled.usage == noted.attempt.usage.plus(settled.last.usage)
    assert text_of(await pieces(site, "c1", at_least=2)) == "Once upon a time."


async def test_an_answer_that_nobody_can_go_on_with_is_not_begun_again_by_another_router(site: Site) -> None:
    _, router, _, _ = await site.parts()
    site.scripted.continues = False
    site.scripted.script(["Once upon a ", Hang()], said("wrong"))
    first = message("call.decided", (TENANT, "c1"), decision(**STREAMED), correlation_id="t1")
    dying = asyncio.create_task(router.on_call_decided(first))
    await pieces(site, "c1")
    await end(dying)
    await router.on_call_decided(
        message("call.decided", (TENANT, "c1"), decision(**STREAMED), correlation_id="t1", deliveries=2)
    )
    settled = await site.settled("c1")
    assert settled.fault is not None
    assert (settled.outcome, settled.fault.code, settled.attempts) == ("failed", "router_lost", 1)
    assert (await answer(site, settled)).text == "Once upon a "
    assert len(site.scripted.requests) == 1


class Unheard:
    """A bus whose TOKENS does not answer, and then one that is slow."""

    def __init__(self) -> None:
        self.sent: list[AnswerStreamed] = []
        self.gate = asyncio.Event()
        self.fails = False

    async def stream(self, channel: str, tokens: tuple[str, ...], payload: AnswerStreamed, **_: object) -> None:
        assert (channel, len(tokens)) == ("call.streamed", 3)
        self.sent.append(payload)
        if self.fails:
            raise RetryLater("away")
        await self.gate.wait()


class Keys:
    """A key ring of one key."""

    async def data_key(self, tenant: str, key: str) -> bytes:
        assert tenant
        assert key
        return b"k" * 32


def stream_over(bus: Unheard) -> AnswerStream:
    cause = message("call.decided", (TENANT, "c1"), decision())
    return AnswerStream(bus, Keys(), cause, tenant=TENANT, instance="r1", call="c1", key="family")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - as much of them as is used


async def test_a_stream_that_the_broker_does_not_take_ends_and_holds_nobody_up() -> None:
    bus = Unheard()
    bus.fails = True
    stream = stream_over(bus)
    for _ in range(10 * BACKLOG):
        stream.say(1, "p/m", TextDelta(text="a"))
        await asyncio.sleep(0)
    assert not stream.crowded
    await stream.close()
    assert len(bus.sent) == 1


async def test_the_first_piece_is_on_its_way_before_what_came_with_it_is_gone_through() -> None:
    bus = Unheard()
    stream = stream_over(bus)
    await asyncio.sleep(0.01)
    stream.say(1, "p/m", TextDelta(text="a"))
    await stream.begun()
    assert len(bus.sent) == 1
    bus.gate.set()
    await stream.close()


async def test_a_slow_broker_holds_the_provider_up_instead_of_filling_the_memory() -> None:
    bus = Unheard()
    stream = stream_over(bus)
    while len(bus.sent) < OUTSTANDING or not stream.crowded:
        stream.say(1, "p/m", TextDelta(text="a"))
        await asyncio.sleep(0)
    waiting = asyncio.create_task(stream.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    bus.gate.set()
    await waiting
    await stream.close()
    assert [piece.seq for piece in bus.sent] == list(range(len(bus.sent)))


async def test_pieces_that_come_close_together_travel_together() -> None:
    bus = Unheard()
    stream = stream_over(bus)
    stream.say(1, "p/m", TextDelta(text="first"))
    while not bus.sent:
        await asyncio.sleep(0)
    for _ in range(100):
        stream.say(1, "p/m", TextDelta(text="a"))
    bus.gate.set()
    await stream.close()
    assert len(bus.sent) == 2


def test_what_came_in_pieces_has_what_its_provider_added_to_its_thinking() -> None:
    gathered = Gathered()
    came: list[Delta] = [
        ThinkingDelta(text="Two "),
        ThinkingDelta(text="cities."),
        ThinkingSealed(provider="p", signature="s1"),
        ThinkingSealed(provider="p", encrypted="e1", id="rs_1"),
        TextDelta(text="Let me look."),
        ToolCallStarted(index=0, id="c1", name="look", signature="s2"),
        ToolCallDelta(index=0, json_text='{"city": "Rome"}'),
        ThinkingDelta(text="Hm."),
    ]
    for delta in came:
        gathered.add(delta)
    assert gathered.parts("p") == (
        ThinkingPart(provider="p", text="Two cities.", signature="s1"),
        ThinkingPart(provider="p", encrypted="e1", id="rs_1"),
        TextPart(text="Let me look."),
        ToolCallPart(id="c1", name="look", arguments={"city": "Rome"}, signature="s2"),
        ThinkingPart(provider="p", text="Hm."),
    )
    assert not gathered.plain
