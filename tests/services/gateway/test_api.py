"""The REST API over a real broker: who may what, what bad input gets, and that a repeated request is the same request."""

import asyncio
import hashlib
import json
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentos.contracts.budgets import Budget, BudgetState, Sliding
from agentos.contracts.envelope import encode_body
from agentos.contracts.events.kill import InstanceReach, KillCancelled, KillDrilled, KillReleased
from agentos.contracts.ids import derived_id
from agentos.ending import end
from services.gateway.app import create_api
from services.gateway.auth import ApiKeys
from services.gateway.authorizer import ACTIONS, ROLES, role_table
from tests.services.gateway import standins
from tests.services.gateway.test_webhooks_http import problem

TASK = {"type": "report", "input": {"question": "what did jane@example.com want?"}}


async def submitted(edge: Any, **headers: str) -> str:
    response = await edge.http.post("/api/v1/tasks", json=TASK, headers=headers)
    assert response.status_code == 201, response.text
    return response.json()["task"]


async def known(edge: Any, task: str) -> None:
    """The ledger's stand-in has folded the task."""
    await edge.backend.eventually(
        lambda: any(e.subject == f"evt.default.task.{task}.submitted" for e in edge.backend.ledger.events)
    )


async def test_a_task_is_submitted_listed_shown_and_its_result_opened(edge: Any) -> None:
    task = await submitted(edge)
    await known(edge, task)
    listed = (await edge.http.get("/api/v1/tasks")).json()
    assert [item["id"] for item in listed["items"]] == [task]
    await edge.gateway.keyring.create("default", task)
    sealed = await edge.gateway.keyring.seal("default", task, "task.result", b'{"answer": 42}')
    await edge.backend.orchestrator.settle(task, sealed)
    shown = (await edge.http.get(f"/api/v1/tasks/{task}")).json()
    assert shown["id"] == task
    assert (shown["result"], shown["result_state"]) == ({"answer": 42}, "opened")


async def test_a_result_is_opened_for_its_author_and_stays_sealed_for_a_viewer(edge: Any) -> None:
    author, viewer = await edge.key("author"), await edge.key("viewer")
    by_author = {"Authorization": f"Bearer {author}"}
    task = await submitted(edge, **by_author)
    await known(edge, task)
    sealed = await edge.gateway.keyring.seal("default", task, "task.result", b'{"answer": 42}')
    await edge.backend.orchestrator.settle(task, sealed)
    own = (await edge.http.get(f"/api/v1/tasks/{task}", headers=by_author)).json()
    foreign = (await edge.http.get(f"/api/v1/tasks/{task}", headers={"Authorization": f"Bearer {viewer}"})).json()
    assert (own["result_state"], foreign["result_state"], foreign["result"]) == ("opened", "sealed", None)


async def test_an_erased_result_is_said_to_be_erased(edge: Any) -> None:
    task = await submitted(edge)
    await known(edge, task)
    sealed = await edge.gateway.keyring.seal("default", task, "task.result", b"1")
    await edge.backend.orchestrator.settle(task, sealed)
    await edge.gateway.bus.bucket("keys").delete(f"default.{task}")
    edge.gateway.keyring._cache.clear()
    assert (await edge.http.get(f"/api/v1/tasks/{task}")).json()["result_state"] == "erased"


async def test_cancel_and_retry_reach_the_orchestrator_and_an_unknown_task_is_404(edge: Any) -> None:
    task = await submitted(edge)
    assert (await edge.http.post(f"/api/v1/tasks/{task}/cancel", json={"reason": "wrong issue"})).status_code == 202
    assert (await edge.http.post(f"/api/v1/tasks/{task}/retry")).status_code == 202
    assert [type(c).__name__ for c in edge.backend.orchestrator.other] == ["CancelTask", "RetryTask"]
    assert problem(await edge.http.post("/api/v1/tasks/none/cancel", json={"reason": "x"})) == (404, "not_found")
    assert problem(await edge.http.get("/api/v1/tasks/none")) == (404, "not_found")


