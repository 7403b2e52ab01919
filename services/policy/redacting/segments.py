"""What of a request a provider reads, as a list of segments, and the request again with other texts in their places.

Each part of each message is a segment of its own, and so is each string of JSON: a conversation that grows has the same segments as
before and a few more, so what was analysed once need not be again. A text that is JSON as a whole is read string by string, without
its escapes; the bytes around what is replaced stay.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from agentos.contracts.model import (
    ImagePart,
    Message,
    ModelRequest,
    ModelResponse,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from agentos.sealing.json_text import is_json_text, map_json_text
from agentos.sealing.placeholders import MOST_NESTED, map_json

T = TypeVar("T")

MAX_CHARS = 12 * 1024 * 1024
"""Most characters of one request, all segments together."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One text to look at. ``hint`` is the JSON key that it is the value of; ``number`` says that it is a JSON number as written."""

    text: str
    hint: str = ""
    number: bool = False
    whole: bool = False
    """A whole text, which whoever restores it would take for JSON if it were JSON."""
    identifier: bool = False
    """A name in a program: the key of an object, a word of a schema. ``name`` is nobody's name there, and ``orange`` no company."""


_BLANK = re.compile(r"\s")

_Visit = Callable[[Segment], str | None]
"""Another text for the segment, the same one to keep it; None for a number that goes without a trace."""


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A value in segments, and how to write it again. Reading raises ``TooDeep``, ``TypeError`` for what is no JSON, ``Unavailable``."""

    segments: tuple[Segment, ...]
    _rewritten: Callable[[_Visit], T]

    def written(self, texts: Iterable[str | None]) -> T:
        """The value with ``texts`` in place of the segments, which are as many."""
        following: Iterator[str | None] = iter(texts)
        return self._rewritten(lambda _: next(following))


def read_text(text: str, *, max_chars: int = MAX_CHARS) -> Read[str]:
    """A text as it comes, JSON or not."""
    return _read(lambda walk: walk.visit(Segment(text)) or "", max_chars)


def read_json(value: Json, *, max_chars: int = MAX_CHARS) -> Read[Json]:
    """Every string, key and number of a JSON value."""
    return _read(lambda walk: walk.json(value), max_chars)


def read_request(request: ModelRequest, *, max_chars: int = MAX_CHARS) -> Read[ModelRequest]:
    """System, parts, tool descriptions and schemas, stops. Names of tools and ids of calls bind a result to its call, and stay."""
    return _read(lambda walk: _request(request, walk), max_chars)


def read_response(response: ModelResponse, *, max_chars: int = MAX_CHARS) -> Read[ModelResponse]:
    """The parts of an answer."""

    def rewritten(walk: "_Walk") -> ModelResponse:
        return response.model_copy(update={"parts": tuple(_part(part, walk) for part in response.parts)})

    return _read(rewritten, max_chars)


def _read(walk: "Callable[[_Walk], T]", max_chars: int) -> Read[T]:
    segments: list[Segment] = []
    total = 0

    def keep(segment: Segment) -> str:
        nonlocal total
        total += len(segment.text)
        if total > max_chars:
            raise _too_large(max_chars)
        segments.append(segment)
        return segment.text

    are_json: dict[str, bool] = {}
    walk(_Walk(keep, are_json, max_chars))
    return Read(tuple(segments), lambda visit: walk(_Walk(visit, are_json, max_chars)))


def _too_large(max_chars: int) -> Unavailable:
    return Unavailable(
        f"Only {max_chars} characters can be redacted at once: send less or split it.", code="redaction.too_large"
    )


@dataclass(frozen=True, slots=True)
class _Walk:
    """One way through a value, always the same, with a visit for each segment."""

    visit: _Visit
    are_json: dict[str, bool]
    """Parsing is what costs here, and the way is walked twice."""
    max_chars: int

    def key(self, text: str) -> str:
        return self.visit(Segment(text, identifier=_BLANK.search(text) is None)) or ""

    def schema(self, value: Json) -> Json:
        """JSON that a programmer wrote."""
        return map_json(
            value, lambda text: self.visit(Segment(text, identifier=True)) or "", self.key, lambda n: self._number(n, "")
        )

    def text(self, text: str, hint: str = "", depth: int = 0) -> str:
        """A text that ``restore_json`` would read as JSON if it is."""
        if len(text) > self.max_chars:
            raise _too_large(self.max_chars)
        if depth < MOST_NESTED and self._is_json(text):
            return map_json_text(
                text,
                lambda string, under: self.text(string, under or hint, depth + 1),
                self.key,
                lambda number, under: self.visit(Segment(number, under or hint, number=True)),
            )
        return self.visit(Segment(text, hint, whole=depth < MOST_NESTED)) or ""

    def json(self, value: Json) -> Json:
        # For what it refuses: too deep for the recursion below, or no JSON.
        map_json(value, _unchanged, _unchanged)
        return self._under("", value)

    def _under(self, hint: str, value: Json) -> Json:
        match value:
            case dict():
                items = cast("dict[str, Json]", value).items()
                return {self.key(name): self._under(name, item) for name, item in items}
            case list() | tuple():
                return [self._under(hint, item) for item in cast("list[Json]", value)]
            case _:
                return map_json(value, lambda text: self.text(text, hint), _unchanged, lambda n: self._number(n, hint))

    def _number(self, number: int | float, hint: str) -> Json:
        written = json.dumps(number)
        visited = self.visit(Segment(written, hint, number=True))
        return number if visited == written else visited

    def _is_json(self, text: str) -> bool:
        known = self.are_json.get(text)
        if known is None:
            known = self.are_json[text] = is_json_text(text)
        return known


def _unchanged(text: str) -> str:
    return text


P = TypeVar("P", bound=Part)


def _part(part: P, walk: _Walk) -> P:
    match part:
        case TextPart() | ThinkingPart():
            return part.model_copy(update={"text": walk.text(part.text)})
        case ImagePart():
            # Nobody here can read it: rules that care look at how many there are, and hold or deny.
            return part
        case ToolResultPart():
            return part.model_copy(update={"content": walk.text(part.content)})
        case ToolCallPart():
            return part.model_copy(update={"arguments": walk.json(part.arguments)})


def _request(request: ModelRequest, walk: _Walk) -> ModelRequest:
    def message(message: Message) -> Message:
        return message.model_copy(update={"parts": tuple(_part(each, walk) for each in message.parts)})

    def tool(tool: ToolSpec) -> ToolSpec:
        return tool.model_copy(update={"description": walk.text(tool.description), "parameters": walk.schema(tool.parameters)})

    form = request.response_format
    return request.model_copy(
        update={
            "system": None if request.system is None else walk.text(request.system),
            "messages": tuple(message(each) for each in request.messages),
            "tools": tuple(tool(each) for each in request.tools),
            "response_format": form and form.model_copy(update={"json_schema": walk.schema(form.json_schema)}),
            "stop": tuple(walk.text(each) for each in request.stop),
        }
    )


__all__ = ["MAX_CHARS", "Read", "Segment", "read_json", "read_request", "read_response", "read_text"]
