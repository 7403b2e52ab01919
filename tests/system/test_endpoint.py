"""The governed endpoint in the whole system: unmodified SDKs, the real policy, router and ledger, and a provider that streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import anthropic
import openai
import pytest
import pytest_asyncio

from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import ModelCallRequested, ModelCallSettled
from tests.cli.test_cli import Ended, agentos
from tests.loopback.provider import Answer, LoopbackProvider, Trickle
from tests.system.harness import Choices, Topology, running

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

MAIL = "ada.lovelace@example.org"
ROUTING = """
aliases:
  default: [openai/gpt-5-mini]
  claude: [anthropic/claude-haiku-4-5]
  kept: {targets: [openai/gpt-5-mini], cache: {ttl_s: 600, tool_calls: true}}
  tiny: [openai/tiny]
  toolless: [openai/toolless]
models:
  openai/tiny: {context_tokens: 50, prices: [{input_per_mtok: 1, output_per_mtok: 1}]}
  openai/toolless: {without: [tools], prices: [{input_per_mtok: 1, output_per_mtok: 1}]}
"""
SCHEMA: Any = {"type": "object", "properties": {"to": {"type": "string", "const": MAIL}}, "required": ["to"]}
TOOL: Any = {"type": "function", "function": {"name": "send", "description": "Send a mail", "parameters": SCHEMA}}
FLAT: Any = {"type": "function", "name": "send", "description": "Send a mail", "parameters": SCHEMA, "strict": False}
THEIRS: Any = {"name": "send", "description": "Send a mail", "input_schema": SCHEMA}
ASK: Any = [{"role": "user", "content": f"Call send for {MAIL}."}]
HELLO: Any = [{"role": "user", "content": "Hello"}]


@dataclass
class Site:
    """The system, its provider, and clients of its endpoint."""

    system: Topology
    provider: LoopbackProvider
    made: list[Any] = field(default_factory=list[Any])

    async def run(self, *arguments: str) -> Ended:
        """The command, as the admin."""
        return await agentos(*arguments, url=self.system.url, AGENTOS_DATA=str(self.system.data))

    async def key(self, *options: str) -> dict[str, Any]:
        """A virtual key, made by the command, as soon as it opens the endpoint."""
        made = await self.run("key", "create", "bot", "--virtual", "--pack", "support", "--json", *options)
        assert made.code == 0, made.err
        record = cast("dict[str, Any]", made.json())
        await self.system.until("the key opens the endpoint", lambda: self._opens(record["key"]))
        return record

    async def _opens(self, key: str) -> bool | None:
        said = await self.system.http.get(f"{self.system.url}/v1/models", headers={"authorization": f"Bearer {key}"})
        return True if said.status_code == 200 else None

    def openai(self, key: str) -> openai.AsyncOpenAI:
        """OpenAI's SDK, by base URL alone."""
        client = openai.AsyncOpenAI(api_key=key, base_url=f"{self.system.url}/v1", max_retries=0)
        self.made.append(client)
        return client

    def claude(self, key: str) -> anthropic.AsyncAnthropic:
        """Anthropic's."""
        client = anthropic.AsyncAnthropic(api_key=key, base_url=self.system.url, max_retries=0)
        self.made.append(client)
        return client

    async def events(self, fact: str, **whose: Any) -> list[Recorded]:
        """The calls' events of one kind, in order; of one key, where it is named."""
        found = [event for event in await self.system.events() if event.channel.name == fact]
        return [each for each in found if all(getattr(each.data.context, k) == v for k, v in whose.items())]  # type: ignore[attr-defined]

    async def settled(self, key: str, count: int = 1) -> list[ModelCallSettled]:
        """The settlements of a key's calls, as soon as there are so many."""

        async def look() -> list[ModelCallSettled] | None:
            found = [event.payload(ModelCallSettled) for event in await self.events("call.settled", api_key=key)]
            return found if len(found) >= count else None

        return await self.system.until("the calls settle", look)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("endpoint")
    (folder / "routing.yaml").write_text(ROUTING)
    async with LoopbackProvider() as provider:
        router = {
            "ANTHROPIC_API_KEY": "sk-loopback",
            "ANTHROPIC_BASE_URL": provider.base_url,
            "AGENTOS_ROUTER_CONFIG": str(folder / "routing.yaml"),
        }
        choices = Choices(provider_url=provider.openai_base_url, extra={"router": router})
        async with running(folder, choices) as system:
            yield Site(system, provider)


@pytest_asyncio.fixture(loop_scope="module")
async def site(shared: Site) -> AsyncIterator[Site]:
    shared.provider.always(Answer())
    shared.provider.requests.clear()
    yield shared
    while shared.made:
        await shared.made.pop().close()


