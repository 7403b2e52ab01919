"""Dead letters over HTTP, with the real ledger: shown with their message, tried again or discarded, each once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agentos.bus import Route
from agentos.contracts.commands import CancelTask
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NeverRetry
from services.gateway.app import create_app, open_gateway
from services.gateway.server import serve_app
from services.gateway.settings import Settings as GatewaySettings
from services.ledger.app import run
from services.ledger.settings import Settings
from tests.services.gateway.conftest import Edge
from tests.services.gateway.identity.test_matrix import somebody
from tests.services.gateway.standins import ADMIN


class Orchestrator:
    """Takes no cancel command until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.taken: list[str] = []

    async def __call__(self, recorded: Recorded) -> None:
        if not self.mended:
            raise NeverRetry("no such task yet", code="unknown_task")
        self.taken.append(recorded.subject)


@pytest.fixture
async def edge(broker: Any, tmp_path: Path) -> AsyncIterator[Edge]:
    """The gateway, served, with nobody behind it yet."""
    settings = GatewaySettings(port=0, data=tmp_path / "data", answer_timeout=timedelta(seconds=20))
    nobody: Any = None
    async with (
        open_gateway(settings, await broker.connect("gateway")) as gateway,
        serve_app(create_app(gateway), "127.0.0.1", 0, timedelta(seconds=2), gateway.draining.set) as served,
    ):
        key = settings.admin_key_path.read_text().strip()
        async with httpx.AsyncClient(base_url=served.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            yield Edge(gateway, nobody, client, served.url, key)


@pytest.fixture
async def orchestrator(edge: Edge, broker: Any, tmp_path: Path) -> AsyncIterator[Orchestrator]:
    """With the real ledger beside it; ``edge`` is here first, so that it goes last."""
    del edge
    picky = Orchestrator()
    bus = await broker.connect("orchestrator")
    bus.consume([Route("orchestrator.cancel", picky)])
    await bus.start()
    settings = Settings(database_url=SecretStr(f"sqlite:///{tmp_path}/l.db"), audit_key_file=tmp_path / "audit.key")
    stop = asyncio.Event()
    serving = asyncio.create_task(run(settings, broker.settings("ledger"), stop))
    yield picky
    stop.set()
    await serving


async def letters(edge: Edge, count: int, **wanted: str) -> list[dict[str, Any]]:
    """As many dead letters as that, once the ledger has them."""
    async with asyncio.timeout(120):
        while True:
            answer = await edge.http.get("/api/v1/deadletters", params=wanted)
            if answer.status_code == 200 and len(answer.json()["items"]) == count:
                return answer.json()["items"]
            await asyncio.sleep(0.05)


async def cancel(edge: Edge, name: str) -> None:
    command = CancelTask(tenant="default", task="t1", reason="no longer needed", by=ADMIN)
    await edge.gateway.bus.send("orchestrator.cancel", (name,), command, tenant="default", correlation_id="t1")


async def test_a_dead_letter_is_shown_with_its_message_and_retried_once_however_often_one_clicks(
    edge: Edge, orchestrator: Orchestrator
) -> None:
    await cancel(edge, "a")
    (letter,) = await letters(edge, 1, state="open")
    assert (letter["service"], letter["code"], letter["retryable"]) == ("orchestrator", "unknown_task", True)
    shown = (await edge.http.get(f"/api/v1/deadletters/{letter['id']}")).json()
    assert (shown["message_state"], shown["message"]["reason"]) == ("shown", "no longer needed")
    orchestrator.mended = True
    path = f"/api/v1/deadletters/{letter['id']}"
    answers = await asyncio.gather(*(edge.http.post(f"{path}/retry") for _ in range(4)))
    assert {each.status_code for each in answers} == {202}
    assert sorted(each.json()["duplicate"] for each in answers) == [False, True, True, True]
    (done,) = await letters(edge, 1, state="retried")
    assert (done["settled_by"], done["retryable"]) == ("admin", False)
    await cancel(edge, "b")
    async with asyncio.timeout(120):
        while len(orchestrator.taken) < 2:
            await asyncio.sleep(0.02)
    assert sorted(orchestrator.taken) == ["cmd.orchestrator.cancel.a", "cmd.orchestrator.cancel.b"]
    refused = await edge.http.post(f"{path}/discard", json={"reason": "too late"})
    assert (refused.status_code, refused.json()["code"]) == (409, "settled_otherwise")


async def test_a_discarded_one_needs_a_reason_and_is_left_alone(edge: Edge, orchestrator: Orchestrator) -> None:
    await cancel(edge, "a")
    (letter,) = await letters(edge, 1)
    path = f"/api/v1/deadletters/{letter['id']}"
    assert (await edge.http.post(f"{path}/discard", json={"reason": ""})).status_code == 422
    assert (await edge.http.post(f"{path}/discard", json={"reason": "made by hand"})).json()["status"] == "discarded"
    assert (await edge.http.post(f"{path}/discard", json={"reason": "again"})).json()["duplicate"]
    (done,) = await letters(edge, 1, state="discarded")
    assert done["reason"] == "made by hand"
    assert (await edge.http.post(f"{path}/retry")).status_code == 409
    found = (await edge.http.get("/api/v1/audit/events", params={"type": "deadletter.settled", "actor": "admin"})).json()
    assert [event["data"]["outcome"] for event in found["items"]] == ["discarded"]
    assert orchestrator.taken == []


async def test_other_tenants_and_roles_that_may_not_act_are_kept_away(edge: Edge, orchestrator: Orchestrator) -> None:
    del orchestrator
    await cancel(edge, "a")
    (letter,) = await letters(edge, 1)
    path = f"/api/v1/deadletters/{letter['id']}"
    async with somebody(edge, "other", "admin") as stranger, somebody(edge, "default", "viewer") as viewer:
        assert (await stranger.get("/api/v1/deadletters")).json()["items"] == []
        assert (await stranger.get(path)).status_code == 404
        assert (await stranger.post(f"{path}/retry")).status_code == 404
        assert (await stranger.post(f"{path}/discard", json={"reason": "not mine"})).status_code == 404
        assert (await viewer.get(path)).status_code == 200
        assert (await viewer.post(f"{path}/retry")).status_code == 403


async def test_what_does_not_say_whose_it_is_is_seen_in_the_installations_tenant_and_settled_by_its_admins_alone(
    edge: Edge, orchestrator: Orchestrator
) -> None:
    del orchestrator
    subject = "cmd.orchestrator.cancel.broken"
    await edge.gateway.bus._publish(subject, b"{}", {"Nats-Msg-Id": "broken", "Agentos-Schema": "nonsense"})
    (letter,) = await letters(edge, 1)
    path = f"/api/v1/deadletters/{letter['id']}"
    async with somebody(edge, "default", "operator") as operator, somebody(edge, "other", "admin") as stranger:
        assert (await stranger.get("/api/v1/deadletters")).json()["items"] == []
        assert [(await stranger.get(path)).status_code] == [404]
        shown = (await operator.get(path)).json()
        assert (shown["message_state"], shown["message"]) == ("not_yours", None)
        for client, status in ((stranger, 404), (operator, 403)):
            refused = await client.post(f"{path}/discard", json={"reason": "noise"})
            assert refused.status_code == status, refused.text
            assert (await client.post(f"{path}/retry")).status_code == status
    (still,) = await letters(edge, 1, state="open")
    assert still["id"] == letter["id"]
    assert (await edge.http.post(f"{path}/discard", json={"reason": "noise"})).json()["status"] == "discarded"
    await letters(edge, 1, state="discarded")
