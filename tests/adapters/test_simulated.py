"""The stand-in: deterministic, labelled, led by its input, and never an invalid answer to a schema."""

# Hypothesis cannot tell a lambda what builds() will pass it.
# pyright: reportUnknownLambdaType=false

import asyncio
import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.extraction import Reading
from adapters.port import Answer, ProviderError, UnsupportedRequest
from adapters.schema_check import CannotFill, is_valid
from adapters.schema_filling import fill
from adapters.simulated import Fault, SimulatedAdapter, answer, estimated_tokens
from agentos.contracts.model import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    ModelRequest,
    TextDelta,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolSpec,
    Usage,
    texts,
    user,
)
from tests.adapters.conformance import ask, ask_streaming, kinds
from tests.adapters.test_contract import TRIAGE

ANY_TEXT = st.text(alphabet=st.characters(), max_size=300) | st.text(alphabet="<>@#`./:?\n -_ab1\ud800\U0001f600", max_size=120)


def _asked(text: str, schema: dict[str, Any] | None = None, **fields: Any) -> ModelRequest:
    wanted = JsonSchemaFormat(name="answer", json_schema=schema) if schema is not None else None
    return ModelRequest(messages=(user(text),), response_format=wanted, **fields)


def _triage(text: str) -> dict[str, Any]:
    value = json.loads(answer(_asked(text, TRIAGE), model="reader-1").text)
    jsonschema.validate(value, TRIAGE)
    return value


@pytest.mark.parametrize(
    ("text", "kind", "severity"),
    [
        ("Title: Crash when saving\n\nTraceback: KeyError. How can I get this fixed?", "bug", "high"),
        ("The nightly export fails\n\nWe had data loss twice this week.", "bug", "critical"),
        ("Add support for dark mode\n\nIt would be nice to have.", "feature", "medium"),
        ("How do I configure OPA?\n\nWhy is it needed?", "question", "medium"),
        ("Typo in README\n\nThe docs say 'recieve'.", "documentation", "low"),
        ("SQL injection in the login form\n\nThis vulnerability leaks credentials.", "security", "critical"),
        ("The download page is slow to open", "bug", "medium"),
    ],
)
def test_an_issue_is_sorted_by_what_it_says(text: str, kind: str, severity: str) -> None:
    value = _triage(text)
    assert (value["kind"], value["severity"]) == (kind, severity)


def test_what_the_report_lacks_is_named_and_what_it_has_is_not() -> None:
    lacking = _triage("It crashes. Steps to reproduce: start it. Expected: no crash. Version 1.2 on Linux.")[
        "missing_information"
    ]
    assert lacking == ["actual behaviour", "logs"]


def test_the_reply_addresses_people_and_never_repeats_a_card_number() -> None:
    reply = _triage("I am <PERSON_1>, <EMAIL_1>, card <CREDIT_CARD_1>, phone <PHONE_1>. It is broken.")["draft_reply"]
    assert "<PERSON_1>" in reply
    assert "<EMAIL_1>" in reply
    assert "<CREDIT_CARD_1>" not in reply
    assert "<PHONE_1>" not in reply


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("Fails in services/router/app.py and services/router/handlers.py", "services/router"),
        ("agentos.bus.append raises; agentos.bus.append again", "agentos.bus.append"),
        ("Component: gateway\n\nIt fails in a/b.py", "gateway"),
        ("The `Ledger` is wrong", "Ledger"),
        ("", "general"),
    ],
)
def test_the_area_is_the_part_spoken_of_most(text: str, area: str) -> None:
    assert _triage(text)["area"] == area


def test_the_system_prompt_is_not_mistaken_for_the_issue() -> None:
    request = _asked("It crashes with an exception.", TRIAGE, system="feature feature feature would be nice")
    assert json.loads(answer(request, model="m").text)["kind"] == "bug"


def test_free_text_is_labelled_cut_at_stops_and_flagged() -> None:
    said = answer(_asked("Alpha beta. Gamma delta.", stop=("Gamma",)), model="m")
    assert said.text == "[simulated] Alpha beta. "
    assert said.simulated


def test_usage_is_a_quarter_of_the_bytes_rounded_up() -> None:
    request = _asked("twelve bytes", system="abcde")
    said = answer(request, model="m")
    assert estimated_tokens("twelve bytes") == 3
    assert said.usage.input_tokens == 3 + 2 == sum(map(estimated_tokens, texts(request)))
    assert said.usage.output_tokens == estimated_tokens(said.text)


