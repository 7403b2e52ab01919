"""What becomes of a streamed call when its first provider fails: every fault, at every place in the stream, on every provider's wire.

The real adapters, with the providers' own SDKs, against a server that misbehaves; behind them a second provider that is well. One attempt a
target, so that nothing waits: how often and when a target is asked again is in ``test_retries``. The second provider either can go on with
an answer that another began, or cannot.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import pytest
import pytest_asyncio

from agentos.contracts.model import TextPart, Usage
from services.router.book import PriceBook
from tests.loopback.scripted import Scripted as Reply
from tests.loopback.scripted import ScriptedServer
from tests.services.router.offline import Offline, Scripted, said
from tests.services.router.wires import BEGUN, REST, WIRES, Wire

price = PriceBook().price

Place = Literal["headers", "first", "middle", "end"]
"""Instead of the headers; after them, before the first word; after the first word; after the last word, before the stream says why it ended."""

PRICES = PriceBook()

SOON = timedelta(seconds=0.1)

ELSEWHERE = "elsewhere, from the start"
GOES_ON = "goes on elsewhere, or fails with what came"
FAILS = "fails at once"


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    fault: str
    place: Place
    kind: str
    """What the router may do about it."""
    then: str
    breaker: Literal["open", "closed"]
    """Of the first target, where one failure is enough to open it."""
    used: Literal["nothing", "input", "input and output"]
    """What the failed attempt is taken to have cost."""


# fmt: off
TABLE = [
    #   fault                place      kind              then       breaker   used
    Row("refuse",            "headers", "retry",          ELSEWHERE, "open",   "nothing"),
    Row("stall",             "headers", "retry",          ELSEWHERE, "open",   "input"),
    Row("garbage",           "headers", "other_provider", ELSEWHERE, "open",   "input"),
    Row("401",               "headers", "needs_operator", ELSEWHERE, "closed", "nothing"),
    Row("403",               "headers", "needs_operator", ELSEWHERE, "closed", "nothing"),
    Row("404",               "headers", "other_provider", ELSEWHERE, "closed", "nothing"),
    Row("408",               "headers", "retry",          ELSEWHERE, "open",   "nothing"),
    Row("409",               "headers", "retry",          ELSEWHERE, "open",   "nothing"),
    Row("413",               "headers", "other_provider", ELSEWHERE, "closed", "nothing"),
    Row("422",               "headers", "never",          FAILS,     "closed", "nothing"),
    Row("429",               "headers", "wait",           ELSEWHERE, "closed", "nothing"),
    Row("429 retry-after",   "headers", "wait",           ELSEWHERE, "closed", "nothing"),
    Row("500",               "headers", "retry",          ELSEWHERE, "open",   "nothing"),
    Row("502",               "headers", "retry",          ELSEWHERE, "open",   "nothing"),
    Row("503",               "headers", "retry",          ELSEWHERE, "open",   "nothing"),
    Row("529",               "headers", "retry",          ELSEWHERE, "open",   "nothing"),
    Row("reset",             "first",   "retry",          ELSEWHERE, "open",   "input"),
    Row("stall",             "first",   "retry",          ELSEWHERE, "open",   "input"),
    Row("half a stream",     "first",   "retry",          ELSEWHERE, "open",   "input"),
    Row("error in a 200",    "first",   "retry",          ELSEWHERE, "open",   "input"),
    Row("garbage",           "first",   "*",              ELSEWHERE, "open",   "input"),
    Row("reset",             "middle",  "retry",          GOES_ON,   "open",   "input and output"),
    Row("stall",             "middle",  "retry",          GOES_ON,   "open",   "input and output"),
    Row("half a stream",     "middle",  "retry",          GOES_ON,   "open",   "input and output"),
    Row("error in a 200",    "middle",  "retry",          GOES_ON,   "open",   "input and output"),
    Row("garbage",           "middle",  "*",              GOES_ON,   "open",   "input and output"),
    Row("reset",             "end",     "retry",          GOES_ON,   "open",   "input and output"),
    Row("stall",             "end",     "retry",          GOES_ON,   "open",   "input and output"),
    Row("half a stream",     "end",     "retry",          GOES_ON,   "open",   "input and output"),
    Row("error in a 200",    "end",     "retry",          GOES_ON,   "open",   "input and output"),
    Row("garbage",           "end",     "*",              GOES_ON,   "open",   "input and output"),
]
# fmt: on


def reply(wire: Wire, row: Row) -> Reply:
    """The first provider's answer."""
    sent = {"headers": [], "first": [wire.opening], "middle": [wire.opening, wire.first]}.get(
        row.place, [wire.opening, wire.first, wire.rest]
    )
    stream = "text/event-stream"
    match row.fault:
        case "refuse" | "reset":
            return Reply(sent, content_type=stream, broken=True)
        case "stall":
            return Reply(sent, content_type=stream, stall=True)
        case "half a stream":
            return Reply(sent, content_type=stream)
        case "error in a 200":
            return Reply([*sent, wire.broken], content_type=stream)
        case "garbage" if row.place == "headers":
            return Reply([b"<html>It works!</html>"], content_type="text/html")
        case "garbage":
            return Reply([*sent, b"data: {]\n\n"], content_type=stream)
        case fault:
            status, _, header = fault.partition(" ")
            headers = {header: "3"} if header else {}
            return Reply([b'{"error": {"message": "no"}}'], status=int(status), headers=headers)


