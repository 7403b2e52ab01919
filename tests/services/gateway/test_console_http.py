"""What the console reads beside the resources themselves."""

from tests.services.gateway.conftest import Edge


async def test_what_has_not_changed_is_not_sent_again(edge: Edge) -> None:
    made = await edge.http.post("/api/v1/tasks", json={"type": "triage", "input": {}})
    assert made.status_code == 201
    first = await edge.http.get("/api/v1/tasks")
    tag = first.headers["etag"]
    again = await edge.http.get("/api/v1/tasks", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await edge.http.get("/api/v1/tasks", headers={"If-None-Match": '"other"'})).json() == first.json()


async def test_lists_refuse_what_is_no_cursor_sort_or_window(edge: Edge) -> None:
    for wrong in (
        "tasks?cursor=-1",
        "tasks?cursor=1.2.3",
        "tasks?sort=color",
        "tasks?cost_from=-1",
        "system/overview?window=1y",
    ):
        assert (await edge.http.get(f"/api/v1/{wrong}")).status_code == 422, wrong


async def test_agents_are_those_of_live_packs(edge: Edge) -> None:
    await edge.backend.announce("engineering", "triage")
    (agent,) = (await edge.http.get("/api/v1/agents")).json()["items"]
    assert (await edge.http.get(f"/api/v1/agents/{agent['id']}")).json() == agent
    assert agent["instances"]
    assert (await edge.http.get("/api/v1/agents/nobody/nothing")).status_code == 404


async def test_models_tell_what_the_living_routers_know(edge: Edge) -> None:
    assert (await edge.http.get("/api/v1/models")).json() == {"routers": {}}
