"""What every adapter promises, run against each of them, the simulated one included."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import jsonschema
import pytest

from adapters.port import ModelAdapter, UnsupportedRequest
from agentos.contracts.model import (
    JsonSchemaFormat,
    Message,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
    user,
)

Complete = Callable[..., Awaitable[ModelResponse]]

TRIAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["bug", "feature", "question", "documentation", "security"]},
        "severity": {"type": "string", "enum": ["low", "medium", "high", "critical"]},
        "area": {"type": "string"},
        "missing_information": {"type": "array", "items": {"type": "string"}},
        "summary": {"type": "string"},
        "draft_reply": {"type": "string"},
    },
    "required": ["kind", "severity", "area", "missing_information", "summary", "draft_reply"],
    "additionalProperties": False,
}
COMMENT = ToolSpec(
    name="github.comment",
    description="Posts a comment",
    parameters={"type": "object", "properties": {"body": {"type": "string"}}, "required": ["body"]},
)
ISSUE = "Title: Crash on save\n\nHello, I am <PERSON_1> (<EMAIL_1>). The app crashes in services/router/app.py on Linux."


class TestModelAdapter:
    async def test_text_is_answered_with_text_that_keeps_placeholders(
        self, any_adapter: ModelAdapter, complete: Complete
    ) -> None:
        request = ModelRequest(system="Be brief.", messages=(user("Write to <EMAIL_1> about <PERSON_1>."),))
        answer = await complete(any_adapter, request)
        assert "<EMAIL_1>" in answer.text
        assert "<PERSON_1>" in answer.text
        assert answer.finish_reason == "stop"

    async def test_the_answer_names_provider_and_model_and_only_the_simulated_one_is_simulated(
        self, any_adapter: ModelAdapter, complete: Complete
    ) -> None:
        answer = await complete(any_adapter, ModelRequest(messages=(user("Hello."),)), model="some-model")
        assert (answer.provider, answer.model) == (any_adapter.provider, "some-model")
        assert answer.simulated is (any_adapter.provider == "simulated")

    async def test_a_schema_is_answered_with_json_valid_against_it(self, any_adapter: ModelAdapter, complete: Complete) -> None:
        wanted = JsonSchemaFormat(name="triage", json_schema=TRIAGE)
        answer = await complete(any_adapter, ModelRequest(system="Triage.", messages=(user(ISSUE),), response_format=wanted))
        value = json.loads(answer.text)
        jsonschema.validate(value, TRIAGE)
        assert (value["kind"], value["severity"], value["area"]) == ("bug", "high", "services/router")
        assert "<PERSON_1>" in value["draft_reply"]

    async def test_a_tool_call_comes_back_under_our_name_with_parsed_arguments(
        self, any_adapter: ModelAdapter, complete: Complete
    ) -> None:
        asked = f"Call github.comment or github_comment: {ISSUE}"
        answer = await complete(any_adapter, ModelRequest(messages=(user(asked),), tools=(COMMENT,)))
        [call] = [part for part in answer.parts if isinstance(part, ToolCallPart)]
        assert call.name == "github.comment"
        assert isinstance(call.arguments["body"], str)
        assert call.id
        assert answer.finish_reason == "tool_calls"

    async def test_a_tool_result_is_carried_back_and_answered_with_text(
        self, any_adapter: ModelAdapter, complete: Complete
    ) -> None:
        request = ModelRequest(
            messages=(
                user("Call github.comment"),
                Message(
                    role="assistant",
                    parts=(
                        TextPart(text="I will."),
                        ToolCallPart(id="call_1", name="github.comment", arguments={"body": "Hi"}),
                    ),
                ),
                Message(
                    role="user",
                    parts=(ToolResultPart(id="call_1", name="github.comment", content="posted as number 77", is_error=False),),
                ),
            ),
            tools=(COMMENT,),
        )
        answer = await complete(any_adapter, request)
        assert "posted as number 77" in answer.text
        assert answer.finish_reason == "stop"

    async def test_usage_is_counted(self, any_adapter: ModelAdapter, complete: Complete) -> None:
        answer = await complete(any_adapter, ModelRequest(messages=(user("Hello there, this is some text."),)))
        assert answer.usage.input_tokens > 0
        assert answer.usage.output_tokens > 0

    async def test_a_cut_answer_says_length(self, any_adapter: ModelAdapter, complete: Complete) -> None:
        request = ModelRequest(messages=(user("One long sentence that goes on and on until it is cut."),), max_output_tokens=3)
        assert (await complete(any_adapter, request)).finish_reason == "length"

    async def test_many_calls_at_once_get_each_their_own_answer(self, any_adapter: ModelAdapter, complete: Complete) -> None:
        answers = await asyncio.gather(
            *(complete(any_adapter, ModelRequest(messages=(user(f"Number {n} of many."),))) for n in range(20))
        )
        assert [f"Number {n} of" in answer.text for n, answer in enumerate(answers)] == [True] * 20

    async def test_closing_twice_is_allowed(self, any_adapter: ModelAdapter) -> None:
        await any_adapter.close()
        await any_adapter.close()


class TestRefusedBeforeSending:
    @pytest.mark.parametrize(
        ("request_", "code"),
        [
            (ModelRequest(messages=()), "no_messages"),
            (ModelRequest(messages=(user(""),)), "empty_message"),
            (ModelRequest(messages=(Message(role="user", parts=()),)), "empty_message"),
            (ModelRequest(messages=(user("lone \ud800 surrogate"),)), "not_json"),
            (
                ModelRequest(
                    messages=(
                        Message(role="assistant", parts=(ToolCallPart(id="1", name="t", arguments={"x": float("nan")}),)),
                    )
                ),
                "not_json",
            ),
            (
                ModelRequest(messages=(Message(role="user", parts=(ToolCallPart(id="1", name="t", arguments={}),)),)),
                "misplaced_part",
            ),
            (
                ModelRequest(messages=(Message(role="assistant", parts=(ToolResultPart(id="1", name="t", content="x"),)),)),
                "misplaced_part",
            ),
        ],
    )
    async def test_what_no_provider_takes_is_refused_for_good(
        self, adapter: ModelAdapter, complete: Complete, server: Any, request_: ModelRequest, code: str
    ) -> None:
        with pytest.raises(UnsupportedRequest) as refused:
            await complete(adapter, request_)
        assert (refused.value.kind, refused.value.code) == ("never", code)
        assert server.requests == []

    @pytest.mark.parametrize("model", ["", "a b", "../../other", "x?y=1", "é", "x\r\ny"])
    async def test_a_model_name_that_could_change_the_request_is_refused(
        self, adapter: ModelAdapter, complete: Complete, server: Any, model: str
    ) -> None:
        with pytest.raises(UnsupportedRequest):
            await complete(adapter, ModelRequest(messages=(user("Hello."),)), model=model)
        assert server.requests == []

    @pytest.mark.parametrize("provider", ["openai", "gemini"])
    async def test_more_stop_sequences_than_the_provider_takes_can_go_elsewhere(
        self, adapters: dict[str, ModelAdapter], complete: Complete, provider: str
    ) -> None:
        with pytest.raises(UnsupportedRequest) as refused:
            await complete(adapters[provider], ModelRequest(messages=(user("Hello."),), stop=("a", "b", "c", "d", "e", "f")))
        assert refused.value.kind == "other_provider"

    async def test_anthropic_refuses_a_temperature_that_its_models_no_longer_take(
        self, adapters: dict[str, ModelAdapter], complete: Complete, server: Any
    ) -> None:
        with pytest.raises(UnsupportedRequest) as refused:
            await complete(adapters["anthropic"], ModelRequest(messages=(user("Hello."),), temperature=0.5))
        assert (refused.value.kind, refused.value.code) == ("other_provider", "temperature_unsupported")
        assert server.requests == []