def test_a_tool_that_is_not_named_is_not_called() -> None:
    tools = (ToolSpec(name="github.comment", description="", parameters={"type": "object"}),)
    said = answer(_asked("Please say hello.", tools=tools), model="m")
    assert not any(isinstance(part, ToolCallPart) for part in said.parts)


async def test_latency_can_be_cancelled() -> None:
    slow = SimulatedAdapter(latency=timedelta(hours=1))
    call = asyncio.ensure_future(slow.complete(_asked("x"), model="m", timeout=timedelta(hours=2), idempotency_key="k"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_latency_beyond_the_timeout_is_a_timeout_as_at_any_provider() -> None:
    slow = SimulatedAdapter(latency=timedelta(hours=1))
    with pytest.raises(ProviderError) as failed:
        await slow.complete(_asked("x"), model="m", timeout=timedelta(milliseconds=1), idempotency_key="k")
    assert (failed.value.kind, failed.value.code) == ("retry", "timeout")


async def test_a_schema_beyond_the_subset_can_go_to_another_provider() -> None:
    with pytest.raises(UnsupportedRequest) as refused:
        await SimulatedAdapter().complete(
            _asked("x", {"not": {}}), model="m", timeout=timedelta(seconds=1), idempotency_key="k"
        )
    assert (refused.value.kind, refused.value.code) == ("other_provider", "unsupported_schema")


@settings(deadline=None)
@given(text=ANY_TEXT)
def test_any_text_is_answered_without_and_with_a_schema(text: str) -> None:
    """Lone surrogates included; the answer itself is always valid UTF-8."""
    free = answer(_asked(text), model="m")
    free.text.encode()
    filled = answer(_asked(text, TRIAGE), model="m")
    filled.text.encode()
    jsonschema.validate(json.loads(filled.text), TRIAGE)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["a-", "a/", "a.", "ab.", "x  ", " ", "*", "`", "```", "<A_1", "a: ", "s. ", "1.", "-"])
def test_reading_takes_time_in_proportion_to_the_text(unit: str) -> None:
    """No timed assertion: a quadratic pattern would take minutes for these 200 kB and run into the timeout."""
    text = "x" + unit * (200_000 // len(unit)) + "x"
    jsonschema.validate(json.loads(answer(_asked(text, TRIAGE), model="m").text), TRIAGE)


@settings(deadline=None)
@given(text=ANY_TEXT)
def test_the_same_request_gives_the_same_answer(text: str) -> None:
    assert answer(_asked(text, TRIAGE), model="m") == answer(_asked(text, TRIAGE), model="m")


def _closed(properties: dict[str, Any], required: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:required],
        "additionalProperties": False,
    }


_NAMES = st.sampled_from(["kind", "summary", "draft_reply", "missing_items", "count", "tags", "is_urgent", "area", "x y", "ü"])
_LEAVES = st.one_of(
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, st.integers(0, 40), st.integers(0, 40)
    ),
    st.just({"type": "string", "pattern": "^[A-Z]?[a-z]*$"}),
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, st.integers(-99, 99), st.integers(0, 9)
    ),
    st.builds(
        lambda low, more: {"type": "number", "exclusiveMinimum": low, "maximum": low + more},
        st.integers(-9, 9),
        st.integers(1, 9),
    ),
    st.builds(lambda step: {"type": "integer", "multipleOf": step, "minimum": 1}, st.integers(1, 50)),
    st.just({"type": "boolean"}),
    st.just({"type": ["string", "null"]}),
    st.just({"$ref": "#/$defs/level"}),
    st.builds(
        lambda options: {"enum": options}, st.lists(st.none() | st.booleans() | st.integers() | st.text(max_size=9), min_size=1)
    ),
    st.builds(lambda value: {"const": value}, st.integers() | st.text(max_size=9)),
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(_closed, st.dictionaries(_NAMES, inner, max_size=4), st.integers(0, 4)),
        st.builds(
            lambda i, low, more: {"type": "array", "items": i, "minItems": low, "maxItems": low + more},
            inner,
            st.integers(0, 4),
            st.integers(0, 3),
        ),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(schema=_SCHEMAS, text=ANY_TEXT)
def test_any_schema_of_the_subset_gets_a_valid_answer(schema: dict[str, Any], text: str) -> None:
    document = {"$defs": {"level": {"enum": ["low", "medium", "high"]}}, **schema}
    jsonschema.Draft202012Validator(document).validate(fill(document, Reading(text)))