async def test_a_batch_says_what_became_of_each_and_none_stops_another(edge: Any) -> None:
    first, second = await submitted(edge), await submitted(edge)
    await known(edge, second)
    body = {"action": "cancel", "tasks": [first, "no-such-task", second, first], "reason": "a mistake"}
    said = (await edge.http.post("/api/v1/tasks/batch", json=body)).json()
    assert [(item["id"], item["ok"], item["status"]) for item in said["items"]] == [
        (first, True, 202), ("no-such-task", False, 404), (second, True, 202),
    ]  # fmt: skip
    assert said["done"] == 2
    assert (await edge.http.post("/api/v1/tasks/batch", json=body | {"reason": ""})).status_code == 422
    viewer = {"Authorization": f"Bearer {await edge.key('viewer')}"}
    assert (await edge.http.post("/api/v1/tasks/batch", json=body, headers=viewer)).status_code == 403


async def test_approvals_are_listed_shown_and_answered_once(edge: Any) -> None:
    assert (await edge.http.get("/api/v1/approvals?state=pending")).json()["items"][0]["id"] == "appr1"
    assert (await edge.http.get("/api/v1/approvals/appr1")).json()["preview"] == {"body": "<EMAIL_1>"}
    url = "/api/v1/approvals/appr1/resolve"
    assert (await edge.http.post(url, json={"outcome": "approved", "digest": "d1"})).json()["status"] == "approved"
    assert problem(await edge.http.post(url, json={"outcome": "rejected", "digest": "d1"})) == (409, "already_resolved")
    assert problem(await edge.http.post("/api/v1/approvals/unknown/resolve", json={"outcome": "approved", "digest": "d1"})) == (
        404,
        "not_found",
    )
    for body in ({"outcome": "maybe", "digest": "d1"}, {"outcome": "approved"}):
        assert problem(await edge.http.post(url, json=body)) == (422, "invalid_request")


async def test_switches_that_were_released_and_drills_are_told_with_their_figures(edge: Any) -> None:
    switch = (await edge.http.post("/api/v1/kill", json={"scope": "pack", "target": "p", "reason": "odd replies"})).json()["id"]
    assert (await edge.http.get("/api/v1/kill/history")).json() == {"items": [], "next_cursor": None}
    assert (await edge.http.post(f"/api/v1/kill/{switch}/release", json={"reason": "mended"})).status_code == 200
    await edge.backend.eventually(lambda: any(isinstance(event.data, KillReleased) for event in edge.backend.ledger.events))
    (past,) = (await edge.http.get("/api/v1/kill/history")).json()["items"]
    assert (past["id"], past["reason"], past["release_reason"], past["cancelled"]) == (switch, "odd replies", "mended", 2)
    reach = InstanceReach(service="router", instance="r-1", seen=5, missed=0, p50_ms=1.5)
    drilled = KillDrilled(rounds=5, reason="monthly", by=standins.ADMIN, instances=(reach,), p50_ms=1.5, p99_ms=3, max_ms=4)
    done = await edge.backend.gates.bus.append("kill.drilled", "drill1", drilled, tenant="default")
    told = {"Agentos-Position": str(done.seq)}
    (drill,) = (await edge.http.get("/api/v1/kill/drills", headers=told)).json()["items"]
    assert (drill["id"], drill["p99_ms"], drill["instances"][0]["instance"]) == ("drill1", 3, "r-1")


async def test_the_kill_switch_is_engaged_shown_and_released(edge: Any) -> None:
    made = await edge.http.post("/api/v1/kill", json={"scope": "pack", "target": "engineering", "reason": "odd replies"})
    assert made.status_code == 201, made.text
    switch = made.json()["id"]
    assert [(s["id"], s["scope"], s["target"]) for s in (await edge.http.get("/api/v1/kill")).json()["items"]] == [
        (switch, "pack", "engineering")
    ]
    assert (await edge.http.post(f"/api/v1/kill/{switch}/release", json={"reason": "mended"})).status_code == 200
    assert (await edge.http.get("/api/v1/kill")).json()["items"] == []
    assert problem(await edge.http.post(f"/api/v1/kill/{switch}/release", json={"reason": "again"})) == (404, "not_found")
    assert problem(await edge.http.post("/api/v1/kill", json={"scope": "pack", "reason": "which?"})) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"scope": "agent", "target": "triage"}, True),
        ({"scope": "agent", "target": "engineering/triage", "mode": "drain"}, False),
        ({"scope": "model"}, True),
        ({"scope": "tool", "target": "github.comment"}, False),
        ({"scope": "global", "target": "x"}, True),
        ({"scope": "pack", "target": "p", "mode": "pause"}, True),
    ],
)
async def test_a_target_fits_its_scope_or_is_refused_with_what_would(edge: Any, body: dict[str, Any], refused: bool) -> None:
    answer = await edge.http.post("/api/v1/kill", json=body | {"reason": "odd"})
    assert answer.status_code == (422 if refused else 201)


