"""Streams that are late, have gaps or nobody to read them; and groups of calls."""

import asyncio
from typing import Any

import pytest

from agentos.contracts.events.call import ModelCallRequested
from agentos.contracts.model import ModelResponse, TextDelta
from tests.services.gateway.endpoint.world import Turn, World, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


async def test_a_stream_of_which_nothing_comes_is_begun_and_pinged_and_ends_whole(world: World) -> None:
    go = asyncio.Event()

    async def play(turn: Turn) -> ModelResponse:
        await go.wait()
        return answer("late, but whole")

    world.router.play = play
    async with world.http.stream("POST", "/v1/chat/completions", json=BODY, headers={"x-api-key": await world.key()}) as said:
        assert said.status_code == 200
        lines: list[str] = []
        async for line in said.aiter_lines():
            lines.append(line)
            if line == ": ping":
                go.set()
    assert any('"content":"late, but whole"' in line for line in lines)
    assert lines[-2] == "data: [DONE]"


async def test_a_piece_that_is_lost_loses_no_text(world: World) -> None:
    async def play(turn: Turn) -> ModelResponse:
        await turn.say(TextDelta(text="One, "))
        await turn.say(TextDelta(text="three, "), skip=1)
        return answer("One, two, three, four")

    world.router.play = play
    said = await world.http.post("/v1/messages", json={**BODY, "max_tokens": 9}, headers={"x-api-key": await world.key()})
    pieces = [line.partition('"text_delta","text":"')[2].partition('"')[0] for line in said.text.splitlines()]
    assert "".join(pieces) == "One, two, three, four"


async def test_an_attempt_that_goes_on_where_another_broke_off_is_one_stream(world: World) -> None:
    async def play(turn: Turn) -> ModelResponse:
        await turn.say(TextDelta(text="One, "))
        await turn.say(TextDelta(text="two"), skip=-1, attempt=2)
        return answer("One, two")

    world.router.play = play
    said = await world.http.post("/v1/chat/completions", json=BODY, headers={"x-api-key": await world.key()})
    assert [line for line in said.text.splitlines() if '"content":"One, "' in line or '"content":"two"' in line]


async def test_a_group_shares_placeholders_within_its_key_and_with_no_other(world: World) -> None:
    tasks: list[str] = []
    first = await world.key()
    for key, group in ((first, "g"), (first, "g"), (first, None), (await world.key(), "g")):
        headers = {"x-api-key": key} | ({} if group is None else {"agentos-task": group})
        body = {
            "model": "fast",
            "messages": [{"role": "user", "content": f"Mail ada@example.org, {len(tasks)}"}],
            "user": "ada",
        }
        said = await world.http.post("/v1/chat/completions", json=body, headers=headers)
        received = (await world.fact("call", said.headers["agentos-call"], "received")).payload(ModelCallRequested)
        assert received.request.key == received.context.task
        assert received.context.user is not None
        assert "ada" not in received.context.user
        tasks.append(received.context.task)
    assert tasks[0] == tasks[1]
    assert len(set(tasks)) == 3


async def test_a_key_is_made_listed_and_revoked_over_the_api(world: World) -> None:
    admin = {"authorization": f"Bearer {world.gateway.settings.admin_key_path.read_text().strip()}"}
    terms = {
        "pack": "support", "models": ["fast"],
        "budgets": [{"metric": "usd", "limit": "50", "window": "month"}, {"metric": "requests", "limit": "60", "window": "minute"}],
    }  # fmt: skip
    made = (await world.http.post("/api/v1/keys", json={"name": "bot", "virtual": terms}, headers=admin)).json()
    assert [budget["id"] for budget in made["virtual"]["budgets"]] == ["key-usd-month", "key-requests-minute"]
    table = world.gateway.endpoint.virtual_keys.table
    await world.until(lambda: table.known(made["id"]) is not None)
    assert (await world.http.get("/v1/models", headers={"x-api-key": made["key"]})).status_code == 200
    listed = (await world.http.get("/api/v1/keys", headers=admin)).json()["items"]
    assert [each["virtual"]["pack"] for each in listed if each["id"] == made["id"]] == ["support"]
    await world.http.delete(f"/api/v1/keys/{made['id']}", headers=admin)
    await world.until(lambda: getattr(table.known(made["id"]), "revoked_at", None) is not None)
    assert (await world.http.get("/v1/models", headers={"x-api-key": made["key"]})).status_code == 401
    both = await world.http.post("/api/v1/keys", json={"name": "x", "roles": ["viewer"], "virtual": terms}, headers=admin)
    assert both.status_code == 422