_WILD = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5) | st.sampled_from(["string", "object", "#", "#/x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "properties", "required", "items", "enum", "anyOf", "allOf", "oneOf", "$ref", "minItems", "minLength", "pattern",
             "minimum", "multipleOf", "additionalProperties", "minProperties", "prefixItems", "uniqueItems", "const"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(schema=_WILD)
def test_a_malformed_schema_is_refused_or_answered_but_never_crashes(schema: Any) -> None:
    try:
        value = fill(schema, Reading("Some text about 7 things."))
    except CannotFill:
        return
    assert is_valid(value, schema, schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}},
        {
            "type": "object",
            "properties": {
                "children": {"type": "array", "items": {"$ref": "#"}},
                "parent": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            },
            "required": ["children", "parent"],
        },
    ],
)
def test_recursive_schemas_end_at_their_first_level(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(fill(schema, Reading("A text.")))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"enum": []},
        {"type": "string", "minLength": 9, "maxLength": 3},
        {"type": "string", "minLength": 10**12},
        {"type": "array", "minItems": 10**12},
        {"type": "object", "minProperties": 10**12, "additionalProperties": False},
        False,
        {"$ref": "https://example.invalid/schema"},
    ],
)
def test_a_schema_that_nothing_fits_is_refused(schema: Any) -> None:
    with pytest.raises(CannotFill):
        fill(schema, Reading("A text."))


def test_definitions_that_multiply_are_refused_or_answered_within_bounds() -> None:
    """The "billion laughs" of schemas."""
    levels = {f"l{n}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/l{n + 1}"}] * 10} for n in range(9)}
    schema = {"$defs": {**levels, "l9": {"type": "null"}}, "$ref": "#/$defs/l0"}
    with pytest.raises(CannotFill):
        fill(schema, Reading("A text."))


def test_placeholders_are_found_once_each_in_order() -> None:
    assert Reading("a <EMAIL_2> b <EMAIL_1> <EMAIL_2>").placeholders == ["<EMAIL_2>", "<EMAIL_1>"]


# --- streams, faults, and what else a request can ask for -------------------------------------------------------------------

SEARCH = ToolSpec(name="github.search", description="", parameters={"type": "object", "properties": {"q": {"type": "string"}}})
COMMENT = ToolSpec(
    name="github.comment", description="", parameters={"type": "object", "properties": {"body": {"type": "string"}}}
)


@settings(deadline=None, max_examples=50)
@given(text=ANY_TEXT)
def test_a_stream_says_word_by_word_what_is_answered_at_once(text: str) -> None:
    async def both() -> None:
        simulated = SimulatedAdapter()
        request = _asked(text, thinking=Thinking(effort="low", show=True))
        deltas, usages, streamed = await ask_streaming(simulated, request)
        assert streamed == await ask(simulated, request)
        assert usages == [Usage(input_tokens=streamed.response.usage.input_tokens)]
        assert len([delta for delta in deltas if isinstance(delta, TextDelta)]) == len(streamed.response.text.split())

    asyncio.run(both())


async def test_tool_calls_are_streamed_in_pieces() -> None:
    request = _asked(
        "Use github.search and github.comment. " * 3, tools=(SEARCH, COMMENT), tool_choice=ToolChoice(parallel=True)
    )
    deltas, _, found = await ask_streaming(SimulatedAdapter(), request)
    assert kinds(found.response.parts) == ["tool_call", "tool_call"]
    assert found.response.finish_reason == "tool_calls"
    assert len(deltas) > 4


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, ["github.search"]),
        (ToolChoice(mode="none"), []),
        (ToolChoice(mode="required"), ["github.search"]),
        (ToolChoice(mode="tool", name="github.comment"), ["github.comment"]),
        (ToolChoice(parallel=True), ["github.search", "github.comment"]),
    ],
)
def test_a_tool_choice_is_obeyed(choice: ToolChoice | None, called: list[str]) -> None:
    request = _asked("Use github.search, then github.comment.", tools=(SEARCH, COMMENT), tool_choice=choice)
    assert [part.name for part in answer(request, model="m").parts if isinstance(part, ToolCallPart)] == called


def test_a_tool_that_is_demanded_is_called_though_nothing_names_it() -> None:
    request = _asked("Hello.", tools=(SEARCH,), tool_choice=ToolChoice(mode="required"))
    assert answer(request, model="m").finish_reason == "tool_calls"