def _nothing_personal_left(site: Site) -> None:
    assert site.provider.requests
    for request in site.provider.requests:
        assert MAIL.encode() not in request.raw
        assert b"<EMAIL_1>" in request.body


# --- the SDKs' own helpers ------------------------------------------------------------------------------------------------


async def test_chat_helper_streams_an_answer_and_a_tool_call_with_the_values_that_never_left(site: Site) -> None:
    client = site.openai((await site.key())["key"])
    site.provider.always(Answer(text="Dear <EMAIL_1>, all is well."))
    async with client.chat.completions.stream(
        model="default", messages=[{"role": "user", "content": f"Write to {MAIL}"}], stream_options={"include_usage": True}
    ) as stream:
        pieces = [event.delta async for event in stream if event.type == "content.delta"]
        said = await stream.get_final_completion()
    assert "".join(pieces) == said.choices[0].message.content == f"Dear {MAIL}, all is well."
    assert len(pieces) > 1
    assert said.usage is not None
    assert said.usage.prompt_tokens > 0
    site.provider.always(Answer())
    async with client.chat.completions.stream(model="default", messages=ASK, tools=[TOOL], tool_choice="required") as stream:
        asked = (await stream.get_final_completion()).choices[0]
    assert asked.finish_reason == "tool_calls"
    calls = asked.message.tool_calls or []
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [("send", {"to": MAIL})]
    _nothing_personal_left(site)


async def test_responses_helper_streams_an_answer_and_a_tool_call(site: Site) -> None:
    client = site.openai((await site.key())["key"])
    site.provider.always(Answer(text="Dear <EMAIL_1>, all is well."))
    async with client.responses.stream(model="default", input=f"Write to {MAIL}") as stream:
        said = await stream.get_final_response()
    assert said.output_text == f"Dear {MAIL}, all is well."
    site.provider.always(Answer())
    async with client.responses.stream(model="default", input=ASK, tools=[FLAT], tool_choice="required") as stream:
        done = (await stream.get_final_response()).output
    assert [(item.name, json.loads(item.arguments)) for item in done if item.type == "function_call"] == [
        ("send", {"to": MAIL})
    ]
    _nothing_personal_left(site)


@pytest.mark.parametrize("model", ["claude", "default"])
async def test_messages_helper_streams_an_answer_and_a_tool_call_whoever_the_provider_is(site: Site, model: str) -> None:
    client = site.claude((await site.key())["key"])
    site.provider.always(Answer(text="Dear <EMAIL_1>, all is well."))
    asked: Any = [{"role": "user", "content": f"Write to {MAIL}"}]
    async with client.messages.stream(model=model, max_tokens=500, messages=asked) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        said = await stream.get_final_message()
    assert text == f"Dear {MAIL}, all is well."
    assert (said.stop_reason, said.usage.input_tokens > 0, said.usage.output_tokens > 0) == ("end_turn", True, True)
    site.provider.always(Answer())
    async with client.messages.stream(
        model=model, max_tokens=500, messages=ASK, tools=[THEIRS], tool_choice={"type": "any"}
    ) as stream:
        done = await stream.get_final_message()
    assert [(block.name, block.input) for block in done.content if block.type == "tool_use"] == [("send", {"to": MAIL})]
    assert done.stop_reason == "tool_use"
    _nothing_personal_left(site)


# --- streams that end before their time -----------------------------------------------------------------------------------


