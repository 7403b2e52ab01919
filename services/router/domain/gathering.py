"""An answer as far as it has come: gathered from its deltas, and gone on with where it broke off. Pure."""

from dataclasses import dataclass, field

from pydantic_core import from_json

from agentos.contracts.model import (
    AnswerPart,
    Delta,
    Message,
    ModelRequest,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSealed,
    ToolCallDelta,
    ToolCallPart,
    ToolCallStarted,
)

BYTES_PER_TOKEN = 4
"""A stated estimate, not a tokenizer."""


@dataclass(slots=True)
class _Segment:
    kind: str
    pieces: list[str] = field(default_factory=list[str])
    id: str = ""
    name: str = ""
    signature: str | None = None
    sealed: ThinkingSealed | None = None


class Gathered:
    """What came of an answer. ``size`` is its length in bytes of UTF-8, tool arguments and thinking included."""

    __slots__ = ("_calls", "_segments", "size")

    def __init__(self) -> None:
        self.size = 0
        self._segments: list[_Segment] = []
        self._calls: dict[int, _Segment] = {}

    def add(self, delta: Delta) -> None:
        """One more piece."""
        match delta:
            case TextDelta(text=text):
                self._plain("text", text)
            case ThinkingDelta(text=text):
                self._plain("thinking", text)
            case ThinkingSealed():
                self._last("thinking").sealed = delta
            case ToolCallStarted(index=index, id=id_, name=name, signature=signature):
                self._calls[index] = segment = _Segment("tool_call", id=id_, name=name, signature=signature)
                self._segments.append(segment)
                self.size += len(name)
            case ToolCallDelta(index=index, json_text=text):
                if (segment := self._calls.get(index)) is not None:
                    segment.pieces.append(text)
                self.size += len(text.encode("utf-8", "surrogatepass"))

    def _plain(self, kind: str, text: str) -> None:
        self._last(kind).pieces.append(text)
        self.size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    def _last(self, kind: str) -> _Segment:
        """The part that more of its kind goes to."""
        if not self._segments or self._segments[-1].kind != kind or self._segments[-1].sealed is not None:
            self._segments.append(_Segment(kind))
        return self._segments[-1]

    @property
    def empty(self) -> bool:
        """Whether nothing came yet."""
        return not self._segments

    @property
    def tokens(self) -> int:
        """How many tokens it may be."""
        return -(-self.size // BYTES_PER_TOKEN)

    @property
    def text(self) -> str:
        """Its text."""
        return "".join("".join(segment.pieces) for segment in self._segments if segment.kind == "text")

    @property
    def plain(self) -> bool:
        """Whether it is text and nothing else: only that can be gone on with by somebody else."""
        return all(segment.kind == "text" for segment in self._segments)

    def parts(self, provider: str) -> tuple[AnswerPart, ...]:
        """What came as the parts of an answer. A tool call whose arguments did not come whole is left out: nobody may act on it."""
        found: list[AnswerPart] = []
        for segment in self._segments:
            text = "".join(segment.pieces)
            match segment.kind:
                case "text":
                    found.append(TextPart(text=text))
                case "thinking":
                    added = {} if segment.sealed is None else segment.sealed.model_dump(exclude={"type"})
                    found.append(ThinkingPart.model_validate({"provider": provider, "text": text, **added}))
                case _:
                    arguments = _arguments(text)
                    if arguments is not None:
                        found.append(
                            ToolCallPart(id=segment.id, name=segment.name, arguments=arguments, signature=segment.signature)
                        )
        return tuple(found)


def _arguments(text: str) -> dict[str, object] | None:
    try:
        value: object = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] - JSON: keys are strings


def can_go_on(request: ModelRequest, said: Gathered) -> bool:
    """Whether somebody else can be asked to go on with what was said.

    Plain text only: a tool call cannot be begun by one and ended by another, thinking is its provider's own, and a model that is held
    to a schema begins its JSON anew.
    """
    return said.plain and bool(said.text.strip()) and request.response_format is None and request.thinking is None


def continuation(request: ModelRequest, text: str, *, spent_tokens: int) -> ModelRequest:
    """``request`` with ``text`` as the beginning of its answer. Blanks at its end are left out: providers refuse such an ending."""
    begun = TextPart(text=text.rstrip())
    turns = request.messages
    if turns and turns[-1].role == "assistant":
        turns = (*turns[:-1], turns[-1].model_copy(update={"parts": (*turns[-1].parts, begun)}))
    else:
        turns = (*turns, Message(role="assistant", parts=(begun,)))
    return request.model_copy(update={"messages": turns, "max_output_tokens": max(1, request.max_output_tokens - spent_tokens)})