class Site:
    """The misbehaving server, and an adapter for each wire to it and to where nobody listens."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.adapters = {wire.name: wire.build(server.base_url) for wire in WIRES}
        self.unreachable = {wire.name: wire.build("http://127.0.0.1:9") for wire in WIRES}

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in (*self.adapters.values(), *self.unreachable.values())))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with ScriptedServer() as server:
        made = Site(server)
        yield made
        await made.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_every_wire_brings_a_whole_answer_when_nothing_is_wrong(site: Site, wire: Wire) -> None:
    site.server.answer(wire.opening, wire.first, wire.rest, wire.end)
    ending = await Offline(site.adapters[wire.name], chain=[wire.model]).run()
    assert ending.response is not None
    assert (ending.outcome, ending.response.text) == ("completed", BEGUN + REST)
    assert (ending.response.usage.input_tokens, ending.response.usage.output_tokens) == (10, 5)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("continues", [True, False], ids=["can go on", "cannot"])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.fault} @ {row.place}")
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_the_table(site: Site, wire: Wire, row: Row, *, continues: bool) -> None:
    site.server.script(reply(wire, row))
    second = Scripted("second", said(" the second"), continues=continues)
    silent = row.fault == "stall"
    call = Offline(
        (site.unreachable if row.fault == "refuse" else site.adapters)[wire.name],
        second,
        chain=[wire.model, "second/m"],
        breaker={"consecutive": 1},
        tries_per_target=1,
        first_token=SOON if silent and row.place in ("headers", "first") else timedelta(seconds=20),
        stall=SOON if silent else timedelta(seconds=20),
    )
    ending = await call.run()

    came = "" if row.place in ("headers", "first") else BEGUN if row.place == "middle" else BEGUN + REST
    asked_second = row.then == ELSEWHERE or (row.then == GOES_ON and continues)
    assert len(second.requests) == asked_second
    assert ending.outcome == ("completed" if asked_second else "failed")
    assert ending.last is not None
    failed = ending.earlier[0] if asked_second else ending.last
    assert len(ending.earlier) == asked_second
    assert row.kind in ("*", failed.error_kind), failed
    assert failed.outcome == "failed"
    assert failed.fault is not None

    # What was said stands, and goes on from there.
    text = came + " the second" if asked_second else came
    assert call.listener.text == text
    assert (ending.response.text if ending.response is not None else "") == text
    if asked_second and came:
        assert second.requests[0].messages[-1].parts == (TextPart(text=came),)
        assert ending.last.continues

    # Money.
    usage = failed.usage
    assert (usage.input_tokens > 0, usage.output_tokens > 0) == (row.used != "nothing", row.used == "input and output"), failed
    counted = row.place != "headers" and (
        wire.counts == "all along" or (wire.counts == "at the beginning" and row.place == "first")
    )
    assert failed.estimated == (row.used != "nothing" and not counted), failed
    assert failed.cost == PRICES.price(wire.model, usage, failed.started_at)
    assert call.cost(ending) is not None
    total = Usage()
    for attempt in (*ending.earlier, ending.last):
        total = total.plus(attempt.usage)
    assert total.input_tokens >= usage.input_tokens

    # What is learned.
    assert call.turns.known(wire.model).breaker.state(failed.started_at) == row.breaker
