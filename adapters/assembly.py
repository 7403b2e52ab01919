"""An answer, put together from its pieces as they come in, whichever provider's they are."""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from adapters import failures
from adapters.outgoing import ToolNames
from agentos.contracts.model import (
    AnswerPart,
    Delta,
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

__all__ = ["Assembly"]

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class _Text:
    pieces: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Thinking:
    id: str | None
    pieces: list[str] = field(default_factory=list[str])
    signature: str | None = None
    encrypted: str | None = None
    sealed: bool = False


@dataclass(slots=True)
class _Call:
    index: int
    id: str = ""
    name: str = ""
    started: bool = False
    pieces: list[str] = field(default_factory=list[str])
    signature: str | None = None


class Assembly:
    """Parts in the order in which they began. Each method returns the deltas that its piece makes."""

    __slots__ = ("_apart", "_calls", "_halves", "_hidden", "_names", "_parts", "_provider", "_taken", "size")

    def __init__(self, provider: str, names: ToolNames, request: ModelRequest) -> None:
        self._provider, self._names = provider, names
        self._parts: list[_Text | _Thinking | _Call] = []
        self._calls: dict[Hashable, _Call] = {}
        self._halves: dict[Hashable, str] = {}
        self._hidden: list[Delta] = []
        """Seals of thinking that nobody is shown. They wait for what is shown next: until then another may begin the answer anew."""
        self._apart = False
        self._taken = {
            part.id for message in request.messages for part in message.parts if isinstance(part, ToolCallPart)
        }  # fmt: skip
        self.size = 0
        """Of everything that came, in characters: for estimates."""

    @property
    def empty(self) -> bool:
        """Whether nothing came yet."""
        return not self._parts

    @property
    def calls(self) -> int:
        """How many tools were asked for."""
        return len(self._calls)

    def end_part(self) -> None:
        """What comes next begins a part of its own, for providers that say where parts end."""
        self._apart = True

    def text(self, piece: str) -> list[Delta]:
        """More text."""
        piece = self._whole("text", piece)
        if not piece:
            return []
        last = self._last()
        if not isinstance(last, _Text):
            last = _Text()
            self._parts.append(last)
        last.pieces.append(piece)
        self.size += len(piece)
        return self._shown(TextDelta(text=piece))

    def thinking(self, piece: str, *, part_id: str | None = None) -> list[Delta]:
        """More thinking; another ``part_id`` begins another part."""
        piece = self._whole("thinking", piece)
        if not piece:
            return []
        self._thought(part_id).pieces.append(piece)
        self.size += len(piece)
        return self._shown(ThinkingDelta(text=piece))

    def seal(self, *, part_id: str | None = None, signature: str | None = None, encrypted: str | None = None) -> list[Delta]:
        """What the provider adds to its thinking, so that it can be sent back. Begins a part where no thinking was shown.

        The first holds: OpenAI encrypts anew what it repeats at the end, and either can be sent back.
        """
        thought = self._thought(part_id)
        if thought.sealed or not (signature or encrypted):
            return []
        thought.signature, thought.encrypted, thought.sealed = signature, encrypted, True
        sealed = ThinkingSealed(provider=self._provider, signature=signature, encrypted=encrypted, id=thought.id)
        if thought.pieces:
            return self._shown(sealed)
        self._hidden.append(sealed)
        return []

    def _shown(self, *deltas: Delta) -> list[Delta]:
        if not self._hidden:
            return list(deltas)
        waiting, self._hidden = self._hidden, []
        return [*waiting, *deltas]

    def _thought(self, part_id: str | None) -> _Thinking:
        if part_id is None:
            last = self._last()
            if isinstance(last, _Thinking):
                return last
        else:
            for part in self._parts:
                if isinstance(part, _Thinking) and part.id == part_id:
                    return part
        thought = _Thinking(part_id)
        self._parts.append(thought)
        return thought

    def _last(self) -> "_Text | _Thinking | _Call | None":
        """The part that more of its kind goes to."""
        apart, self._apart = self._apart, False
        return self._parts[-1] if self._parts and not apart else None

    def call(
        self, key: Hashable, *, call_id: str = "", name: str = "", json_text: str = "", signature: str | None = None
    ) -> list[Delta]:
        """More of the call that the provider knows by ``key``. It starts when its name is known; what came earlier is kept until then."""
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(len(self._calls))
            self._parts.append(call)
        call.signature = signature or call.signature
        json_text = self._whole(key, json_text)
        if json_text:
            call.pieces.append(json_text)
            self.size += len(json_text)
        if call.started:
            return [ToolCallDelta(index=call.index, json_text=json_text)] if json_text else []
        call.id = call.id or call_id
        if not name:
            return []
        call.started = True
        call.name = self._names.from_wire(name)
        call.id = self._unique(call.id)
        self.size += len(name)
        started = ToolCallStarted(index=call.index, id=call.id, name=call.name, signature=call.signature)
        more = [ToolCallDelta(index=call.index, json_text="".join(call.pieces))] if call.pieces else []
        return self._shown(started, *more)

    def arguments(self, key: Hashable) -> str:
        """What came of the arguments of a call."""
        call = self._calls.get(key)
        return "" if call is None else "".join(call.pieces)

    def _unique(self, id_: str) -> str:
        """The id, or where the server gave none, or one again, one that no other call of the conversation has."""
        if not id_ or id_ in self._taken:
            number = len(self._taken) + 1
            while f"call_{number}" in self._taken:
                number += 1
            id_ = f"call_{number}"
        self._taken.add(id_)
        return id_

    def _whole(self, key: Hashable, piece: str) -> str:
        """The piece without the half of a surrogate pair at its end, which is kept for the next one."""
        if self._halves:
            piece = self._halves.pop(key, "") + piece
        if not piece or piece.isascii() or not _SURROGATE.search(piece):
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            self._halves[key] = piece[-1]
            piece = piece[:-1]
        return piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def parts(self, *, cut: bool, notes: list[str]) -> tuple[AnswerPart, ...]:
        """The parts of the answer. ``cut`` says that it was ended early: a call that did not come whole is then left out, with a note,
        and so is one at the very end of which no argument came.

        Raises ``ProviderError`` for a call that nobody could act on.
        """
        found: list[AnswerPart] = []
        for part in self._parts:
            match part:
                case _Text():
                    found.append(TextPart(text="".join(part.pieces)))
                case _Thinking():
                    found.append(
                        ThinkingPart(
                            provider=self._provider,
                            text="".join(part.pieces),
                            signature=part.signature,
                            encrypted=part.encrypted,
                            id=part.id,
                        )
                    )
                case _Call():
                    raw = "".join(part.pieces)
                    arguments = None if cut and part is self._parts[-1] and not raw.strip() else _arguments(raw)
                    if arguments is not None and part.started:
                        found.append(ToolCallPart(id=part.id, name=part.name, arguments=arguments, signature=part.signature))
                    elif cut:
                        notes.append(f"tool call: the answer of {self._provider} was cut off in the middle of its arguments")
                    else:
                        raise failures.bad_answer(self._provider, "a tool call whose arguments are not a JSON object")
        return tuple(found)


def _arguments(raw: str) -> dict[str, Any] | None:
    # Some models send nothing at all, or null, for a tool without parameters.
    try:
        value: Any = from_json(raw, allow_inf_nan=False) if raw.strip() else {}
    except ValueError:
        return None
    if value is None:
        return {}
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] -- JSON: keys are strings
