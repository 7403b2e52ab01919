"""A server that hangs, lies or is not there: the OPA evaluator raises and never allows."""

import asyncio
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agentos.contracts.errors import Unavailable
from services.policy.opa import OpaEvaluator
from tests.services.policy.cases import api
from tests.services.policy.conftest import BundleOf, free_port, running_opa

RULE = "package agentos.api"
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
async def lying_server(decision: Reply, policies: bytes = http(b'{"result": [{"id": "a.rego"}]}')) -> AsyncGenerator[str, None]:
    """Speaks enough of OPA's REST interface to be connected to, then answers the question with ``decision``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("GET /v1/policies/a.rego"):
                await sends(http(b'{"result": {"id": "a.rego", "raw": "package agentos.api"}}'))(writer)
            elif head.startswith("GET /v1/policies"):
                await sends(policies)(writer)
            elif head.startswith("GET /v1/data/config"):
                await sends(http(b'{"result": {}}'))(writer)
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
        evaluator = await OpaEvaluator.connect(url, answer_within=timedelta(milliseconds=300))
        with pytest.raises(Unavailable) as caught:
            await evaluator.decide(api("tasks.read", "admin"))
        await evaluator.close()
    assert caught.value.code == code


async def test_when_the_server_is_gone_all_questions_in_flight_are_errors() -> None:
    async with lying_server(hangs) as url:
        evaluator = await OpaEvaluator.connect(url, answer_within=timedelta(milliseconds=300), revision_ttl=timedelta(0))
    answers = await asyncio.gather(*(evaluator.decide(api("tasks.read", "admin")) for _ in range(20)), return_exceptions=True)
    await evaluator.close()
    assert {type(answer) for answer in answers} == {Unavailable}


@pytest.mark.opa
async def test_a_changed_datum_on_the_server_changes_the_revision(bundle_of: BundleOf, tmp_path: Path) -> None:
    with running_opa(bundle_of(), tmp_path / "log") as url:
        evaluator = await OpaEvaluator.connect(url, answer_within=timedelta(seconds=5), revision_ttl=timedelta(0))
        before = await evaluator.decide(api("tasks.read", "viewer"))
        changed = urllib.request.Request(f"{url}/v1/data/config/roles/viewer", data=b"[]", method="PUT")
        await asyncio.to_thread(lambda: urllib.request.urlopen(changed).close())
        after = await evaluator.decide(api("tasks.read", "viewer"))
        await evaluator.close()
    assert (before.verdict, after.verdict) == ("allow", "deny")
    assert before.revision != after.revision


@pytest.mark.parametrize("policies", [b"[]", b'{"result": 1}', b'{"result": []}', b"x"])
async def test_a_server_without_rules_is_not_connected_to(policies: bytes) -> None:
    async with lying_server(hangs, http(policies)) as url:
        with pytest.raises(Unavailable):
            await OpaEvaluator.connect(url)


async def test_no_server_is_an_error_at_the_start() -> None:
    with pytest.raises(Unavailable):
        await OpaEvaluator.connect(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("url", ["", "localhost:8181", "ftp://opa:1", "http://opa:8181/v1/data", "http://opa:8181?x=1"])
async def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        await OpaEvaluator.connect(url)
