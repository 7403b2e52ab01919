"""Agents at the API, with the router's own registry behind it."""

import asyncio
from typing import Any

import pytest

from agentos.contracts.agents import agent_id
from agentos.contracts.events.agent import PresenceChanged
from services.router.agents import AgentRegistry
from tests.services.gateway.conftest import Edge
from tests.services.gateway.test_live import frame, told

SCOUT = {"pack": "crew", "agent": "scout", "description": "looks ahead", "labels": {"site": "north"}}
WHY = {"reason": "a look at it"}


@pytest.fixture
async def registry(edge: Edge, broker: Any) -> Edge:
    bus = await broker.connect("router")
    bus.consume(AgentRegistry(bus).routes())
    await bus.start()
    return edge


async def test_agents_are_those_that_packs_declare(edge: Edge) -> None:
    await edge.backend.announce("engineering", "triage")
    (agent,) = (await edge.http.get("/api/v1/agents")).json()["items"]
    shown = await edge.http.get(f"/api/v1/agents/{agent['id']}")
    assert (shown.json(), shown.headers["etag"]) == (agent, '"r0"')
    assert (agent["kind"], agent["state"], agent["online"], agent["versions"]) == ("hosted", "active", True, ["1.2.3"])
    assert (await edge.http.get("/api/v1/agents/nobody/nothing")).status_code == 404


async def test_an_agent_is_registered_once_and_changed_only_by_who_has_read_it(registry: Edge) -> None:
    made = await registry.http.post("/api/v1/agents", json=SCOUT, headers={"Idempotency-Key": "k1"})
    assert (made.status_code, made.headers["etag"], made.json()["id"]) == (201, '"r1"', "crew/scout")
    again = await registry.http.post("/api/v1/agents", json=SCOUT, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["revision"]) == (201, 1)
    taken = await registry.http.post("/api/v1/agents", json=SCOUT)
    assert (taken.status_code, taken.json()["code"]) == (409, "already_registered")

    where, change = "/api/v1/agents/crew/scout", {"silent_after_s": 10}
    assert (await registry.http.patch(where, json=change)).status_code == 428
    assert (await registry.http.patch(where, json=change, headers={"If-Match": '"r0"'})).status_code == 412
    both = await asyncio.gather(*(registry.http.patch(where, json=change, headers={"If-Match": '"r1"'}) for _ in range(2)))
    assert sorted(each.status_code for each in both) == [200, 412], "one wins, the other is told"
    shown = (await registry.http.get(where)).json()
    assert (shown["revision"], shown["silent_after_s"], shown["description"]) == (2, 10, "looks ahead")


async def test_an_agent_that_was_paused_or_taken_off_says_so_and_why(registry: Edge) -> None:
    await registry.http.post("/api/v1/agents", json=SCOUT)
    where = "/api/v1/agents/crew/scout"
    paused = await registry.http.post(f"{where}/control", json={"action": "pause", **WHY})
    assert (paused.status_code, paused.json()["state"], paused.json()["reason"]) == (200, "paused", WHY["reason"])
    assert (await registry.http.post(f"{where}/control", json={"action": "pause", **WHY})).json()["code"] == "already_paused"
    assert (await registry.http.delete(where, params=WHY, headers={"If-Match": '"r1"'})).status_code == 412
    gone = await registry.http.delete(where, params=WHY, headers={"If-Match": '"r2"'})
    assert (gone.status_code, gone.json()["state"]) == (200, "unregistered")
    assert (await registry.http.post(f"{where}/heartbeat", json={})).json()["code"] == "agent_unregistered"
    assert (await registry.http.post("/api/v1/agents", json=SCOUT)).json()["state"] == "active"
    log = await registry.gateway.bus.load("default", "agent", agent_id("crew", "scout"))
    assert [each.data.model_dump()["change"] for each in log] == ["registered", "paused", "unregistered", "registered"]


