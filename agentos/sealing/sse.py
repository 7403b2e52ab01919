"""Restoring placeholders in a provider's stream of server-sent events, byte by byte as it comes.

Understood are OpenAI's chat chunks (``choices[].delta`` with ``content``, ``refusal``, ``reasoning_content`` and the arguments of
``tool_calls[]``), the deltas of OpenAI's Responses, and Anthropic's ``content_block_delta`` (``text_delta``, ``thinking_delta``,
``input_json_delta``). Text is restored across frames, apart for each choice, block and tool call; arguments with the escapes of JSON.
What is held back at the end of such a part goes out in a frame of its own, before the frame that ends it. Any other JSON is restored as
it stands; comments, pings and what is no JSON pass byte for byte, and so does a frame in which nothing was restored.
"""

import codecs
import copy
import json
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from agentos.contracts.base import Json
from agentos.contracts.errors import NeverRetry
from agentos.sealing.placeholders import PlaceholderVault, restore_json
from agentos.sealing.streaming import JsonRestorer, Restorer

MAX_FRAME_CHARS = 8 * 1024 * 1024
"""A frame that does not end within so many is not one."""

_END = re.compile(r"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINES = re.compile(r"\r\n|\n|\r")
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


class FrameTooLong(NeverRetry):
    """The stream holds no events, or one that nobody can want: end it."""

    code = "frame_too_long"


@dataclass
class _Part:
    """One text that comes in pieces: what restores it, and a frame that carries what is left of it."""

    restorer: Restorer | JsonRestorer
    carry: Callable[[str], str]


@dataclass
class _Delta:
    """A piece of a text within a frame's value."""

    part: Hashable
    holder: dict[str, Any]
    field: str
    is_json: bool
    alone: Callable[[str], Json]
    """The value of a frame that carries this text and nothing else."""
    last: bool = False
    """The frame ends the part: what would be held back goes out with it."""


class SseRestorer:
    """One stream. ``feed`` the bytes that come, send on what it returns; ``flush`` at the end. Not for several threads."""

    def __init__(self, vault: PlaceholderVault) -> None:
        self._vault = vault
        # Bytes that are no UTF-8 pass as they are.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._buffer = ""
        self._looked = 0
        self._parts: dict[Hashable, _Part] = {}

    def feed(self, data: bytes) -> bytes:
        """The frames that are complete, restored. Raises ``FrameTooLong``."""
        self._buffer += self._decoder.decode(data)
        sent: list[str] = []
        position = 0
        while (end := _END.search(self._buffer, max(position, self._looked))) is not None:
            if end.end() == len(self._buffer) and end[0].endswith("\r"):
                # Perhaps half of a line's end.
                break
            sent.append(self._frame(self._buffer[position : end.end()]))
            position = end.end()
        self._buffer = self._buffer[position:]
        self._looked = max(0, len(self._buffer) - 3)
        if len(self._buffer) > MAX_FRAME_CHARS:
            raise FrameTooLong(f"An event of the stream is longer than {MAX_FRAME_CHARS} characters.")
        return _encoded("".join(sent))

    def flush(self) -> bytes:
        """The rest: a frame that was broken off, and what was held back."""
        self._buffer += self._decoder.decode(b"", final=True)
        rest, self._buffer, self._looked = self._buffer, "", 0
        if not rest.endswith(("\n", "\r")):
            # Broken off. Nobody reads such a frame, and what is held back must not run into it.
            return _encoded(self._ended(lambda _: True) + rest)
        return _encoded(self._frame(rest) + self._ended(lambda _: True))

    def _frame(self, raw: str) -> str:
        lines = _LINES.split(raw)
        data = [line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:")]
        if not data:
            return raw
        text = "\n".join(data)
        if text.strip() == "[DONE]":
            return self._ended(lambda _: True) + raw
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return raw
        newline = match[0] if (match := _LINES.search(raw)) is not None else "\n"
        head = "".join(f"{line}{newline}" for line in lines if line and not line.startswith("data:"))

        def written(value: Json) -> str:
            return f"{head}data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}{newline}{newline}"

        original = copy.deepcopy(value)
        deltas = list(_deltas(value))
        here = {delta.part for delta in deltas}
        before = "".join(self._ended(lambda key, over=over: key not in here and over(key)) for over in _over(value))
        if not deltas:
            value = restore_json(value, self._vault)
        for delta in deltas:
            part = self._parts.get(delta.part)
            if part is None:
                restorer = JsonRestorer(self._vault) if delta.is_json else Restorer(self._vault)
                part = self._parts[delta.part] = _Part(restorer, str)
            # The frame that was last is the pattern of the one that carries the rest.
            part.carry = lambda rest, alone=delta.alone: written(alone(rest))
            text = part.restorer.feed(delta.holder[delta.field])
            if delta.last:
                text += part.restorer.flush()
                del self._parts[delta.part]
            delta.holder[delta.field] = text
        return before + (raw if value == original else written(value))

    def _ended(self, over: Callable[[Hashable], bool]) -> str:
        frames: list[str] = []
        for key in [key for key in self._parts if over(key)]:
            part = self._parts.pop(key)
            rest = part.restorer.flush()
            if rest:
                frames.append(part.carry(rest))
        return "".join(frames)


def _over(value: Json) -> Iterator[Callable[[Hashable], bool]]:
    """Which parts a frame ends."""
    if not isinstance(value, dict):
        return
    frame = cast("dict[str, Any]", value)
    kind = frame.get("type")
    if kind == "content_block_stop":
        yield lambda key: key == ("block", frame.get("index"))
    elif kind in ("message_delta", "message_stop", "response.completed", "response.incomplete", "response.failed"):
        yield lambda _: True
    elif isinstance(kind, str) and kind.endswith(".done"):
        yield lambda key: key == _response_part(frame, kind.removesuffix(".done"))
    for choice in _dicts(frame.get("choices")):
        if choice.get("finish_reason") is not None:
            index = choice.get("index")
            yield lambda key, index=index: isinstance(key, tuple) and key[:2] == ("choice", index)


def _deltas(value: Json) -> Iterator[_Delta]:
    if not isinstance(value, dict):
        return
    frame = cast("dict[str, Any]", value)
    kind, delta = frame.get("type"), frame.get("delta")
    if kind == "content_block_delta" and isinstance(delta, dict):
        yield from _anthropic(frame, cast("dict[str, Any]", delta))
    elif isinstance(kind, str) and kind.endswith(".delta") and isinstance(delta, str):
        is_json = kind.endswith("arguments.delta")
        part = _response_part(frame, kind.removesuffix(".delta"))
        yield _Delta(part, frame, "delta", is_json, lambda rest: {**frame, "delta": rest})
    for choice in _dicts(frame.get("choices")):
        yield from _openai(frame, choice)


def _anthropic(frame: dict[str, Any], delta: dict[str, Any]) -> Iterator[_Delta]:
    for field, is_json in (("text", False), ("thinking", False), ("partial_json", True)):
        if isinstance(delta.get(field), str):
            yield _Delta(
                ("block", frame.get("index")),
                delta,
                field,
                is_json,
                lambda rest, field=field: {**frame, "delta": {**delta, field: rest}},
            )


def _openai(frame: dict[str, Any], choice: dict[str, Any]) -> Iterator[_Delta]:
    index, last = choice.get("index"), choice.get("finish_reason") is not None

    def alone(delta: Json) -> Json:
        kept = {name: item for name, item in frame.items() if name != "usage"}
        return {**kept, "choices": [{"index": index, "delta": delta, "finish_reason": None}]}

    delta = choice.get("delta")
    if isinstance(delta, dict):
        known = cast("dict[str, Any]", delta)
        for field in _TEXTS:
            if isinstance(known.get(field), str):
                yield _Delta(
                    ("choice", index, field), known, field, False, lambda rest, field=field: alone({field: rest}), last
                )
        for call in _dicts(known.get("tool_calls")):
            function = call.get("function")
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                number = call.get("index")
                yield _Delta(
                    ("choice", index, "tool", number),
                    cast("dict[str, Any]", function),
                    "arguments",
                    True,
                    lambda rest, number=number: alone({"tool_calls": [{"index": number, "function": {"arguments": rest}}]}),
                    last,
                )


def _response_part(frame: dict[str, Any], kind: str) -> Hashable:
    return ("response", kind, *(frame.get(name) for name in ("item_id", "output_index", "content_index")))


def _dicts(value: Json) -> list[dict[str, Any]]:
    return [item for item in cast("list[Any]", value) if isinstance(item, dict)] if isinstance(value, list) else []


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


__all__ = ["MAX_FRAME_CHARS", "FrameTooLong", "SseRestorer"]
