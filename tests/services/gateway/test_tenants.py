"""Whatever changes something, tried on another tenant's things: it answers as for what there is not, and changes nothing.

With the real orchestrator, gates and ledger behind the gateway: what the gateway lets through, they have to refuse.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agentos.bus.server import free_port
from services.gates import app as gates
from services.gates.settings import Settings as GatesSettings
from services.gateway.app import create_app, open_gateway
from services.gateway.server import serve_app
from services.gateway.settings import Settings
from services.ledger import app as ledger
from services.ledger.settings import Settings as LedgerSettings
from services.orchestrator import app as orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from tests.governance.scenario import approval, until
from tests.services.gateway.conftest import GITHUB_SECRET, SOURCES, Edge
from tests.services.gateway.identity.test_matrix import routes, somebody

TASK = {"type": "issue-triage", "input": {"title": "Checkout fails with a card"}}
LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "tasks/{task}"): {"priority": "high"},
    ("POST", "approvals/{approval}/comment"): {"text": "looks odd"},
    ("POST", "approvals/{approval}/edit"): {"digest": "d", "arguments": {"body": "another"}},
    ("POST", "approvals/{approval}/resolve"): {"outcome": "rejected", "digest": "d"},
    ("POST", "tasks/{task}/cancel"): {"reason": "not needed"},
    ("POST", "tasks/{task}/retry"): {},
    ("POST", "deadletters/{letter}/retry"): {},
    ("POST", "deadletters/{letter}/discard"): {"reason": "noise"},
    ("POST", "delegations/{delegation}/revoke"): {"reason": "over"},
    ("POST", "kill/{switch}/release"): {"reason": "over"},
    ("POST", "kill/{switch}/confirm"): {"request": 1, "reason": "over"},
    ("POST", "notification-targets/{target}/test"): {},
    ("POST", "webhook-sources/{source}/test"): {"event": "issues.opened", "body": {"action": "opened"}},
    ("POST", "users/{user}/password"): {"password": "ten words that nobody would guess"},
    ("PATCH", "users/{user}"): {"name": "Somebody else"},
    ("DELETE", "sessions/{session}"): {},
    ("DELETE", "keys/{key}"): {},
    ("DELETE", "users/{user}"): {},
}
"""What each route takes that changes something which its path names. In an order in which their owner can do one after the other."""
OF_AGENTS = ("agents/{pack}/{agent}", "packs/{pack}/control")
"""An agent is the router's, who is not here: see tests/services/gateway/test_agents_http.py."""
NOT_BY_ITS_OWNER = {
    ("POST", "approvals/{approval}/edit"),  # waits for policy
    ("POST", "kill/{switch}/confirm"),  # only of a switch whose release was asked for
}


BY_THEMSELVES = ("notification.", "audit.", "kill.confirmed", "agent.")
"""Events that come of what stood before, in their own time."""


@dataclass
class Ours:
    """An installation whose first tenant has one of each thing."""

    edge: Edge
    ids: dict[str, str]
    key_id: str

    async def stands(self) -> dict[str, Any]:
        """All that a change would show in: the tenant's log, its people, keys and sessions."""
        told: dict[str, Any] = {}
        for path in ("events?limit=200", "users", "keys", "sessions?all=true", "kill", "delegations", "deadletters"):
            answer = await self.edge.http.get(f"/api/v1/{path}")
            assert answer.status_code == 200, answer.text
            told[path] = [
                {name: value for name, value in item.items() if name != "used_at"}
                for item in answer.json()["items"]
                if not str(item.get("type")).startswith(BY_THEMSELVES)
            ]
        return told


