"""Webhooks over HTTP: one delivery is one task, and every bad delivery gets its problem document while the next one is served."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

ISSUE = {"action": "opened", "issue": {"number": 7, "title": "It breaks", "body": "mail me: jane@example.com"}}


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document, which every refusal must be."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:agentos:problem:{document['code']}"
    assert document["detail"]
    return response.status_code, document["code"]


async def test_a_signed_delivery_becomes_one_task_and_its_repeats_the_same(edge: Any) -> None:
    first = await edge.github(ISSUE)
    assert first.status_code == 202, first.text
    task = first.json()["task"]
    assert first.json() == {"task": task, "duplicate": False}
    again = await asyncio.gather(*(edge.github(ISSUE) for _ in range(5)))
    assert {(r.status_code, r.json()["task"], r.json()["duplicate"]) for r in again} == {(200, task, True)}
    await edge.backend.eventually(lambda: len(edge.backend.orchestrator.submits) == 6)
    facts = await edge.backend.orchestrator.bus.load("default", "task", task)
    assert len(facts) == 1
    assert facts[0].data.untrusted
    assert facts[0].data.type == "github-issue-triage"
    assert facts[0].data.requester.kind == "webhook"


async def test_concurrent_first_deliveries_make_one_task(edge: Any) -> None:
    answers = await asyncio.gather(*(edge.github(ISSUE) for _ in range(8)))
    assert len({r.json()["task"] for r in answers}) == 1
    assert sorted(r.json()["duplicate"] for r in answers) == [False] + [True] * 7


async def test_the_input_is_sealed_on_the_broker_and_opens_to_what_was_sent(edge: Any) -> None:
    task = (await edge.github(ISSUE)).json()["task"]
    await edge.backend.eventually(lambda: edge.backend.orchestrator.submits)
    _, command = edge.backend.orchestrator.submits[0]
    assert b"jane@example.com" not in command.model_dump_json().encode()
    opened = json.loads(await edge.gateway.keyring.open("default", "task.input", command.task.input))
    assert opened["body"] == ISSUE
    assert (opened["source"], opened["event"], opened["action"]) == ("github", "issues", "opened")
    assert "x-hub-signature-256" not in opened["headers"]
    assert command.task.input.key == task


async def test_standard_webhooks_use_the_signed_id_as_identity(edge: Any) -> None:
    body = {"type": "invoice.paid", "data": {}}
    one, same, other = [await edge.standard(body, id_=i) for i in ("msg_1", "msg_1", "msg_2")]
    assert (one.status_code, same.status_code, other.status_code) == (202, 200, 202)
    assert one.json()["task"] == same.json()["task"] != other.json()["task"]


async def test_ping_and_unconfigured_events_make_no_task(edge: Any) -> None:
    ping = await edge.github({"zen": "Keep it logically awesome."}, headers={"X-GitHub-Event": "ping"})
    assert (ping.status_code, ping.json()) == (200, {"pong": True})
    ignored = await edge.github({"action": "closed"})
    assert ignored.status_code == 202
    assert ignored.json()["ignored"] is True
    assert "issues.closed" in ignored.json()["reason"]
    assert edge.backend.orchestrator.submits == []


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("", (401, "signature_missing")),
        ("sha256=" + "0" * 64, (401, "signature_mismatch")),
        ("sha256=" + "0" * 63, (400, "signature_malformed")),
        ("sha1=" + "0" * 40, (400, "signature_malformed")),
        ("garbage", (400, "signature_malformed")),
    ],
)
async def test_a_bad_github_signature_is_refused(edge: Any, signature: str, expected: tuple[int, str]) -> None:
    assert problem(await edge.github(ISSUE, signature=signature)) == expected
    assert (await edge.github(ISSUE)).status_code == 202


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"webhook_signature": ""}, (401, "signature_missing")),
        ({"webhook_id": ""}, (400, "webhook_id_missing")),
        ({"webhook_timestamp": ""}, (400, "timestamp_missing")),
        ({"webhook_signature": "bm8gY29tbWE="}, (400, "signature_malformed")),
        ({"webhook_signature": "v1,%%%"}, (400, "signature_malformed")),
        ({"webhook_signature": "v1,YWJj"}, (401, "signature_mismatch")),
        ({"webhook_signature": "v1,YWJj v1,ZGVm"}, (401, "signature_mismatch")),
        ({"webhook_signature": "v1a,YWJj"}, (401, "signature_unsupported")),
        ({"webhook_timestamp": "soon"}, (400, "timestamp_malformed")),
        ({"webhook_timestamp": "12.5"}, (400, "timestamp_malformed")),
        ({"webhook_timestamp": "-1"}, (400, "timestamp_malformed")),
        ({"webhook_timestamp": "1"}, (401, "signature_mismatch")),
        ({"age": timedelta(minutes=6)}, (401, "timestamp_too_old")),
        ({"age": timedelta(minutes=-6)}, (401, "timestamp_too_new")),
    ],
)
async def test_a_bad_standard_webhook_is_refused(edge: Any, changed: dict[str, Any], expected: tuple[int, str]) -> None:
    assert problem(await edge.standard({"type": "invoice.paid"}, **changed)) == expected
    assert (await edge.standard({"type": "invoice.paid"})).status_code == 202


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "empty_body")),
        (b"{not json", (400, "not_json")),
        (b"[" * 100_000, (400, "too_deep")),
        (b'{"a":' * 100 + b"1" + b"}" * 100, (400, "too_deep")),
        (b'{"a":"\\u0000"}', (400, "nul_character")),
        (b'{"a":"\\ud800"}', (400, "lone_surrogate")),
        (b'{"a":"\xff"}', (400, "not_utf8")),
        (b'{"a":1,"a":2}', (400, "duplicate_name")),
        (b'{"a":NaN}', (400, "not_a_number")),
        (b'{"a":1e999}', (400, "number_too_large")),
        (b'{"a":' + b"9" * 5_000 + b"}", (400, "number_too_large")),
        (b"[1]", (400, "not_an_object")),
        (b'{"action":5}', (400, "event_missing")),
        (b'{"a":"' + b"x" * 2 * 1024 * 1024 + b'"}', (413, "too_large")),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_bad_body_is_refused_even_when_signed(edge: Any, body: bytes, expected: tuple[int, str]) -> None:
    assert problem(await edge.github(body)) == expected
    assert (await edge.github(ISSUE)).status_code == 202


async def test_a_body_in_chunks_cannot_pass_the_limit(edge: Any) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    response = await edge.http.post("/api/v1/webhooks/github", content=chunks())
    assert problem(response) == (413, "too_large")


async def test_an_unknown_source_and_a_form_body_are_refused(edge: Any) -> None:
    assert problem(await edge.http.post("/api/v1/webhooks/nobody", json={})) == (404, "unknown_source")
    form = await edge.github(b"payload=%7B%7D", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert problem(form) == (415, "not_json_type")


async def test_a_large_signed_body_is_taken(edge: Any) -> None:
    """A body near the limit outgrows a message: it travels by claim check."""
    response = await edge.github({**ISSUE, "padding": "x" * 900_000})
    assert response.status_code == 202, response.text
    await edge.backend.eventually(lambda: edge.backend.orchestrator.submits)