def test_thinking_comes_where_it_is_to_be_shown_and_is_counted() -> None:
    said = answer(_asked("It crashes.", thinking=Thinking(effort="low", show=True)), model="m")
    assert kinds(said.parts) == ["thinking", "text"]
    assert isinstance(said.parts[0], ThinkingPart)
    assert said.parts[0].text.startswith("[simulated]")
    assert 0 < said.usage.reasoning_tokens < said.usage.output_tokens
    assert kinds(answer(_asked("It crashes.", thinking=Thinking(effort="low")), model="m").parts) == ["text"]
    assert kinds(answer(_asked("It crashes.", thinking=Thinking(effort="none", show=True)), model="m").parts) == ["text"]


def test_images_are_named() -> None:
    parts = (
        TextPart(text="What is it?"),
        ImagePart(media_type="image/png", data=b"12345"),
        ImagePart(url="https://example.com/a.png"),
    )
    said = answer(ModelRequest(messages=(Message(role="user", parts=parts),)), model="m")
    assert said.text == "[simulated] I was shown image/png of 5 bytes, an image by its address. What is it?"


def test_what_ended_an_answer_and_what_was_not_carried_is_said() -> None:
    said = answer(_asked("Alpha beta. Gamma delta.", stop=("Gamma", "beta"), temperature=0.5, seed=1), model="m")
    assert said.stop_sequence == "beta"
    assert said.notes == ("temperature: simulated/m takes none", "seed: simulated/m takes none")


def test_an_answer_that_broke_off_is_gone_on_with() -> None:
    request = _asked("Alpha beta. Gamma delta.")
    whole = answer(request, model="m").text
    begun = request.model_copy(
        update={"messages": (*request.messages, Message(role="assistant", parts=(TextPart(text=whole[:17]),)))}
    )
    assert whole[:17] + answer(begun, model="m").text == whole


async def test_vectors_have_length_one_and_are_close_for_texts_with_the_same_words() -> None:
    texts_ = ("The router fails over.", "the ROUTER fails over", "A cake recipe", "", "!")
    parts = tuple(TextPart(text=text) for text in texts_ if text)
    request = ModelRequest(kind="embed", messages=(Message(role="user", parts=parts),), dimensions=64)
    found = (await ask(SimulatedAdapter(), request)).response
    assert [len(vector) for vector in found.embeddings] == [64] * 4
    assert all(sum(value * value for value in vector) == pytest.approx(1) for vector in found.embeddings)
    assert found.embeddings[0] == found.embeddings[1] != found.embeddings[2]
    assert found == (await ask_streaming(SimulatedAdapter(), request))[2].response
    assert found.simulated


async def test_what_cannot_be_embedded_is_refused() -> None:
    with pytest.raises(UnsupportedRequest):
        await ask(SimulatedAdapter(), ModelRequest(kind="embed", messages=(user(""),)))


async def test_each_attempt_meets_the_next_fault_and_then_none() -> None:
    simulated = SimulatedAdapter(faults=[Fault(status=429, code="rate_limit", retry_after=timedelta(seconds=2)), None, Fault()])
    with pytest.raises(ProviderError) as first:
        await ask(simulated, _asked("x"))
    assert (first.value.kind, first.value.code, first.value.retry_after) == ("wait", "rate_limit", timedelta(seconds=2))
    assert (await ask(simulated, _asked("x"))).response.text
    with pytest.raises(ProviderError) as third:
        await ask_streaming(simulated, _asked("x"))
    assert (third.value.kind, third.value.status) == ("retry", 503)
    assert (await ask(simulated, _asked("x"))).response.text


@pytest.mark.parametrize("silent", [False, True])
async def test_a_fault_in_mid_stream_comes_after_the_words_before_it(silent: bool) -> None:
    simulated = SimulatedAdapter(faults=[Fault(after=2, silent=silent)])
    came: list[object] = []

    async def read() -> None:
        request = _asked("One two three four.")
        async for item in simulated.stream(request, model="m", timeout=timedelta(milliseconds=5), idempotency_key="k"):
            came.append(item)  # noqa: PERF401 -- what came before the error is what counts

    with pytest.raises(ProviderError) as failed:
        await read()
    assert [item.text for item in came if isinstance(item, TextDelta)] == ["[simulated] ", "One "]
    assert not any(isinstance(item, Answer) for item in came)
    assert failed.value.code == ("stalled" if silent else "overloaded")
    assert failed.value.usage is not None