async def test_a_client_that_leaves_in_mid_stream_ends_the_provider_s_work_and_what_it_used_is_settled(site: Site) -> None:
    record = await site.key()
    site.provider.always(Trickle(words=3))
    aborted = site.provider.aborted
    stream = await site.openai(record["key"]).chat.completions.create(model="default", messages=HELLO, stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    await site.provider.wait_for(aborted=aborted + 1)
    (settled,) = await site.settled(record["id"])
    assert settled.fault is not None
    assert (settled.outcome, settled.fault.code) == ("cancelled", "abandoned")
    assert settled.cost is not None
    assert settled.cost.usd > 0
    assert settled.last is not None
    assert settled.last.estimated
    assert settled.cost == settled.last.cost


async def test_a_key_that_is_revoked_while_its_call_streams_ends_it_with_an_error_in_the_stream(site: Site) -> None:
    record = await site.key()
    site.provider.always(Trickle(words=3))
    stream = await site.claude(record["key"]).messages.create(model="claude", max_tokens=99, messages=HELLO, stream=True)
    async for event in stream:
        if event.type == "content_block_delta":
            break
    assert (await site.run("key", "revoke", record["id"])).code == 0
    with pytest.raises(anthropic.APIStatusError, match="revoked"):
        _ = [event async for event in stream]
    (settled,) = await site.settled(record["id"])
    assert settled.outcome == "cancelled"
    assert settled.cost is not None
    assert settled.cost.usd > 0
    await site.provider.wait_for(in_flight=0)


async def test_a_kept_answer_is_streamed_like_any_other_and_nobody_is_asked_for_it(site: Site) -> None:
    record = await site.key()
    client = site.openai(record["key"])
    said: list[Any] = []
    for _ in range(2):
        async with client.chat.completions.stream(model="kept", messages=ASK, tools=[TOOL], tool_choice="required") as stream:
            said.append((await stream.get_final_completion()).choices[0])
        await site.settled(record["id"], len(said))
    settled = await site.settled(record["id"], 2)
    assert [each.cached is None for each in settled] == [True, False]
    assert settled[1].cost is None
    assert said[0].model_dump() == said[1].model_dump()
    assert [json.loads(call.function.arguments) for call in said[1].message.tool_calls] == [{"to": MAIL}]
    assert len(site.provider.requests) == 1


# --- bad input ------------------------------------------------------------------------------------------------------------

LONG: Any = [{"role": "user", "content": "word " * 500}]
BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "over the context": ({"model": "tiny", "messages": LONG}, 400, "context_length_exceeded"),
    "an unknown model": ({"model": "nobody/knows", "messages": HELLO}, 404, "model_not_found"),
    "no price under a hard budget": ({"model": "never-heard-of", "messages": HELLO}, 403, "budget.unpriced"),
}
BAD_CHAT: dict[str, tuple[dict[str, Any], int, str]] = {
    "contradictory options": (
        {"messages": HELLO, "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        400,
        "unsupported_value",
    ),
    "a schema that nobody takes": (
        {"messages": HELLO, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]},
        400,
        "invalid_tool_schema",
    ),
    "tools for a model that has none": ({"model": "toolless", "messages": HELLO, "tools": [TOOL]}, 400, "cannot_serve"),
}
BAD_MESSAGES: dict[str, tuple[dict[str, Any], int, str]] = {
    "contradictory options": (
        {"messages": HELLO, "tools": [THEIRS], "tool_choice": {"type": "tool", "name": "x"}}, 400, "unsupported_value",
    ),
    "a schema that nobody takes": (
        {"messages": HELLO, "tools": [{"name": "f", "input_schema": {"type": "array"}}]}, 400, "invalid_tool_schema",
    ),
    "tools for a model that has none": ({"model": "toolless", "messages": HELLO, "tools": [THEIRS]}, 400, "cannot_serve"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name"),
    [("chat/completions", name) for name in (*BAD, *BAD_CHAT)] + [("messages", name) for name in (*BAD, *BAD_MESSAGES)],
)
async def test_what_cannot_be_done_is_refused_in_the_client_s_dialect_with_the_reason_and_the_event(
    site: Site, path: str, name: str
) -> None:
    record = await site.key("--budget", "usd:5/day:hard")
    theirs = path == "messages"
    body, status, code = {**BAD, **(BAD_MESSAGES if theirs else BAD_CHAT)}[name]
    given = {"model": "default", "max_tokens": 20, **body}
    said = await site.system.http.post(
        f"{site.system.url}/v1/{path}", json=given, headers={"authorization": "", "x-api-key": record["key"]}
    )
    assert said.status_code == status, said.text
    told = said.json()
    error = told["error"]
    assert error["code"] == code, told
    assert error["message"]
    assert (told.get("type") == "error") is theirs
    ours = error["agentos"]
    if ours["call"] is None:
        # Refused by its form: no call came to be, and there is nothing in the log to point at.
        assert status in (400, 404)
        assert await site.events("call.received", api_key=record["id"]) == []
    else:
        (event,) = await site.events("call.settled", api_key=record["id"])
        assert (ours["event"], ours["call"]) == (event.meta.event_id, said.headers["agentos-call"])
        assert ours["reasons"]
    assert said.headers["x-should-retry"] == "false"
    assert site.provider.requests == []


# --- the command ----------------------------------------------------------------------------------------------------------


async def test_a_key_s_options_are_what_its_calls_are_held_to(site: Site) -> None:
    record = await site.key(
        "--agent", "helper", "--models", "default, anthropic/*", "--budget", "usd:2.50/month", "--rpm", "2", "--expires", "30d", "--untrusted"
    )  # fmt: skip
    terms = record["virtual"]
    assert (terms["agent"], terms["models"], terms["untrusted"]) == ("helper", ["default", "anthropic/*"], True)
    assert {(each["metric"], Decimal(each["limit"]), each["window"], each["mode"]) for each in terms["budgets"]} == {
        ("usd", Decimal("2.5"), "month", "hard"), ("requests", Decimal(2), "minute", "hard"),
    }  # fmt: skip
    client = site.openai(record["key"])
    await client.chat.completions.create(model="default", messages=HELLO)
    (received,) = [event.payload(ModelCallRequested) for event in await site.events("call.received", api_key=record["id"])]
    assert (received.context.agent, received.context.untrusted, received.context.pack) == ("helper", True, "support")
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="kept", messages=HELLO)
    wrong = [
        ("--budget", "euro:5/day"),
        ("--budget", "usd:5/fortnight"),
        ("--role", "viewer"),
        ("--expires", "tomorrow"),
    ]
    for options in wrong:
        refused = await site.run("key", "create", "bot", "--virtual", "--pack", "support", *options)
        assert refused.code in (1, 2), options
        assert "aos" not in refused.out
    assert (await site.run("key", "create", "bot", "--virtual")).code == 2


