"""What Gemini answers where it fails, and each way in which an answer of its can break off."""

import asyncio
import traceback
from datetime import timedelta
from typing import Any

import pytest

from adapters.gemini import GeminiAdapter
from adapters.port import ErrorKind, ProviderError
from agentos.contracts.model import (
    Usage,
)
from tests.adapters.conformance import ask, ask_streaming, events
from tests.adapters.gemini_wire import EVERYTHING, TEXT, piece, used
from tests.loopback.raw import RawServer, Reply


async def failure_of(gemini: GeminiAdapter, *, stream: bool, timeout: float = 20) -> ProviderError:
    asking = ask_streaming(gemini, timeout=timedelta(seconds=timeout)) if stream else ask(gemini)
    with pytest.raises(ProviderError) as caught:
        await asking
    failure = caught.value
    shown = "".join(traceback.format_exception(failure)) + repr(failure.__dict__)
    assert "Hello." not in shown
    assert "test-key-0123456789" not in shown
    return failure


def error(code: int, status: str, *details: dict[str, Any], said: str = "test-key-0123456789 and Hello.") -> dict[str, Any]:
    return {"error": {"code": code, "message": said, "status": status, "details": list(details)}}


def quota(*ids: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": each} for each in ids]}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
PER_MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
PER_DAY = quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", "GenerateRequestsPerDayPerProjectPerModel-FreeTier")
ERRORS: list[tuple[int, dict[str, Any], ErrorKind, str, float | None]] = [
    (400, error(400, "INVALID_ARGUMENT"), "never", "INVALID_ARGUMENT", None),
    (400, error(400, "INVALID_ARGUMENT", BAD_KEY), "needs_operator", "API_KEY_INVALID", None),
    (
        400,
        error(
            400,
            "INVALID_ARGUMENT",
            said="The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        "other_provider",
        "INVALID_ARGUMENT",
        None,
    ),
    (
        400,
        error(400, "FAILED_PRECONDITION", said="User location is not supported for the API use."),
        "other_provider",
        "FAILED_PRECONDITION",
        None,
    ),
    (403, error(403, "PERMISSION_DENIED"), "needs_operator", "PERMISSION_DENIED", None),
    (404, error(404, "NOT_FOUND", said="models/x is not found for API version v1beta"), "other_provider", "NOT_FOUND", None),
    (429, error(429, "RESOURCE_EXHAUSTED", PER_MINUTE, RETRY_INFO), "wait", "RESOURCE_EXHAUSTED", 34.5),
    (429, error(429, "RESOURCE_EXHAUSTED", PER_DAY, RETRY_INFO), "other_provider", "RESOURCE_EXHAUSTED", 34.5),
    (429, error(429, "RESOURCE_EXHAUSTED"), "wait", "RESOURCE_EXHAUSTED", None),
    (499, error(499, "CANCELLED"), "retry", "CANCELLED", None),
    (500, error(500, "INTERNAL"), "retry", "INTERNAL", None),
    (503, error(503, "UNAVAILABLE", said="The model is overloaded. Please try again later."), "retry", "UNAVAILABLE", None),
    (504, error(504, "DEADLINE_EXCEEDED"), "retry", "DEADLINE_EXCEEDED", None),
    (503, {"nonsense": 1}, "retry", "http_503", None),
]


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "body", "kind", "code", "wait"), ERRORS)
async def test_each_error_has_its_kind(
    raw: RawServer,
    gemini: GeminiAdapter,
    status: int,
    body: dict[str, Any],
    kind: ErrorKind,
    code: str,
    wait: float | None,
    stream: bool,
    listed: bool,
) -> None:
    raw.reply(Reply.json([body] if listed else body, status))
    failure = await failure_of(gemini, stream=stream)
    assert (failure.kind, failure.code, failure.status) == (kind, code, status)
    assert failure.retry_after == (None if wait is None else timedelta(seconds=wait))
    assert len(raw.requests) == 1, "the router owns retries"


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (error(503, "UNAVAILABLE"), "retry", "UNAVAILABLE"),
        (error(429, "RESOURCE_EXHAUSTED", PER_MINUTE), "wait", "RESOURCE_EXHAUSTED"),
        (error(429, "RESOURCE_EXHAUSTED", PER_DAY), "other_provider", "RESOURCE_EXHAUSTED"),
        (error(500, "INTERNAL"), "retry", "INTERNAL"),
    ],
)
async def test_an_error_inside_a_200_stream_has_its_kind_and_what_was_used(
    raw: RawServer, gemini: GeminiAdapter, body: dict[str, Any], kind: ErrorKind, code: str
) -> None:
    raw.reply(Reply.sse(events(*TEXT[:2], body)))
    failure = await failure_of(gemini, stream=True)
    assert (failure.kind, failure.code, failure.status) == (kind, code, 200)
    assert failure.usage == Usage(input_tokens=100, output_tokens=4)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_the_model_wrote_wrongly_may_be_tried_again(
    raw: RawServer, gemini: GeminiAdapter, stream: bool
) -> None:
    raw.reply(Reply.json(piece(reason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: Hello.", **used())))
    failure = await failure_of(gemini, stream=stream)
    assert (failure.kind, failure.code) == ("retry", "MALFORMED_FUNCTION_CALL")
    assert failure.usage == Usage(input_tokens=100)


@pytest.mark.parametrize("broken", [False, True])
async def test_a_stream_cut_before_its_reason_is_no_answer_and_says_what_was_used(
    raw: RawServer, gemini: GeminiAdapter, broken: bool
) -> None:
    raw.reply(*(Reply.sse(events(*EVERYTHING[:kept]), end="cut" if broken else "whole") for kept in range(1, 6)))
    for kept in range(1, 6):
        failure = await failure_of(gemini, stream=True)
        assert (failure.kind, failure.code) == ("retry", "unreachable" if broken else "incomplete"), kept
        assert failure.usage is not None


async def test_a_connection_lost_after_the_reason_takes_nothing_from_the_answer(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT), end="cut"))
    assert (await ask_streaming(gemini))[2].response.usage.output_tokens == 7


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html></html>", "bad_answer"),
        (b"", "incomplete"),
        (b"data: {nonsense}\n\n", "bad_answer"),
        (b'{"candidates": [{"con', "bad_answer"),
        (b'{"choices": []}', "bad_answer"),
        (b"[]", "bad_answer"),
        (events({"candidates": "x"}), "bad_answer"),
        (events(piece({"functionCall": {"args": {}}}, reason="STOP")), "bad_answer"),
        (events(piece({"functionCall": {"name": "f", "args": "x"}}, reason="STOP")), "bad_answer"),
    ],
)
async def test_what_is_no_answer_is_an_error_of_ours(raw: RawServer, gemini: GeminiAdapter, body: bytes, code: str) -> None:
    raw.reply(Reply.sse(body))
    assert (await failure_of(gemini, stream=True)).code == code


async def test_silence_is_a_stall_and_closes_the_connection(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT[:1]), end="open"))
    failure = await failure_of(gemini, stream=True, timeout=0.2)
    assert (failure.kind, failure.code) == ("retry", "stalled")
    await raw.closed.wait()


async def test_many_streams_run_at_once_and_connections_are_used_again(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT)))
    answers = await asyncio.gather(*(ask_streaming(gemini) for _ in range(80)))
    assert all(answer.response.text == "Grüß Gott 🌍" for _, _, answer in answers)
    opened = raw.connections
    for _ in range(3):
        await ask_streaming(gemini)
    assert raw.connections == opened