async def test_a_packs_agents_are_paused_by_one_request(registry: Edge) -> None:
    for name in ("scout", "cook"):
        await registry.http.post("/api/v1/agents", json=SCOUT | {"agent": name})
    done = await registry.http.post(
        "/api/v1/packs/crew/control", json={"action": "pause", **WHY}, headers={"Idempotency-Key": "p1"}
    )
    assert (done.status_code, done.json()) == (200, {"pack": "crew", "changed": ["cook", "scout"]})
    assert {each["state"] for each in (await registry.http.get("/api/v1/agents")).json()["items"]} == {"paused"}
    again = await registry.http.post("/api/v1/packs/crew/control", json={"action": "pause", **WHY})
    assert (again.status_code, again.json()["code"]) == (409, "already_paused")
    assert (await registry.http.post("/api/v1/packs/nobody/control", json={"action": "pause", **WHY})).status_code == 404
    viewer = {"Authorization": f"Bearer {await registry.key('viewer')}"}
    assert (
        await registry.http.post("/api/v1/packs/crew/control", json={"action": "resume", **WHY}, headers=viewer)
    ).status_code == 403


async def test_a_heartbeat_makes_an_external_agent_live_for_its_own_tenant_alone(registry: Edge) -> None:
    await registry.http.post("/api/v1/agents", json=SCOUT)
    beaten = await registry.http.post(
        "/api/v1/agents/crew/scout/heartbeat", json={"instance": "box-1", "active": 2, "max_active": 4}
    )
    assert (beaten.status_code, beaten.json()["state"], beaten.json()["silent_after_s"]) == (200, "active", 60)
    shown = (await registry.http.get("/api/v1/agents/crew/scout")).json()
    assert (shown["online"], [one["id"] for one in shown["instances"]]) == (True, ["box-1"])
    other = {"Authorization": f"Bearer {await registry.key('admin', tenant='other')}"}
    for path in ("", "/metrics", "/logs"):
        assert (await registry.http.get(f"/api/v1/agents/crew/scout{path}", headers=other)).status_code == 404
    assert (await registry.http.post("/api/v1/agents/crew/scout/heartbeat", json={}, headers=other)).status_code == 404
    for method, path, body in (
        ("PATCH", "", {"description": "another's"}),
        ("DELETE", "", None),
        ("POST", "/control", {"action": "pause", "reason": "not mine"}),
    ):
        tried = await registry.http.request(
            method, f"/api/v1/agents/crew/scout{path}", json=body, headers=other | {"If-Match": "*"}
        )
        assert tried.status_code == 404, (method, path, tried.text)


async def test_every_tenant_is_told_when_a_packs_agent_comes_and_its_own_alone_of_those_that_run_elsewhere(
    edge: Edge, broker: Any
) -> None:
    router, mine = await broker.connect("router"), await edge.key("viewer", tenant="mine")
    async with told(edge, mine, topics=["agent.*"]) as socket:
        since = (await frame(socket, "welcome"))["position"]
        for tenant, kind in (("default", "external"), ("system", "hosted"), ("mine", "external")):
            fact = PresenceChanged.model_validate(
                {"pack": "crew", "agent": "scout", "kind": kind, "online": True, "instances": 1, "seen_at": None}
            )
            await router.append("presence.changed", agent_id("crew", "scout"), fact, ordinal=1, tenant=tenant)
        seen = [await frame(socket) for _ in range(2)]
    assert [(each["name"], each["subject"].split(".")[1]) for each in seen] == [
        ("agent.presence.changed", "system"), ("agent.presence.changed", "mine"),
    ]  # fmt: skip
    async with told(edge, mine, topics=["agent.*"], since=since) as back:
        assert [(await frame(back))["position"] for _ in seen] == [each["position"] for each in seen], "also who comes back"


async def test_nobody_but_its_runner_speaks_for_an_agent_of_a_pack(registry: Edge) -> None:
    await registry.backend.announce("engineering", "triage")
    refused = await registry.http.post("/api/v1/agents/engineering/triage/heartbeat", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "hosted")
