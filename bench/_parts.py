"""What a governed call cannot do without, each part done alone, one after the other, in one process with nothing else to do.

Their sum is what a call would add if its parts were all there is: no second service that wakes up, no routing, budget, kill switch,
audit or metric, and nothing in the way of anything else. What a call adds beyond it is ours to answer for.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from adapters.openai_connection import Connection as Sdk
from agentos.bus import Bus
from agentos.contracts.envelope import Recorded, decode, encode_body, encode_headers
from agentos.contracts.model import ModelRequest, estimated_input_tokens, user
from agentos.sealing import PlaceholderVault, new_data_key, open_sealed, seal
from bench._floor import Floor
from bench._load import Connection, Run, body
from bench._processes import MODEL, Installation
from bench._report import median, shown, table
from services.policy.analysis import AnalysisPool
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import read_bundle
from services.policy.questions import ModelCallQuestion
from services.policy.redaction import REPLACE_ALL, read_request, redact

_FACTS = ("received", "decided", "settled")
"""Those that stand in the log before the client has its answer."""
_SEALED = ("call.request", "placeholders", "call.response")
"""What is sealed by one service and opened by another before the client has its answer."""
_CALLS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """Its name, and its milliseconds: the median, and the least, which a busy machine adds least to."""

    name: str
    ms: float
    least: float


async def measured(up: Installation, floor: Floor, provider: int) -> list[Part]:
    """The parts. ``up`` has been called before: what it wrote is what is encoded here."""
    request = ModelRequest(model=MODEL, messages=(user(_text(0)),), max_output_tokens=200)
    parts = [_part("HTTP: the gateway's own answer to GET /healthz", await _http(up))]
    parts.append(await _sdk(provider))
    parts.append(_part("three bare events", [await _timed(floor.call) for _ in range(_CALLS)]))
    pool = AnalysisPool()
    try:
        await pool.warm_up()
        parts.append(_part("one analysis of the prompt, and its replacing", [await _redaction(pool, n) for n in range(_CALLS)]))
    finally:
        await pool.close()
    parts.append(_part("one question to the rules", await _rules(request)))
    parts.append(_part("three seals and their opening", _seals(encode_body(request))))
    parts.append(_part("three facts to bytes and back", await _facts(up)))
    return parts


def shown_parts(parts: Sequence[Part], added_ms: float, target_ms: float) -> str:
    """The parts, their sum, and both beside the target and what a call adds."""
    total, least = sum(part.ms for part in parts), sum(part.least for part in parts)
    rows = [[part.name, shown(part.ms), shown(part.least)] for part in parts]
    rows += [["sum", shown(total), shown(least)], ["target", shown(target_ms), ""]]
    rows += [["a call adds, one process, 1 in flight", shown(added_ms), ""]]
    return table("floor by parts, each alone", ["part", "p50 ms", "least ms"], rows) + (
        f"a call adds {added_ms / total:.1f}x the sum of its parts; the target is {target_ms / total:.2f}x the sum, and "
        f"{target_ms / least:.2f}x the sum of what each took at least\n"
    )


def _part(name: str, taken: Sequence[float]) -> Part:
    return Part(name, median(taken), min(taken))


def _text(number: int) -> str:
    return (
        f"Report {secrets.token_hex(3)}-{number}: since the upgrade the nightly export of project {number * 7919 % 10_007} stops. My "
        f"colleague reader{number}{secrets.token_hex(2)}@example.org sees the same. You can reach me at +1 415 555 {number + 1000}."
    )


async def _timed(do: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await do()
    return (time.perf_counter() - began) * 1000


async def _http(up: Installation) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(str(up.url).rpartition(":")[2]))

    async def get() -> None:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))

    try:
        return [await _timed(get) for _ in range(_CALLS)]
    finally:
        writer.close()


async def _sdk(provider: int) -> Part:
    """What the SDK adds to a call of the provider."""
    run = Run(provider, "gpt-5-mini", "loopback-0000", _CALLS, 1, stream=False)
    sdk = Sdk("openai", api_key="loopback-0000", base_url=f"http://127.0.0.1:{provider}/v1")
    bare = await Connection.to(provider)
    with_sdk: list[float] = []
    without: list[float] = []
    try:
        for number in range(_CALLS):
            sent = body(run, number)
            without.append(await _timed(lambda number=number: bare.call(run, number)))
            with_sdk.append(
                await _timed(
                    lambda sent=sent: sdk.send("/chat/completions", sent, seconds=30, idempotency_key=secrets.token_hex(8))
                )
            )
    finally:
        bare.close()
        await sdk.close()
    name = "the provider, through OpenAI's SDK rather than bare"
    return Part(name, median(with_sdk) - median(without), min(with_sdk) - min(without))


async def _redaction(pool: AnalysisPool, number: int) -> float:
    request = ModelRequest(model=MODEL, messages=(user(_text(number)),), max_output_tokens=200)

    async def once() -> None:
        read = read_request(request)
        await redact(read, await pool.analyses(read.segments), PlaceholderVault(), REPLACE_ALL)

    return await _timed(once)


async def _rules(request: ModelRequest) -> list[float]:
    evaluator = EmbeddedEvaluator(read_bundle())

    async def once() -> None:
        question = ModelCallQuestion(
            tenant="default", task=secrets.token_hex(16), pack="bench", agent="bench", model=MODEL,
            estimated_input_tokens=estimated_input_tokens(request), max_output_tokens=200, data_classes=("EMAIL", "PHONE"), redacted=True,
        )  # fmt: skip
        await evaluator.decide(question)

    try:
        return [await _timed(once) for _ in range(_CALLS)]
    finally:
        await evaluator.close()


def _seals(plain: bytes) -> list[float]:
    key = new_data_key()
    taken: list[float] = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        for purpose in _SEALED:
            open_sealed(key, "key", purpose, seal(key, "key", purpose, plain))
        taken.append((time.perf_counter() - began) * 1000)
    return taken


async def _facts(up: Installation) -> list[float]:
    bus = await Bus.connect(up.settings("gateway"), "gateway")
    try:
        found = [await bus.get(f"evt.default.call.*.{fact}") for fact in _FACTS]
    finally:
        await bus.drain()
    facts: list[Recorded] = [fact for fact in found if fact is not None]
    if len(facts) != len(_FACTS):
        raise RuntimeError("there is no call in the log to take the facts from")
    taken: list[float] = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        for fact in facts:
            decode(fact.subject, encode_headers(fact.meta), encode_body(fact.data))
        taken.append((time.perf_counter() - began) * 1000)
    return taken