async def test_a_switch_is_shown_with_what_it_stopped_of_ones_own_tenant(edge: Any) -> None:
    made = await edge.http.post("/api/v1/kill", json={"scope": "global", "reason": "odd replies"})
    switch = made.json()["id"]
    for tenant, number in (("default", 1), ("default", 2), ("other", 3)):
        cancelled = KillCancelled(
            what="attempt",
            task=f"t{number}",
            attempt=1,
            pack="p",
            agent="a",
            instance="r",
            after_ms=number,
            confirmed=number != 2,
        )
        await edge.backend.bus.append("kill.attempt-cancelled", switch, cancelled, ordinal=f"c{number}", tenant=tenant)
    shown = (await edge.http.get(f"/api/v1/kill/{switch}")).json()
    assert (shown["scope"], shown["mode"], shown["state"], shown["reason"]) == ("global", "halt", "engaged", "odd replies")
    assert [one["id"] for one in shown["cancelled"]] == ["c1"]
    assert [one["id"] for one in shown["unconfirmed"]] == ["c2"]
    assert problem(await edge.http.get("/api/v1/kill/unheard-of")) == (404, "not_found")
    stranger = {"Authorization": f"Bearer {await edge.key('operator', tenant='other')}"}
    theirs = (await edge.http.get(f"/api/v1/kill/{switch}", headers=stranger)).json()
    assert [one["id"] for one in theirs["cancelled"]] == ["c3"]
    own = (await edge.http.post("/api/v1/kill", json={"scope": "pack", "target": "p", "reason": "x"})).json()["id"]
    assert problem(await edge.http.get(f"/api/v1/kill/{own}", headers=stranger)) == (404, "not_found")


