"""What nobody foresaw is told in the client's own dialect, and nothing of it."""

import json
from typing import Any, cast

import pytest
from starlette.types import Message

from services.gateway.endpoint.http import Endpoints
from services.gateway.endpoint.parts import Endpoint


async def _others(*_: Any) -> None:
    raise AssertionError("not under /v1")


@pytest.mark.parametrize(("headers", "kind"), [([], "server_error"), ([(b"anthropic-version", b"2023-06-01")], "api_error")])
async def test_a_defect_is_answered_500_in_the_clients_dialect_and_raised_for_the_log(
    headers: list[tuple[bytes, bytes]], kind: str
) -> None:
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    # An endpoint without parts: the first thing that a route asks of it is not there.
    broken = Endpoints(cast("Endpoint", object()), _others)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/models",
        "raw_path": b"/v1/models",
        "query_string": b"",
        "headers": headers,
    }
    with pytest.raises(AttributeError):
        await broken(scope, receive, send)
    start, body = told
    error = json.loads(body["body"])["error"]
    assert (start["status"], error["type"], error["code"]) == (500, kind, "internal_error")
    assert "attribute" not in error["message"].lower()
