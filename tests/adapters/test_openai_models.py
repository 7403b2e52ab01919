"""What each of OpenAI's models is asked for of what it takes, by its name, and what is refused or noted instead."""

from typing import Any

import pytest

from adapters.openai import OpenAIAdapter
from adapters.port import UnsupportedRequest
from agentos.contracts.model import (
    ImagePart,
    Message,
    ModelRequest,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    user,
)
from tests.adapters.conformance import HELLO, ask
from tests.adapters.openai_streams import responses_stream
from tests.loopback.raw import RawServer, Reply

ANSWER: Any = {
    "choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}
EFFORTS = ("none", "minimal", "low", "medium", "high", "max")
TAKEN: dict[str, tuple[str, ...]] = {
    "o1": ("low", "low", "low", "medium", "high", "high"),
    "o3-mini": ("low", "low", "low", "medium", "high", "high"),
    "o4-mini-2025-04-16": ("low", "low", "low", "medium", "high", "high"),
    "gpt-5": ("minimal", "minimal", "low", "medium", "high", "high"),
    "gpt-5-mini-2025-08-07": ("minimal", "minimal", "low", "medium", "high", "high"),
    "gpt-5-codex": ("low", "low", "low", "medium", "high", "high"),
    "gpt-5-pro": ("high", "high", "high", "high", "high", "high"),
    "gpt-5.1": ("none", "low", "low", "medium", "high", "high"),
    "gpt-5.1-codex-max": ("low", "low", "low", "medium", "high", "xhigh"),
    "gpt-5.2": ("none", "low", "low", "medium", "high", "xhigh"),
    "gpt-5.2-pro": ("medium", "medium", "medium", "medium", "high", "xhigh"),
    "gpt-5.6-terra": ("none", "low", "low", "medium", "high", "max"),
    "gpt-6-luna": ("none", "low", "low", "medium", "high", "max"),
    "our-deployment": EFFORTS,
}


@pytest.fixture
async def openai(raw: RawServer) -> Any:
    built = OpenAIAdapter(api_key="test-key", base_url=f"http://127.0.0.1:{raw.port}/v1")
    yield built
    await built.close()


def _asked(**fields: Any) -> ModelRequest:
    return HELLO.model_copy(update=fields)


@pytest.mark.parametrize("model", TAKEN)
async def test_an_effort_that_a_model_does_not_know_is_the_nearest_that_it_does(
    raw: RawServer, openai: OpenAIAdapter, model: str
) -> None:
    raw.reply(Reply.json(ANSWER))
    for effort, word in zip(EFFORTS, TAKEN[model], strict=True):
        answer = await ask(openai, _asked(thinking=Thinking(effort=effort)), model=model)
        assert raw.requests[-1].json()["reasoning_effort"] == word
        thinks_all_the_same = effort == "none" != word
        assert [note.split(":")[0] for note in answer.response.notes] == ["thinking"] * thinks_all_the_same


@pytest.mark.parametrize("model", ["gpt-4o", "ft:gpt-4.1-mini-2025-04-14:org::x", "gpt-5-chat-latest", "gpt-3.5-turbo"])
async def test_a_model_that_does_not_think_is_not_told_not_to(raw: RawServer, openai: OpenAIAdapter, model: str) -> None:
    raw.reply(Reply.json(ANSWER))
    await ask(openai, _asked(thinking=Thinking(effort="none"), temperature=0.5), model=model)
    body = raw.requests[-1].json()
    assert "reasoning_effort" not in body
    assert body["temperature"] == 0.5


SAMPLED: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "o3 takes no temperature": ("o3", {"temperature": 0.5}, "temperature_unsupported"),
    "o1 takes no penalties": ("o1", {"presence_penalty": 0.5}, "presence_penalty_unsupported"),
    "o3 takes no stops": ("o3", {"stop": ("x",)}, "too_many_stops"),
    "o1 takes stops": ("o1", {"stop": ("x",)}, None),
    "gpt-5 takes no top_p": ("gpt-5-nano", {"top_p": 0.5}, "top_p_unsupported"),
    "what it does anyway can be asked for": ("gpt-5", {"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0}, None),
    "gpt-5.1 takes a temperature where it does not think": ("gpt-5.1", {"temperature": 0.5, "thinking": Thinking(effort="none")}, None),
    "and none where it thinks": ("gpt-5.1", {"temperature": 0.5, "thinking": Thinking(effort="low")}, "temperature_unsupported"),
    "by Responses neither": (
        "gpt-6-luna", {"temperature": 0.5, "thinking": Thinking(effort="low", show=True)}, "temperature_unsupported"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLED)
async def test_sampling_is_refused_before_sending_where_a_model_that_thinks_would_refuse_it(
    raw: RawServer, openai: OpenAIAdapter, name: str
) -> None:
    model, fields, code = SAMPLED[name]
    raw.reply(Reply.json(ANSWER))
    if code is None:
        await ask(openai, _asked(**fields), model=model)
        sent = raw.requests[-1].json()
        assert ("temperature" in sent) is (fields.get("temperature") == 0.5)
        return
    with pytest.raises(UnsupportedRequest) as refused:
        await ask(openai, _asked(**fields), model=model)
    assert (refused.value.code, refused.value.kind, raw.requests) == (code, "other_provider", [])


async def test_a_model_that_does_not_think_sees_no_thinking_of_others_by_responses(
    raw: RawServer, openai: OpenAIAdapter
) -> None:
    shown = ToolResultPart(id="c", name="look", content="x", images=(ImagePart(media_type="image/png", data=b"\x89PNG"),))
    thought = ThinkingPart(provider="openai", encrypted="sealed", id="rs_1")
    turns = (
        user("First."),
        Message(role="assistant", parts=(thought, ToolCallPart(id="c", name="look", arguments={}))),
        Message(role="user", parts=(shown, TextPart(text="And?"))),
    )
    raw.reply(Reply.json(responses_stream()[-1]["response"]))
    answer = await ask(openai, ModelRequest(messages=turns), model="gpt-4o")
    body = raw.requests[-1].json()
    assert raw.requests[-1].path == "/v1/responses"
    assert "include" not in body
    assert "reasoning" not in [item.get("type") for item in body["input"]]
    assert answer.response.notes == ("thinking: openai/gpt-4o takes back its own alone, encrypted and with what it led to",)