async def test_why_a_call_went_where_it_went_is_printed_and_recorded_calls_are_replayed(site: Site, tmp_path: Path) -> None:
    record = await site.key()
    said = await site.openai(record["key"]).chat.completions.with_raw_response.create(model="default", messages=HELLO)
    call = said.headers["agentos-call"]

    async def explained() -> dict[str, Any] | None:
        told = await site.run("router", "explain", call, "--json")
        return cast("dict[str, Any]", told.json()) if told.code == 0 and told.json()["attempts"] else None

    told = await site.system.until("the ledger has the call", explained)
    assert told["routing"]["chain"] == ["openai/gpt-5-mini"]
    assert [(each["target"], each["outcome"]) for each in told["attempts"]] == [("openai/gpt-5-mini", "completed")]
    shown = await site.run("router", "explain", call)
    assert "openai/gpt-5-mini" in shown.out
    assert "together" in shown.out
    new = tmp_path / "new.yaml"
    new.write_text("aliases: {default: [anthropic/claude-haiku-4-5, openai/gpt-5-mini]}\n")
    replayed = await site.run("router", "simulate", "--config", str(new), "--last", "10000", "--json")
    assert replayed.code == 0, replayed.err
    assert "anthropic/claude-haiku-4-5" in replayed.out
    new.write_text("aliases: {default: []}\n")
    refused = await site.run("router", "simulate", "--config", str(new))
    assert refused.code == 2
    assert "aliases.default" in refused.err


# --- people's data --------------------------------------------------------------------------------------------------------


async def test_what_a_client_asked_about_a_person_is_exported_and_erased_with_everything_else_about_them(site: Site) -> None:
    record = await site.key()
    client = site.openai(record["key"])
    person = "grace.hopper@example.org"
    asked: Any = [{"role": "user", "content": f"Write to {person}"}]
    said = await client.chat.completions.with_raw_response.create(
        model="default", messages=asked, extra_headers={"Agentos-Task": "ticket-7"}
    )
    call = said.headers["agentos-call"]

    async def exported() -> list[dict[str, Any]] | None:
        answer = await site.system.http.post("/privacy/exports", json={"subject": person, "reason": "access request"})
        found = answer.json().get("calls") or [] if answer.status_code == 200 else []
        return cast("list[dict[str, Any]]", found) if found and found[0]["outcome"] else None

    (listed,) = await site.system.until("the call is in the export", exported)
    assert listed["id"] == call
    assert person in json.dumps(listed["asked"])
    assert "<EMAIL_1>" in json.dumps(listed["redacted"])
    assert listed["recipient"]["provider"] == "openai"
    done = await site.system.post("/privacy/erasures", {"subject": person, "reason": "the person asked"})
    assert done["state"] == "certified"
    with pytest.raises(openai.BadRequestError) as told:
        await client.chat.completions.create(model="default", messages=asked, extra_headers={"Agentos-Task": "ticket-7"})
    assert told.value.code == "group_erased"
    await client.chat.completions.create(model="default", messages=asked, extra_headers={"Agentos-Task": "ticket-8"})


async def test_many_streams_at_once_and_one_that_nobody_reads_leave_the_others_alone(site: Site) -> None:
    record = await site.key()
    client = site.openai(record["key"])
    site.provider.always(Trickle(words=2))
    held = [await client.chat.completions.create(model="default", messages=HELLO, stream=True) for _ in range(50)]
    await site.provider.wait_for(in_flight=50)
    site.provider.always(Answer(text="Still here."))
    said = await client.chat.completions.create(model="default", messages=HELLO)
    assert said.choices[0].message.content == "Still here."
    await asyncio.gather(*(stream.close() for stream in held))
    await site.provider.wait_for(in_flight=0)
    assert len(await site.settled(record["id"], 51)) == 51
