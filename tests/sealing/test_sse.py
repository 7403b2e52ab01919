"""A provider's stream is restored across frames, wherever its bytes were cut."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.sealing import PlaceholderVault
from agentos.sealing.sse import MAX_FRAME_CHARS, FrameTooLong, SseRestorer

NASTY = 'a"b\\c\né'
VAULT, _ = PlaceholderVault().add_all([("EMAIL", "änn@x.org"), ("SECRET", NASTY), ("NUMBER", "4111111111111111")])


def through(pieces: Sequence[bytes], vault: PlaceholderVault = VAULT) -> bytes:
    restorer = SseRestorer(vault)
    return b"".join([*(restorer.feed(piece) for piece in pieces), restorer.flush()])


def frames(sent: bytes) -> list[Any]:
    """The values of the frames, in order."""
    lines = sent.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def chunk(index: int, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}


def arguments(index: int, text: str) -> dict[str, Any]:
    return chunk(0, tool_calls=[{"index": index, "function": {"arguments": text}}])


OPENAI = [
    chunk(0, role="assistant", content=""),
    chunk(0, content="Wröte to <EM"),
    chunk(1, content="<SEC"),
    chunk(0, content="AIL_"),
    chunk(1, content="RET_1>! EMAIL_1"),
    chunk(0, content="1> 😀 [EMA"),
    chunk(0, content="IL_1]\nEMAIL_1"),
    arguments(0, '{"to": "<EMA'),
    arguments(1, '{"key": "SECRET'),
    arguments(0, 'IL_1>", "n": "<NUMBER_'),
    arguments(0, '1>"}'),
    arguments(1, '_1"}'),
    {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    {"id": "c", "choices": [{"index": 1, "delta": {"content": " EMAIL_1"}, "finish_reason": "stop"}]},
    {"id": "c", "choices": [], "usage": {"total_tokens": 3}},
]


def openai(newline: str) -> bytes:
    written = [f": keep <EMAIL_1>{newline}{newline}"]
    written += [f"data: {json.dumps(value, ensure_ascii=False)}{newline}{newline}" for value in OPENAI]
    return "".join([*written, f"data: [DONE]{newline}{newline}"]).encode()


def block(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


ANTHROPIC = [
    {"type": "message_start", "message": {"role": "assistant", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    block(0, type="text_delta", text="to <EMAIL"),
    block(0, type="text_delta", text="_1>, EMAIL_1"),
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "mail", "input": {}}},
    block(1, type="input_json_delta", partial_json=""),
    block(1, type="input_json_delta", partial_json='{"k": "<SECR'),
    block(1, type="input_json_delta", partial_json='ET_1>"}'),
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]


def anthropic(newline: str) -> bytes:
    return "".join(
        f"event: {value['type']}{newline}data: {json.dumps(value)}{newline}{newline}" for value in ANTHROPIC
    ).encode()


def assembled_openai(sent: bytes) -> tuple[dict[int, str], dict[int, str]]:
    texts: dict[int, str] = {}
    calls: dict[int, str] = {}
    ended: set[int] = set()
    for value in frames(sent):
        for choice in value["choices"]:
            index, delta = choice["index"], choice["delta"]
            assert index not in ended, "nothing comes after the end of a choice"
            texts[index] = texts.get(index, "") + delta.get("content", "")
            for call in delta.get("tool_calls", ()):
                calls[call["index"]] = calls.get(call["index"], "") + call["function"]["arguments"]
            if choice["finish_reason"]:
                ended.add(index)
    assert ended == {0, 1}
    return texts, calls


def check_openai(sent: bytes) -> None:
    texts, calls = assembled_openai(sent)
    assert texts == {0: "Wröte to änn@x.org 😀 änn@x.org\nänn@x.org", 1: f"{NASTY}! änn@x.org änn@x.org"}
    assert json.loads(calls[0]) == {"to": "änn@x.org", "n": 4111111111111111}
    assert json.loads(calls[1]) == {"key": NASTY}
    assert b": keep <EMAIL_1>" in sent
    assert sent.rstrip().endswith(b"data: [DONE]")


def check_anthropic(sent: bytes) -> None:
    texts: dict[int, str] = {}
    stopped: set[int] = set()
    for value in frames(sent):
        if value["type"] == "content_block_delta":
            delta = value["delta"]
            assert value["index"] not in stopped, "nothing comes after the end of a block"
            texts[value["index"]] = texts.get(value["index"], "") + delta.get("text", "") + delta.get("partial_json", "")
        if value["type"] == "content_block_stop":
            stopped.add(value["index"])
    assert texts[0] == "to änn@x.org, änn@x.org"
    assert json.loads(texts[1]) == {"k": NASTY}
    kinds = [value["type"] for value in frames(sent)]
    assert kinds.index("content_block_stop") < kinds.index("message_delta")
    assert sent.count(b"event: ") == len(kinds)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_split_of_the_bytes_in_two_restores_the_same(newline: str) -> None:
    for whole, check in ((openai(newline), check_openai), (anthropic(newline), check_anthropic)):
        check(through([whole]))
        for cut in range(len(whole) + 1):
            check(through([whole[:cut], whole[cut:]]))
        check(through([whole[at : at + 1] for at in range(len(whole))]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_every_split_into_many_restores_the_same(cuts: list[int], newline: str) -> None:
    for whole, check in ((openai(newline), check_openai), (anthropic(newline), check_anthropic)):
        places = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
        check(through([whole[start:end] for start, end in pairwise(places)]))


def test_each_frame_is_sent_when_it_is_complete_and_what_is_not_touched_passes_byte_for_byte() -> None:
    restorer = SseRestorer(VAULT)
    plain = b'event: x\r\nid: 7\r\ndata:  {"choices" : [{"index":0, "delta":{"content":"hi "}}]}\r\n\r\n'
    assert restorer.feed(plain[:-1]) == b""
    assert restorer.feed(plain[-1:]) == plain
    for other in (
        b": ping\n\n",
        b"retry: 3\n\n",
        b"data: no json <EMAIL_1>\n\n",
        b"data: [1,\ndata: 2]\n\n",
        b"\n\n",
        b"data: \xff\xfe\n\n",
    ):
        assert restorer.feed(other) == other
    assert restorer.flush() == b""


def test_responses_of_openai_and_other_json_are_restored_too() -> None:
    values: list[Any] = [
        {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": "to <EMA"},
        {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": "IL_1> EMAIL_1"},
        {"type": "response.output_text.done", "item_id": "m", "output_index": 0, "content_index": 0, "text": "to <EMAIL_1>"},
        {"type": "response.function_call_arguments.delta", "item_id": "f", "output_index": 1, "delta": '{"k": "<SECRET_1>"}'},
        {"type": "error", "message": "<EMAIL_1> is unknown"},
    ]
    sent = frames(through(["".join(f"data: {json.dumps(value)}\n\n" for value in values).encode()]))
    deltas = [value for value in sent if value["type"].endswith("text.delta")]
    assert "".join(value["delta"] for value in deltas) == "to änn@x.org änn@x.org"
    assert sent.index(deltas[-1]) == 2, "what was held back goes out before the part is done"
    assert sent[3]["text"] == "to änn@x.org"
    assert json.loads(sent[4]["delta"]) == {"k": NASTY}
    assert sent[5]["message"] == "änn@x.org is unknown"


def test_a_stream_that_breaks_off_gives_what_it_held_back() -> None:
    sent = through([b'data: {"choices":[{"index":0,"delta":{"content":"to EMAIL_1"}}]}\n\ndata: {"cho'])
    before, _, broken = sent.rpartition(b"data: ")
    assert "".join(value["choices"][0]["delta"]["content"] for value in frames(before)) == "to änn@x.org"
    assert broken == b'{"cho'
    assert through([b'data: "EMAIL_1"\n']) == 'data: "änn@x.org"\n\n'.encode(), "only the last empty line was missing"


def test_streams_of_two_tasks_never_see_each_others_values() -> None:
    other, _ = PlaceholderVault().add("EMAIL", "eve@y.org")
    whole = anthropic("\n")
    mine, theirs = SseRestorer(VAULT), SseRestorer(other)
    sent = [(mine.feed(whole[at : at + 7]), theirs.feed(whole[at : at + 7])) for at in range(0, len(whole), 7)]
    check_anthropic(b"".join(one for one, _ in sent) + mine.flush())
    theirs_whole = b"".join(one for _, one in sent) + theirs.flush()
    assert "änn".encode() not in theirs_whole
    assert b"eve@y.org" in theirs_whole


def test_what_never_becomes_a_frame_is_refused() -> None:
    restorer = SseRestorer(VAULT)
    assert restorer.feed(b"data: " + b"x" * (MAX_FRAME_CHARS - 6)) == b""
    with pytest.raises(FrameTooLong):
        restorer.feed(b"x")
