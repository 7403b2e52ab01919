"""A call of the endpoint, whatever its dialect: whose it is, what is written down, what the client is told."""

import asyncio

import httpx
import openai
import pytest

from agentos.contracts.events.call import ModelCallRequested
from agentos.contracts.model import ModelResponse, TextDelta
from tests.services.gateway.endpoint.world import Turn, World, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = [{"role": "user", "content": "Hello"}]


async def test_a_chat_is_answered_and_names_its_call(world: World, client: openai.AsyncOpenAI) -> None:
    answered = await client.chat.completions.with_raw_response.create(model="fast", messages=HELLO)  # type: ignore[arg-type]
    said = answered.parse()
    assert said.choices[0].message.content == "Hello"
    assert said.choices[0].finish_reason == "stop"
    call = answered.headers["agentos-call"]
    received = (await world.fact("call", call, "received")).payload(ModelCallRequested)
    assert (received.context.pack, received.context.task_type, received.model) == ("support", "endpoint", "fast")
    assert received.context.untrusted is False


async def test_values_leave_as_placeholders_and_come_back_restored(world: World, client: openai.AsyncOpenAI) -> None:
    said = await client.chat.completions.create(
        model="fast", messages=[{"role": "user", "content": "Write to ada@example.org, please"}]
    )
    assert said.choices[0].message.content == "Write to ada@example.org, please"
    assert "ada@example.org" not in world.router.turns[0].request.model_dump_json()


async def test_what_of_a_request_is_left_out_is_said_beside_the_answer(client: openai.AsyncOpenAI) -> None:
    notes = ["messages: names of participants are not carried"]
    said = await client.chat.completions.create(model="fast", messages=[{"role": "user", "name": "ada", "content": "Hello"}])
    assert (said.model_extra or {})["agentos"]["notes"] == notes
    stream = await client.chat.completions.create(
        model="fast", messages=[{"role": "user", "name": "ada", "content": "Hello again"}], stream=True
    )
    told = [chunk.model_extra["agentos"] async for chunk in stream if "agentos" in (chunk.model_extra or {})]  # type: ignore[index]
    assert [each["notes"] for each in told] == [notes]


async def test_a_stream_is_restored_as_it_comes(world: World, client: openai.AsyncOpenAI) -> None:
    read = asyncio.Event()

    async def play(turn: Turn) -> ModelResponse:
        assert "ada@example.org" not in turn.request.model_dump_json()
        await turn.say(TextDelta(text="Write to <EMA"))
        await turn.say(TextDelta(text="IL_1> at"))
        await read.wait()
        await turn.say(TextDelta(text=" once"))
        return answer("Write to <EMAIL_1> at once")

    world.router.play = play
    stream = await client.chat.completions.create(
        model="fast", messages=[{"role": "user", "content": "Mind ada@example.org, please"}], stream=True
    )
    said = ""
    async for chunk in stream:
        said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        if said == "Write to ada@example.org at":
            read.set()
    assert said == "Write to ada@example.org at once"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer nonsense"}, {"x-api-key": "aosv_x_" + "a" * 43}])
async def test_without_a_virtual_key_nothing_is_open(world: World, headers: dict[str, str]) -> None:
    said = await world.http.post("/v1/chat/completions", json={"model": "fast", "messages": HELLO}, headers=headers)
    assert said.status_code == 401
    assert said.json()["error"]["code"] == "invalid_api_key"


async def test_a_key_of_the_api_does_not_open_the_endpoint_and_the_other_way_round(world: World) -> None:
    admin = (world.gateway.settings.admin_key_path).read_text().strip()
    said = await world.http.get("/v1/models", headers={"authorization": f"Bearer {admin}"})
    assert said.status_code == 401
    said = await world.http.get("/api/v1/tasks", headers={"authorization": f"Bearer {await world.key()}"})
    assert said.status_code == 401


async def test_models_are_listed_in_the_dialect_of_who_asks(world: World) -> None:
    headers = {"x-api-key": await world.key(models=("fast", "anthropic/*"))}
    listed = (await world.http.get("/v1/models", headers=headers)).json()
    assert [each["id"] for each in listed["data"]] == ["fast", "anthropic/claude-fast"]
    theirs = (await world.http.get("/v1/models", headers=headers | {"anthropic-version": "2023-06-01"})).json()
    assert (theirs["first_id"], theirs["has_more"]) == ("fast", False)
    one = await world.http.get("/v1/models/anthropic/claude-fast", headers=headers)
    assert one.json()["owned_by"] == "anthropic"
    other: httpx.Response = await world.http.get("/v1/models/openai/gpt-fast", headers=headers)
    assert other.status_code == 404