@pytest.fixture
async def ours(broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ours]:
    monkeypatch.setenv("TEST_GITHUB_SECRET", GITHUB_SECRET)
    (tmp_path / "sources.json").write_text(json.dumps({"github": SOURCES["github"]}))
    told = tmp_path / "notifications.json"
    told.touch(mode=0o600)
    target = {"name": "desk", "tenant": "default", "url": f"http://127.0.0.1:{free_port()}/x", "secrets": ["whsec_" + "a" * 32]}
    told.write_text(json.dumps({"webhooks": [target]}))
    stop = asyncio.Event()
    database = LedgerSettings(database_url=SecretStr(f"sqlite:///{tmp_path}/l.db"), audit_key_file=tmp_path / "audit.key")
    behind = [
        asyncio.create_task(each)
        for each in (
            orchestrator.run(OrchestratorSettings(), broker.settings("orchestrator"), stop),
            gates.run(GatesSettings(notifications_file=told), broker.settings("gates"), stop),
            ledger.run(database, broker.settings("ledger"), stop),
        )
    ]
    settings = Settings(
        port=0, data=tmp_path / "data", sources_file=tmp_path / "sources.json", answer_timeout=timedelta(seconds=20)
    )
    async with (
        open_gateway(settings, await broker.connect("gateway")) as gateway,
        serve_app(create_app(gateway), "127.0.0.1", 0, timedelta(seconds=2), gateway.draining.set) as served,
    ):
        key = settings.admin_key_path.read_text().strip()
        async with httpx.AsyncClient(base_url=served.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
            nobody: Any = None
            edge = Edge(gateway, nobody, client, served.url, key)
            async with somebody(edge, "default", "viewer"):
                yield await _with_one_of_each(edge, broker)
    stop.set()
    await asyncio.gather(*behind)


async def _with_one_of_each(edge: Edge, broker: Any) -> Ours:
    async def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await edge.http.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    task = (await made("tasks", TASK))["task"]
    switch = (await made("kill", {"scope": "pack", "target": "p", "reason": "odd"}))["id"]
    key = (await made("keys", {"name": "ci", "roles": ["approver"]}))["id"]
    lent = {"to": key, "until": LATER, "reason": "away"}
    delegation = (await made("delegations", lent))["id"]
    service = await broker.connect("gates")
    await service.append("approval.requested", "appr1", approval(task), tenant="default", correlation_id=task)
    headers = {"Nats-Msg-Id": "broken", "Agentos-Tenant": "default", "Agentos-Schema": "nonsense"}
    await edge.gateway.bus._publish("cmd.orchestrator.cancel.broken", b"{}", headers)
    [user] = edge.gateway.identity.users.list("default")
    [session] = edge.gateway.identity.sessions.of(user.id)

    async def letter() -> str | None:
        items = (await edge.http.get("/api/v1/deadletters")).json()["items"]
        return items[0]["id"] if items else None

    async def listed() -> bool | None:
        return (await edge.http.get("/api/v1/approvals/appr1")).status_code == 200 or None

    ids = {
        "task": task, "approval": "appr1", "switch": switch, "key": key, "delegation": delegation, "user": user.id, "session": session.id,
        "letter": await until(letter), "source": "github", "target": "desk",
    }  # fmt: skip
    await until(listed)
    return Ours(edge, ids, key)


NOBODYS = {
    "task": "xnobodysx", "approval": "xnobodysx", "switch": "xnobodysx", "key": "xnobodysx", "delegation": "xnobodysx",
    "user": "xnobodysx", "session": "xnobodysx", "letter": "999999", "source": "xnobodysx", "target": "xnobodysx",
}  # fmt: skip


async def asked(client: httpx.AsyncClient, method: str, path: str, ids: dict[str, str]) -> tuple[int, str, str]:
    """Status, code and detail, without the names that were asked for."""
    body = BODIES[(method, path)]
    headers = {"If-Match": "*"} if method == "PATCH" else {}
    answer = await client.request(method, f"/api/v1/{path.format_map(ids)}", json=body or None, headers=headers)
    said: dict[str, Any] = answer.json()
    detail = str(said.get("detail", ""))
    for id_ in ids.values():
        detail = detail.replace(id_, "…")
    return answer.status_code, str(said.get("code", "")), detail


async def test_nothing_of_another_tenant_can_be_changed_and_whoever_tries_learns_nothing(ours: Ours) -> None:
    before = await ours.stands()
    async with somebody(ours.edge, "other", "admin", "approver", "operator", "author") as stranger:
        for method, path in BODIES:
            tried = await asked(stranger, method, path, ours.ids)
            assert tried == await asked(stranger, method, path, NOBODYS), (method, path)
            assert tried[0] == 404, (method, path, tried)
        await _by_what_the_body_names(stranger, ours)
    assert await ours.stands() == before
    for method, path in [each for each in BODIES if each not in NOT_BY_ITS_OWNER]:
        assert (await asked(ours.edge.http, method, path, ours.ids))[0] != 404, (method, path)


async def _by_what_the_body_names(stranger: httpx.AsyncClient, ours: Ours) -> None:
    """Routes that take ids in their body."""
    task, approval_ = ours.ids["task"], ours.ids["approval"]
    for action in ("cancel", "retry"):
        done = (
            await stranger.post("/api/v1/tasks/batch", json={"action": action, "tasks": [task], "reason": "not mine"})
        ).json()
        assert [(item["status"], item["ok"]) for item in done["items"]] == [(404, False)]
    bulk = await stranger.post("/api/v1/approvals/bulk", json={"outcome": "approved", "digests": {approval_: "d"}})
    assert [(item["status"], item["ok"]) for item in bulk.json()["items"]] == [(404, False)]
    event = f"evt.default.task.{task}.submitted"
    for path, body, status in (
        ("payloads/reveal", {"event": event, "reason": "curious"}, 404),
        ("privacy/erasures", {"task": task, "reason": "curious"}, 404),
        ("privacy/exports", {"task": task, "reason": "curious"}, 404),
        ("delegations", {"to": ours.key_id, "until": LATER, "reason": "away"}, 422),
        ("keys", {"name": "x", "roles": ["viewer"], "tenant": "default"}, 422),
    ):
        answer = await stranger.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == status, (path, answer.text)


def test_every_route_that_changes_what_its_path_names_is_tried() -> None:
    changing = {
        (method, path.removeprefix("/api/v1/"))
        for method, path, access in routes()
        if method != "GET" and "{" in path and access not in (None, "anyone") and not any(of in path for of in OF_AGENTS)
    }
    assert changing == BODIES.keys()
