"""A gateway on a free port over a real broker, with stand-ins behind it."""

import base64
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentos.contracts.ids import new_id
from services.gateway.app import create_app, open_gateway
from services.gateway.authorizer import Role
from services.gateway.server import serve_app
from services.gateway.settings import Settings
from services.gateway.state import Gateway
from services.gateway.webhooks import github, standard
from tests.services.gateway import standins

GITHUB_SECRET = "a-secret-that-both-sides-know"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SOURCES = {
    "github": {"kind": "github", "secret_env": "TEST_GITHUB_SECRET", "events": {"issues.opened": "github-issue-triage"}},
    "stripe": {"kind": "standard", "secret_env": "TEST_STANDARD_SECRET", "events": {"invoice.paid": "invoice-check"}},
}


@dataclass
class Edge:
    """A served gateway and a client of it."""

    gateway: Gateway
    backend: standins.Backend
    http: httpx.AsyncClient
    url: str
    admin_key: str

    async def key(self, *roles: Role, tenant: str = "default") -> str:
        _, key = await self.gateway.api_keys.create(new_id().replace("-", ""), "test", roles, tenant, standins.ADMIN)
        return key

    async def github(self, body: Any, *, signature: str | None = None, headers: dict[str, str] | None = None) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "X-Hub-Signature-256": github.sign(GITHUB_SECRET.encode(), raw) if signature is None else signature,
            "X-GitHub-Event": "issues",
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "Content-Type": "application/json",
            **(headers or {}),
        }
        return await self.http.post("/api/v1/webhooks/github", content=raw, headers=sent)

    async def standard(self, body: Any, *, id_: str = "msg_1", age: timedelta = timedelta(0), **changed: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = str(int((datetime.now(UTC) - age).timestamp()))
        sent = {
            "webhook-id": id_,
            "webhook-timestamp": stamp,
            "webhook-signature": standard.sign(standard.parse_secret(STANDARD_SECRET), id_, stamp, raw),
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }
        sent = {name: value for name, value in sent.items() if value != ""}
        return await self.http.post("/api/v1/webhooks/stripe", content=raw, headers=sent)


@pytest.fixture
async def edge(broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edge]:
    """The gateway, served, with an admin's client."""
    monkeypatch.setenv("TEST_GITHUB_SECRET", GITHUB_SECRET)
    monkeypatch.setenv("TEST_STANDARD_SECRET", STANDARD_SECRET)
    sources = tmp_path / "sources.json"
    sources.write_text(json.dumps(SOURCES))
    settings = Settings(port=0, data=tmp_path / "data", sources_file=sources, answer_timeout=timedelta(seconds=6))
    backend = await standins.start(broker)
    async with (
        open_gateway(settings, await broker.connect("gateway")) as gateway,
        serve_app(create_app(gateway), "127.0.0.1", 0, timedelta(seconds=2), gateway.draining.set) as served,
    ):
        key = settings.admin_key_path.read_text().strip()
        async with httpx.AsyncClient(base_url=served.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            yield Edge(gateway, backend, client, served.url, key)
    await backend.stop()
