"""What the console reads beside the resources themselves."""

import asyncio

from tests.services.gateway.conftest import Edge


async def test_what_has_not_changed_is_not_sent_again(edge: Edge) -> None:
    made = await edge.http.post("/api/v1/tasks", json={"type": "triage", "input": {}})
    assert made.status_code == 201
    first = await edge.http.get("/api/v1/tasks")
    tag = first.headers["etag"]
    again = await edge.http.get("/api/v1/tasks", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await edge.http.get("/api/v1/tasks", headers={"If-None-Match": '"other"'})).json() == first.json()


async def test_who_was_told_of_an_event_reads_what_is_as_new(edge: Edge) -> None:
    made = (await edge.http.post("/api/v1/tasks", json={"type": "triage", "input": {}})).json()["task"]
    (event,) = await edge.gateway.bus.load("default", "task", made)
    edge.backend.ledger.stands_at = event.seq - 1
    told = {"Agentos-Position": str(event.seq)}
    reading = asyncio.create_task(edge.http.get(f"/api/v1/tasks/{made}", headers=told))
    await edge.backend.eventually(lambda: edge.backend.ledger.waiting > 0)
    edge.backend.ledger.stands_at = None
    answer = await reading
    assert answer.status_code == 200
    assert "agentos-behind" not in answer.headers


async def test_what_could_not_be_as_new_in_time_is_answered_and_says_so(edge: Edge) -> None:
    far = {"Agentos-Position": "123456789"}
    answer = await edge.http.get("/api/v1/tasks", headers=far)
    assert (answer.status_code, answer.headers["agentos-behind"]) == (200, "123456789")
    for nonsense in ("-1", "1e9", "", "9" * 19, "latest"):
        assert "agentos-behind" not in (await edge.http.get("/api/v1/tasks", headers={"Agentos-Position": nonsense})).headers


async def test_lists_refuse_what_is_no_cursor_sort_or_window(edge: Edge) -> None:
    for wrong in (
        "tasks?cursor=-1",
        "tasks?cursor=1.2.3",
        "tasks?sort=color",
        "tasks?cost_from=-1",
        "system/overview?window=1y",
    ):
        assert (await edge.http.get(f"/api/v1/{wrong}")).status_code == 422, wrong


async def test_models_tell_what_the_living_routers_know(edge: Edge) -> None:
    assert (await edge.http.get("/api/v1/models")).json() == {"routers": {}}


async def test_what_routing_saved_is_asked_of_the_ledger_for_the_time_that_is_looked_at(edge: Edge) -> None:
    said = await edge.http.get("/api/v1/costs/routing", params={"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"})
    assert said.status_code == 200, said.text
    assert (said.json()["calls"], said.json()["saved_usd"], said.json()["since"]) == (3, "0.04", "2026-03-01T00:00:00+00:00")
    assert (await edge.http.get("/api/v1/costs/routing")).json()["since"] is None
    assert (await edge.http.get("/api/v1/costs/routing", params={"from": "yesterday"})).status_code == 422