async def test_reads_answer(edge: Any) -> None:
    await edge.backend.announce("engineering", "report")
    for path in ("audit/status", "costs?by=model", "packs", "events", "calls/call1"):
        response = await edge.http.get(f"/api/v1/{path}")
        assert response.status_code == 200, (path, response.text)
    packs = (await edge.http.get("/api/v1/packs")).json()["items"]
    assert [(p["name"], p["live"]) for p in packs] == [("engineering", True), ("gone", False)]
    assert (await edge.http.post("/api/v1/audit/verify")).json()["ok"] is True
    exported = await edge.http.get("/api/v1/audit/export")
    assert exported.text == '{"count":2}\n{"closed":true}\n'
    for wrong in ("by=colour", "by=model,", "by=", "from=yesterday", "to=2026-01-01T00:00:00", "format=xml"):
        assert problem(await edge.http.get(f"/api/v1/costs?{wrong}")) == (422, "invalid_request")
    sheet = await edge.http.get("/api/v1/costs?by=model&from=2026-01-01T00:00:00Z&format=csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    heading, row = sheet.text.splitlines()
    assert heading.startswith("model,calls,attempts,cached_calls")
    assert row.startswith("'=gpt-5-mini,3,"), "no name becomes a formula"


async def test_budgets_are_shown_with_what_is_spent_held_back_and_left(edge: Any, broker: Any) -> None:
    bucket = (await broker.connect("policy")).bucket("budgets")
    key = {"tenant": "default", "pack": "engineering"}
    full = Budget.model_validate(
        {"id": "pack-month", "key": key, "metric": "usd", "limit": "2.50", "window": "month", "mode": "hard"}
    )
    sliding = full.model_copy(
        update={"id": "rate", "metric": "requests", "limit": Decimal(10), "window": Sliding(sliding_s=3600)}
    )
    now = datetime.now(UTC)
    holds = {"c1": (full.slot(now), 500_000_000_000, 0, "o"), "c0": (full.slot(now) - 1, 9, 0, "o")}
    spent = {full.slot(now): 2_000_000_000_000, full.slot(now) - 1: 7}
    await bucket.put(f"default.{full.account}", encode_body(BudgetState(budget=full, spent=spent, holds=holds)))
    await bucket.put(f"default.{sliding.account}", encode_body(BudgetState(budget=sliding, spent={sliding.slot(now): 1})))
    await bucket.put("default.broken", b"?")
    await bucket.put(f"other.{full.account}", encode_body(BudgetState(budget=full, spent=spent)))
    month, rate, broken = (await edge.http.get("/api/v1/budgets")).json()["items"]
    assert {name: month[name] for name in ("id", "state", "key", "limit", "spent", "reserved", "remaining", "window")} == {
        "id": "pack-month", "state": "full", "key": key, "limit": "2.5", "spent": "2", "reserved": "0.5", "remaining": "0",
        "window": "month",
    }  # fmt: skip
    assert month["begins_at"].endswith("-01T00:00:00+00:00")
    assert (rate["window"], rate["remaining"], rate["forecast"], rate["ends_at"]) == ({"sliding_s": 3600}, "9", None, None)
    assert broken["state"] == "unreadable"
    assert [item["id"] for item in (await edge.http.get("/api/v1/budgets?id=rate")).json()["items"]] == ["rate"]


async def test_an_unknown_type_or_pack_is_refused_with_the_known_ones_once_a_pack_is_registered(edge: Any) -> None:
    await edge.backend.announce("engineering", "github-issue-triage")
    unknown = await edge.http.post("/api/v1/tasks", json=TASK)
    assert problem(unknown) == (422, "unknown_task_type")
    assert "github-issue-triage" in unknown.json()["detail"]
    assert problem(await edge.http.post("/api/v1/tasks", json=TASK | {"pack": "sales"})) == (422, "unknown_pack")
    assert (await edge.http.post("/api/v1/tasks", json=TASK | {"type": "github-issue-triage"})).status_code == 201


async def test_a_task_for_a_pack_of_which_no_instance_is_alive_is_taken_while_others_are(edge: Any) -> None:
    await edge.backend.announce("engineering", "github-issue-triage")
    await edge.backend.announce("support", "refund")
    await edge.backend.bus.bucket("presence").delete("support.runner-1")
    assert (await edge.http.post("/api/v1/tasks", json=TASK | {"type": "refund"})).status_code == 201
    assert (await edge.http.post("/api/v1/tasks", json=TASK | {"type": "refund", "pack": "support"})).status_code == 201
    assert problem(await edge.http.post("/api/v1/tasks", json=TASK | {"type": "refunds"})) == (422, "unknown_task_type")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "report"}, "input"),
        (TASK | {"colour": "red"}, "colour"),
        (TASK | {"type": "a b"}, "type"),
        (TASK | {"input": [1]}, "input"),
        (TASK | {"max_attempts": 0}, "max_attempts"),
        (TASK | {"deadline": "2026-01-01T00:00:00"}, "deadline"),
        (TASK | {"depends_on": ["a.b"]}, "depends_on.0"),
    ],
)
async def test_a_bad_field_is_named(edge: Any, body: Any, field: str) -> None:
    response = await edge.http.post("/api/v1/tasks", json=body)
    assert problem(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"{", "application/json", (400, "not_json")),
        (b"[" * 5_000, "application/json", (400, "too_deep")),
        (b'{"type":"report","type":"report"}', "application/json", (400, "duplicate_name")),
        (b"type=report", "application/x-www-form-urlencoded", (415, "not_json_type")),
        (b"x" * 2_000_000, "application/json", (413, "too_large")),
        (b"", "application/json", (422, "invalid_request")),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_bad_body_gets_its_problem(edge: Any, content: bytes, kind: str, expected: tuple[int, str]) -> None:
    assert problem(await edge.http.post("/api/v1/tasks", content=content, headers={"Content-Type": kind})) == expected
    assert (await edge.http.post("/api/v1/tasks", json=TASK)).status_code == 201


async def test_those_of_some_ids_are_read_in_one_go(edge: Any) -> None:
    one, two, three = [(await edge.http.post("/api/v1/tasks", json=TASK)).json()["task"] for _ in range(3)]
    found = (await edge.http.get("/api/v1/tasks", params={"id": f"{one},{three},nothing"})).json()["items"]
    assert {row["id"] for row in found} == {one, three}, two
    assert [row["id"] for row in (await edge.http.get("/api/v1/approvals?id=appr1,nothing")).json()["items"]] == ["appr1"]
    assert (await edge.http.get("/api/v1/approvals?id=nothing")).json()["items"] == []


