"""The live answer: whatever pieces come, or do not, the client gets the settled answer, restored."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.model import (
    Delta,
    ModelResponse,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSealed,
    ToolCallDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
)
from agentos.sealing import PlaceholderVault
from services.gateway.endpoint.live import Diverged, LiveAnswer, restored

VAULT = PlaceholderVault(values={"EMAIL_1": 'ada"@example.org', "PERSON_1": "Ada"})
TEXTS = st.lists(st.sampled_from(["<EMAIL_1>", "<PER", "SON_1>", " hello ", "<", ">", "é", '"']), max_size=8).map("".join)


def whole(text: str, thought: str = "", calls: tuple[ToolCallPart, ...] = ()) -> ModelResponse:
    parts = (
        *((ThinkingPart(provider="p", text=thought),) if thought else ()),
        *((TextPart(text=text),) if text else ()),
        *calls,
    )
    return ModelResponse(provider="p", model="m", parts=parts, finish_reason="stop", usage=Usage())


def gathered(deltas: list[Delta]) -> tuple[str, str, dict[int, str]]:
    tools: dict[int, str] = {}
    text = thought = ""
    for delta in deltas:
        match delta:
            case TextDelta():
                text += delta.text
            case ThinkingDelta():
                thought += delta.text
            case ThinkingSealed():
                pass
            case ToolCallStarted():
                tools[delta.index] = ""
            case ToolCallDelta():
                tools[delta.index] += delta.json_text
    return text, thought, tools


@given(text=TEXTS, thought=TEXTS, value=TEXTS, cuts=st.lists(st.integers(0, 40), max_size=6), lost=st.integers(0, 12))
def test_any_beginning_in_any_pieces_ends_as_the_settled_answer(
    text: str, thought: str, value: str, cuts: list[int], lost: int
) -> None:
    call = ToolCallPart(id="c", name="t", arguments={"to": value})
    response = whole(text, thought, (call,))
    came: list[Delta] = [ThinkingDelta(text=piece) for piece in pieces(thought, cuts)]
    came += [TextDelta(text=piece) for piece in pieces(text, cuts)]
    came += [ToolCallStarted(index=0, id="c", name="t")]
    came += [ToolCallDelta(index=0, json_text=piece) for piece in pieces(json.dumps(call.arguments), cuts)]
    live = LiveAnswer(VAULT, is_json=False)
    sent = live.feed(came[: len(came) - lost] if lost else came) + live.finish(response)
    said, thoughts, tools = gathered(sent)
    truth = restored(response, VAULT, is_json=False)
    assert said == truth.text
    assert thoughts == "".join(part.text for part in truth.parts if isinstance(part, ThinkingPart))
    assert json.loads(tools[0]) == {"to": value.replace("<EMAIL_1>", VAULT.values["EMAIL_1"]).replace("<PERSON_1>", "Ada")}


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[start:end] for start, end in itertools.pairwise(places)]


def test_a_call_that_the_end_of_the_answer_cut_short_does_not_break_its_stream() -> None:
    live = LiveAnswer(VAULT, is_json=False)
    sent = live.feed([ToolCallStarted(index=0, id="c", name="t"), ToolCallDelta(index=0, json_text='{"half": "<PERS')])
    cut = whole("").model_copy(update={"finish_reason": "length"})
    assert gathered([*sent, *live.finish(cut)]) == ("", "", {0: '{"half": "<PERS'})


def test_what_did_not_come_as_pieces_comes_in_the_order_of_the_answer() -> None:
    parts = (
        ThinkingPart(provider="p", text="a", signature="s"),
        TextPart(text="b"),
        ToolCallPart(id="c", name="t", arguments={}),
        ThinkingPart(provider="p", encrypted="e"),
        TextPart(text="d"),
    )
    live = LiveAnswer(VAULT, is_json=False)
    sent = live.finish(whole("").model_copy(update={"parts": parts}))
    assert [delta.type for delta in sent] == ["thinking", "sealed", "text", "tool_call", "arguments", "sealed", "text"]


def test_json_text_stays_json_whatever_the_values_hold() -> None:
    live = LiveAnswer(VAULT, is_json=True)
    text = '{"to": "<EMAIL_1>"}'
    sent = live.feed([TextDelta(text=text[:10]), TextDelta(text=text[10:])]) + live.finish(whole(text))
    assert json.loads(gathered(sent)[0]) == {"to": 'ada"@example.org'}


@pytest.mark.parametrize(
    "came",
    [
        [TextDelta(text="Something else")],
        [ToolCallStarted(index=0, id="c", name="t"), ToolCallDelta(index=0, json_text='{"no')],
        [ToolCallStarted(index=0, id="c", name="t"), ToolCallStarted(index=1, id="d", name="t")],
    ],
)
def test_what_was_sent_and_is_not_how_the_answer_begins_cannot_end_well(came: list[Delta]) -> None:
    live = LiveAnswer(VAULT, is_json=False)
    live.feed(came)
    with pytest.raises(Diverged):
        live.finish(whole("Hello", calls=(ToolCallPart(id="c", name="t", arguments={"yes": 1}),)))
