"""A server that hangs, lies or is not there: the OPA evaluator raises and never allows."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from agentos.contracts.errors import Unavailable
from services.policy.evaluator import Bundle, read_bundle, revision_of
from services.policy.opa import OpaEvaluator
from services.policy.tables import merged
from tests.services.policy.cases import api
from tests.services.policy.conftest import free_port

SMALL = Bundle({"agentos.api": "package agentos.api\n"}, {})
PATIENT = timedelta(seconds=30)
Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def http(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def sends(raw: bytes) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return reply


async def hangs(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


@asynccontextmanager
async def lying_server(decision: Reply, instead: bytes | None = None) -> AsyncGenerator[str, None]:
    """Keeps what is loaded into it as OPA's REST interface does (or ``instead`` of it), then answers questions with ``decision``."""
    kept: dict[str, bytes] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            verb, path, _ = head.split(" ", 2)
            length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
            body = await reader.readexactly(length)
            if verb == "PUT":
                kept[path] = body if instead is None else instead
                await sends(http(b"{}") if "/policies/" in path else http(b"", "204 No Content"))(writer)
            elif verb == "GET" and path == "/v1/policies/":
                await sends(http(b'{"result": []}'))(writer)
            elif verb == "GET" and path in kept:
                stored = kept[path]
                raw = json.dumps({"raw": stored.decode()}).encode() if "/policies/" in path else stored
                await sends(http(b'{"result": ' + raw + b"}"))(writer)
            elif verb == "GET":
                await sends(http(b"{}", "404 Not Found"))(writer)
            else:
                await decision(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        pytest.param(hangs, "policy.timeout", id="hangs"),
        pytest.param(sends(b""), "policy.error", id="closes"),
        pytest.param(sends(http(b'{"result": {"verdict": "all')), "policy.error", id="truncated_json"),
        pytest.param(sends(http(b"allow")), "policy.error", id="no_json"),
        pytest.param(sends(http(b"\xff\xfe")), "policy.error", id="no_text"),
        pytest.param(sends(http(b"{}", "500 Internal Server Error")), "policy.error", id="status_500"),
        pytest.param(sends(http(b"{}", "401 Unauthorized")), "policy.error", id="status_401"),
        pytest.param(sends(http(b"{}")), "policy.undefined", id="undefined"),
        pytest.param(sends(http(b"[]")), "policy.nonsense", id="a_list"),
        pytest.param(sends(http(b"null")), "policy.nonsense", id="null"),
        pytest.param(sends(http(b'{"result": {"verdict": "allow"}}')), "policy.nonsense", id="half_a_decision"),
        pytest.param(sends(http(b'{"result": null}')), "policy.nonsense", id="null_result"),
    ],
)
async def test_an_answer_that_is_no_decision_is_an_error(decision: Reply, code: str) -> None:
    async with lying_server(decision) as url:
        # Whoever answers does so on this loop, at once when the machine is at leisure.
        within = timedelta(seconds=1) if decision is hangs else PATIENT
        evaluator = await OpaEvaluator.connect(url, SMALL, answer_within=within)
        with pytest.raises(Unavailable) as caught:
            await evaluator.decide(api("tasks.read", "admin"))
        await evaluator.close()
    assert caught.value.code == code


async def test_when_the_server_is_gone_all_questions_in_flight_are_errors() -> None:
    async with lying_server(hangs) as url:
        evaluator = await OpaEvaluator.connect(url, SMALL, answer_within=timedelta(seconds=1), look_every=timedelta(0))
    answers = await asyncio.gather(*(evaluator.decide(api("tasks.read", "admin")) for _ in range(20)), return_exceptions=True)
    await evaluator.close()
    assert {type(answer) for answer in answers} == {Unavailable}


@pytest.mark.parametrize(
    "instead", [b"{}", b"[]", b"package agentos.api\n\ndecision := 1\n"], ids=["nothing", "a_list", "another"]
)
async def test_a_server_that_holds_something_else_than_it_was_given_is_not_asked(instead: bytes) -> None:
    async with lying_server(hangs, instead) as url:
        with pytest.raises(Unavailable):
            await OpaEvaluator.connect(url, SMALL)