async def test_refusals_outside_the_routes_are_problem_documents_too(edge: Any) -> None:
    assert problem(await edge.http.get("/nowhere")) == (404, "not_found")
    wrong = await edge.http.put("/api/v1/tasks")
    assert problem(wrong) == (405, "method_not_allowed")
    assert wrong.headers["allow"]
    for hostile in (
        "tasks/a%00b",
        "tasks/%ff%fe",
        "tasks/a.b",
        "tasks?q=%00",
        "tasks?limit=x",
        "tasks?cursor=-1",
        "tasks?id=",
        "tasks?id=a,,b",
        "approvals?id=a.b",
        f"approvals?id={','.join(['a'] * 101)}",
        f"events?cursor={2**70}",
    ):
        assert problem(await edge.http.get(f"/api/v1/{hostile}")) == (422, "invalid_request"), hostile


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "key_missing"),
        ("Basic Zm9vOmJhcg==", "key_malformed"),
        ("Bearer aos_admin_short", "key_malformed"),
        ("Bearer aos_admin_" + "x" * 43, "key_unknown"),
        ("Bearer aos_nobody_" + "x" * 43, "key_unknown"),
    ],
)
async def test_a_bad_key_is_401_with_a_challenge(edge: Any, authorization: str | None, code: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with httpx.AsyncClient(base_url=edge.url, timeout=60) as anonymous:
        response = await anonymous.get("/api/v1/tasks", headers=headers)
    assert problem(response) == (401, code)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert "x" * 43 not in response.text


async def test_a_revoked_key_opens_nothing_and_the_last_admin_stays(edge: Any) -> None:
    made = (await edge.http.post("/api/v1/keys", json={"name": "ci", "roles": ["viewer"]})).json()
    use = {"Authorization": f"Bearer {made['key']}"}
    assert (await edge.http.get("/api/v1/tasks", headers=use)).status_code == 200
    assert (await edge.http.delete(f"/api/v1/keys/{made['id']}")).json()["revoked_at"]
    assert problem(await edge.http.get("/api/v1/tasks", headers=use)) == (401, "key_revoked")
    listed = (await edge.http.get("/api/v1/keys")).json()["items"]
    assert made["key"] not in json.dumps(listed)
    assert problem(await edge.http.delete("/api/v1/keys/admin")) == (409, "last_admin")
    changes = [e.subject.rpartition(".")[2] for e in await edge.gateway.bus.load("default", "apikey", made["id"])]
    assert changes == ["1", "2"]


async def test_the_first_admin_key_is_in_a_private_file_and_its_digest_alone_on_the_broker(edge: Any) -> None:
    assert stat.S_IMODE(edge.gateway.settings.admin_key_path.stat().st_mode) == 0o600
    entry = await edge.gateway.bus.bucket("apikeys").get("admin")
    assert edge.admin_key.removeprefix("aos_admin_").encode() not in entry.value


async def test_the_same_idempotency_key_answers_the_first_result(edge: Any) -> None:
    first = await edge.http.post("/api/v1/tasks", json=TASK, headers={"Idempotency-Key": "k1"})
    again = await edge.http.post("/api/v1/tasks", json=TASK, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert len(edge.backend.orchestrator.submits) == 1
    other = await edge.http.post("/api/v1/tasks", json=TASK | {"priority": "high"}, headers={"Idempotency-Key": "k1"})
    assert problem(other) == (422, "idempotency_key_reused")
    assert problem(await edge.http.post("/api/v1/tasks", json=TASK, headers={"Idempotency-Key": "a b"})) == (
        400,
        "idempotency_key_malformed",
    )


async def test_concurrent_requests_with_one_key_make_one_task(edge: Any) -> None:
    answers = await asyncio.gather(
        *(edge.http.post("/api/v1/tasks", json=TASK, headers={"Idempotency-Key": "k2"}) for _ in range(10))
    )
    assert {r.status_code for r in answers} <= {201, 409}
    assert len({r.json()["task"] for r in answers if r.status_code == 201}) == 1
    assert {problem(r) for r in answers if r.status_code == 409} <= {(409, "idempotency_key_in_flight")}
    assert len(edge.backend.orchestrator.submits) == 1


async def test_keys_are_scoped_by_principal(edge: Any) -> None:
    mine = await submitted(edge, **{"Idempotency-Key": "k3"})
    theirs = await submitted(edge, **{"Idempotency-Key": "k3", "Authorization": f"Bearer {await edge.key('author')}"})
    assert mine != theirs


async def test_a_request_that_a_crash_cut_off_is_the_same_task_when_it_comes_again(edge: Any) -> None:
    """The orchestrator took the command and the answer was lost: 503, the reservation goes, the repeat is the same task."""
    edge.backend.orchestrator.silent = True
    lost = await edge.http.post("/api/v1/tasks", json=TASK, headers={"Idempotency-Key": "k4"})
    assert problem(lost) == (503, "answer_timeout")
    assert lost.headers["retry-after"]
    edge.backend.orchestrator.silent = False
    again = await submitted(edge, **{"Idempotency-Key": "k4"})
    assert {task for task, _ in edge.backend.orchestrator.submits} == {again}
    assert again == derived_id("task", derived_id("idempotency", "default", "admin", "/api/v1/tasks", "k4"))


async def test_a_created_key_is_replayed_and_its_stored_answer_is_sealed(edge: Any) -> None:
    body, headers = {"name": "ci", "roles": ["viewer"]}, {"Idempotency-Key": "k5"}
    first = await edge.http.post("/api/v1/keys", json=body, headers=headers)
    again = await edge.http.post("/api/v1/keys", json=body, headers=headers)
    assert first.json()["key"] == again.json()["key"]
    [entry] = await edge.gateway.bus.bucket("idempotency").entries()
    assert first.json()["key"].encode() not in entry.value


async def test_a_silent_ledger_is_503_and_unready_and_the_rest_goes_on(edge: Any) -> None:
    assert (await edge.http.get("/readyz")).status_code == 200
    edge.backend.ledger.silent = True
    silent = await edge.http.get("/api/v1/tasks")
    assert problem(silent) == (503, "answer_timeout")
    assert (await edge.http.get("/readyz")).json()["checks"]["ledger"] == "does not answer"
    assert (await edge.http.get("/healthz")).json()["status"] == "ok"
    assert (await edge.http.post("/api/v1/tasks", json=TASK)).status_code == 201


async def test_without_the_broker_requests_are_told_503_at_once(edge: Any, broker: Any) -> None:
    await broker.server.stop()
    await edge.backend.eventually(lambda: not edge.gateway.bus.connected)
    response = await edge.http.post("/api/v1/tasks", json=TASK)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert (await edge.http.get("/readyz")).status_code == 503
    assert (await edge.http.get("/healthz")).status_code == 200
    await broker.server.start()
    await edge.backend.eventually(lambda: edge.gateway.bus.connected)
    assert (await edge.http.get("/api/v1/kill")).status_code == 200


async def test_metrics_need_the_right(edge: Any) -> None:
    metrics = await edge.http.get("/metrics")
    assert "agentos_http_requests_total" in metrics.text
    async with httpx.AsyncClient(base_url=edge.url, timeout=60) as anonymous:
        assert problem(await anonymous.get("/metrics")) == (401, "key_missing")


async def messages(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def test_events_stream_live_filtered_by_task_and_resume_after_the_last_id(edge: Any) -> None:
    async with edge.http.stream("GET", "/api/v1/events/stream?after=0") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        seen = messages(response)
        first = await anext(seen)
        assert first["type"] == "apikey.changed"
    one, two = await submitted(edge), await submitted(edge)
    async with edge.http.stream("GET", f"/api/v1/events/stream?task={two}&after=0") as response:
        event = await anext(messages(response))
        assert event["subject"] == f"evt.default.task.{two}.submitted"
        assert event["data"]["input"] == {"sealed": "task.input"}
        assert one not in json.dumps(event)
    async with edge.http.stream("GET", "/api/v1/events/stream", headers={"Last-Event-ID": str(event["seq"] - 1)}) as response:
        assert (await anext(messages(response)))["seq"] == event["seq"]


def test_every_role_and_route_is_in_the_table() -> None:
    assert set(role_table()) == set(ROLES)
    assert role_table()["admin"] == set(ACTIONS)


def test_the_policy_bundle_has_the_same_table() -> None:
    bundle = json.loads((Path(__file__).parents[3] / "services/policy/rego/data.json").read_text())
    assert {role: frozenset(actions) for role, actions in bundle["config"]["roles"].items()} == role_table()


def test_the_openapi_document_names_problems_security_and_the_idempotency_header() -> None:
    document = create_api().openapi()
    submit = document["paths"]["/api/v1/tasks"]["post"]
    assert submit["security"] == [{"apiKey": []}, {"accessToken": []}]
    assert any(p["name"] == "Idempotency-Key" for p in submit["parameters"])
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert "application/problem+json" in operation["responses"]["503"].get("content", {}) or path == "/readyz"
            assert "application/problem+json" in operation["responses"]["422"]["content"], path
    assert "ProblemDocument" in document["components"]["schemas"]


async def test_a_reservation_that_a_crashed_gateway_left_is_taken_over(edge: Any) -> None:
    scope_ = derived_id("idempotency", "default", "admin", "/api/v1/tasks", "k6")
    body = json.dumps(TASK).encode()
    left = {"state": "working", "body_digest": hashlib.sha256(body).hexdigest(), "at": datetime.now(UTC).isoformat()}
    bucket = edge.gateway.bus.bucket("idempotency")
    await bucket.put(scope_, json.dumps(left).encode())
    headers = {"Idempotency-Key": "k6", "Content-Type": "application/json"}
    assert problem(await edge.http.post("/api/v1/tasks", content=body, headers=headers)) == (409, "idempotency_key_in_flight")
    left["at"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    await bucket.put(scope_, json.dumps(left).encode())
    assert (await edge.http.post("/api/v1/tasks", content=body, headers=headers)).status_code == 201


async def test_a_key_made_elsewhere_works_here_and_its_revocation_too(edge: Any, broker: Any) -> None:
    """Two gateways share one bucket: each follows it."""
    other = ApiKeys(await broker.connect("gateway"))
    watching = asyncio.create_task(other.watch())
    await other.ready()
    record, key = await other.create("elsewhere", "ci", ("viewer",), "default", standins.ADMIN)
    use = {"Authorization": f"Bearer {key}"}
    while (await edge.http.get("/api/v1/tasks", headers=use)).status_code != 200:
        await asyncio.sleep(0.01)
    await other.revoke(record.id, "default", standins.ADMIN)
    while (await edge.http.get("/api/v1/tasks", headers=use)).status_code != 401:
        await asyncio.sleep(0.01)
    await end(watching)


async def test_tenants_see_and_stop_only_their_own(edge: Any) -> None:
    task = await submitted(edge)
    await known(edge, task)
    other = {"Authorization": f"Bearer {await edge.key('admin', tenant='other')}"}
    assert (await edge.http.get("/api/v1/tasks", headers=other)).json()["items"] == []
    assert problem(await edge.http.get(f"/api/v1/tasks/{task}", headers=other)) == (404, "not_found")
    cancelled = await edge.http.post(f"/api/v1/tasks/{task}/cancel", json={"reason": "not mine"}, headers=other)
    assert problem(cancelled) == (404, "not_found")
    assert problem(await edge.http.delete("/api/v1/keys/admin", headers=other)) == (404, "not_found")


async def test_more_requests_than_allowed_at_once_are_told_to_slow_down(edge: Any) -> None:
    edge.gateway.load.requests = edge.gateway.settings.max_in_flight
    busy = await edge.http.get("/api/v1/tasks")
    assert problem(busy) == (429, "busy")
    assert busy.headers["retry-after"]
    edge.gateway.load.requests = 0
    assert (await edge.http.get("/api/v1/tasks")).status_code == 200


async def test_an_answer_that_does_not_fit_is_500_and_its_content_is_not_logged(
    edge: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    task = await submitted(edge)
    edge.backend.ledger.broken = {"task": {"id": None, "note": "jane@example.com"}}
    assert problem(await edge.http.get(f"/api/v1/tasks/{task}")) == (500, "internal")
    shown = capsys.readouterr()
    assert "does not fit its model" in shown.out
    assert "jane@example.com" not in shown.out + shown.err