def put(url: str, path: str, body: bytes) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{url}/v1/{path}", data=body, method="PUT")).close()


def get(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}/v1/{path}") as answer:
        return json.load(answer)


@pytest.mark.opa
async def test_what_a_hand_changes_on_the_server_is_put_right_before_anything_is_asked(empty_opa: str) -> None:
    bundle = read_bundle()
    evaluator = await OpaEvaluator.connect(empty_opa, bundle, answer_within=PATIENT, look_every=timedelta(0))
    space = f"agentos_{revision_of(bundle)[:16]}"
    before = await evaluator.decide(api("keys.manage", "viewer"))
    await asyncio.to_thread(put, empty_opa, f"data/{space}/config/roles/viewer", b'["keys.manage"]')
    assert await evaluator.decide(api("keys.manage", "viewer")) == before
    await asyncio.to_thread(put, empty_opa, f"policies/{space}.agentos.api", f"package {space}.api\n\ndecision := 1\n".encode())
    assert await evaluator.decide(api("keys.manage", "viewer")) == before
    await evaluator.close()
    assert before.verdict == "deny"


@pytest.mark.opa
async def test_two_bundles_on_one_server_answer_each_for_itself(empty_opa: str) -> None:
    bundle = read_bundle()
    viewers_may_nothing = Bundle(bundle.modules, merged(bundle.config, {"roles": {"viewer": []}}))
    first = await OpaEvaluator.connect(empty_opa, bundle, answer_within=PATIENT)
    second = await OpaEvaluator.connect(empty_opa, viewers_may_nothing, answer_within=PATIENT)
    answers = [await each.decide(api("tasks.read", "viewer")) for each in (first, second, first, second)]
    await first.close()
    await second.close()
    assert [answer.verdict for answer in answers] == ["allow", "deny", "allow", "deny"]
    assert [answer.revision for answer in answers[:2]] == [revision_of(bundle), revision_of(viewers_may_nothing)]


@pytest.mark.opa
async def test_bundles_that_nobody_asks_any_more_leave_the_server(empty_opa: str) -> None:
    bundles = [Bundle(SMALL.modules, {"limits": {"max_attempts": n}}) for n in range(5)]
    for bundle in bundles:
        await (await OpaEvaluator.connect(empty_opa, bundle, answer_within=PATIENT)).close()
    listed = await asyncio.to_thread(get, empty_opa, "policies")
    assert {policy["id"].split(".")[0] for policy in listed["result"]} == {
        f"agentos_{revision_of(bundle)[:16]}" for bundle in bundles[-3:]
    }


@pytest.mark.opa
async def test_rules_that_opa_does_not_take_are_an_error_and_the_former_ones_stay(empty_opa: str) -> None:
    bundle = read_bundle()
    evaluator = await OpaEvaluator.connect(empty_opa, bundle, answer_within=PATIENT)
    broken = Bundle(
        {**bundle.modules, "agentos.api": "package agentos.api\n\ndecision := data.agentos.api.decision\n"}, bundle.config
    )
    with pytest.raises(Unavailable) as caught:
        await OpaEvaluator.connect(empty_opa, broken, answer_within=PATIENT)
    assert caught.value.code == "policy.uncompilable"
    assert (await evaluator.decide(api("tasks.read", "viewer"))).verdict == "allow"
    await evaluator.close()


async def test_no_server_is_an_error_at_the_start() -> None:
    with pytest.raises(Unavailable):
        await OpaEvaluator.connect(f"http://127.0.0.1:{free_port()}", SMALL)


@pytest.mark.parametrize("url", ["", "localhost:8181", "ftp://opa:1", "http://opa:8181/v1/data", "http://opa:8181?x=1"])
async def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        await OpaEvaluator.connect(url, SMALL)
