"""An answer as the client sees it: placeholders restored as it comes in, and squared with the settlement at the end. Pure.

The pieces are a preview that may come late, with gaps or not at all; the settlement is the whole. What was sent is never taken back, so
a stream whose pieces say something else than the settlement cannot be ended well: ``Diverged``.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentos.contracts.model import (
    AnswerPart,
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
)
from agentos.sealing import PlaceholderVault, restore, restore_json, restore_json_text
from agentos.sealing.streaming import JsonRestorer, Restorer


class Diverged(Exception):
    """What was sent is not how the answer begins."""


def restored(response: ModelResponse, vault: PlaceholderVault, *, is_json: bool) -> ModelResponse:
    """The whole answer with the values in place of their placeholders. ``is_json``: its text is JSON, and stays so."""
    if not vault.values:
        return response
    return response.model_copy(update={"parts": tuple(_part(part, vault, is_json=is_json) for part in response.parts)})


def _part(part: AnswerPart, vault: PlaceholderVault, *, is_json: bool) -> AnswerPart:
    match part:
        case TextPart():
            text = restore_json_text(part.text, vault) if is_json else restore(part.text, vault)
            return part.model_copy(update={"text": text})
        case ThinkingPart():
            return part.model_copy(update={"text": restore(part.text, vault)})
        case ToolCallPart():
            return part.model_copy(update={"arguments": restore_json(part.arguments, vault)})


@dataclass(slots=True)
class _Tool:
    index: int
    name: str
    came: str
    restorer: JsonRestorer
    over: bool = False


class LiveAnswer:
    """One stream. ``feed`` the pieces that come; ``finish`` with the whole."""

    def __init__(self, vault: PlaceholderVault, *, is_json: bool) -> None:
        self._vault = vault
        self._is_json = is_json
        self._text = self._new_text()
        self._thinking = Restorer(vault)
        self._said = ""
        self._thought = ""
        self._sealed = 0
        self._tools: list[_Tool] = []
        self._kind = ""

    def _new_text(self) -> Restorer | JsonRestorer:
        return JsonRestorer(self._vault) if self._is_json else Restorer(self._vault)

    def feed(self, deltas: Sequence[Delta]) -> list[Delta]:
        """What can be sent on now."""
        return [sent for delta in deltas for sent in self._take(delta)]

    def _take(self, delta: Delta) -> Iterator[Delta]:
        match delta:
            case TextDelta():
                yield from self._turn_to("text")
                self._said += delta.text
                yield from _text(self._text.feed(delta.text))
            case ThinkingDelta():
                yield from self._turn_to("thinking")
                self._thought += delta.text
                yield from _thinking(self._thinking.feed(delta.text))
            case ThinkingSealed():
                yield from self._turn_to("thinking")
                self._sealed += 1
                yield from _thinking(self._thinking.flush())
                yield delta
            case ToolCallStarted():
                yield from self._turn_to(f"tool.{delta.index}")
                self._tools.append(_Tool(delta.index, delta.name, "", JsonRestorer(self._vault)))
                yield delta
            case ToolCallDelta():
                tool = next((tool for tool in self._tools if tool.index == delta.index), None)
                if tool is None or tool.over:
                    # Its beginning was lost, or it was closed for the next: the settlement has it.
                    return
                tool.came += delta.json_text
                yield from _arguments(tool, tool.restorer.feed(delta.json_text))

    def _turn_to(self, kind: str) -> Iterator[Delta]:
        """What was held back of the part before goes out before the next one begins."""
        if kind == self._kind:
            return
        self._kind = kind
        yield from _text(self._text.flush())
        yield from _thinking(self._thinking.flush())
        for tool in self._tools:
            if not tool.over:
                tool.over = True
                yield from _arguments(tool, tool.restorer.flush())

    def finish(self, response: ModelResponse) -> list[Delta]:
        """What the pieces lacked. Raises Diverged when they are not how the answer begins."""
        return list(self._rest(response))

    def _rest(self, response: ModelResponse) -> Iterator[Delta]:
        """In the order of the parts, of each kind what is beyond what came of it."""
        thought = "".join(part.text for part in response.parts if isinstance(part, ThinkingPart))
        said = "".join(part.text for part in response.parts if isinstance(part, TextPart))
        calls = sum(isinstance(part, ToolCallPart) for part in response.parts)
        # A call that the end of the answer cut short is no part of it.
        whole = self._tools[:-1] if len(self._tools) == calls + 1 and _ended_early(response) else self._tools
        if not said.startswith(self._said) or len(whole) > calls:
            raise Diverged
        thought_came = len(self._thought) if thought.startswith(self._thought) else len(thought)
        said_came, sealed_came, call = len(self._said), self._sealed, 0
        for part in response.parts:
            match part:
                case TextPart(text=text):
                    if rest := text[said_came:]:
                        yield from self._take(TextDelta(text=rest))
                    said_came = max(0, said_came - len(text))
                case ThinkingPart(text=text):
                    if rest := text[thought_came:]:
                        yield from self._take(ThinkingDelta(text=rest))
                    thought_came = max(0, thought_came - len(text))
                    sealed = _seal_of(part)
                    if sealed is not None and sealed_came <= 0 and (rest or not text or self._kind == "thinking"):
                        # Else the part is over for the client: what is added to it comes with the whole.
                        yield from self._take(sealed)
                    sealed_came -= sealed is not None
                case ToolCallPart():
                    known = next((tool for tool in whole if tool.index == call), None)
                    yield from self._started(call, part) if known is None else self._rest_of(known, part)
                    call += 1
        yield from self._turn_to("")

    def _started(self, index: int, call: ToolCallPart) -> Iterator[Delta]:
        yield from self._take(ToolCallStarted(index=index, id=call.id, name=call.name, signature=call.signature))
        yield from self._take(ToolCallDelta(index=index, json_text=json.dumps(call.arguments, ensure_ascii=False)))

    def _rest_of(self, tool: _Tool, call: ToolCallPart) -> Iterator[Delta]:
        """How a call goes on that came in part: in the spelling that it began with, if it is one that we know."""
        if _means(tool.came, call):
            return
        for spelling in (
            json.dumps(call.arguments, ensure_ascii=False),
            json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":")),
            json.dumps(call.arguments),
            json.dumps(call.arguments, separators=(",", ":")),
        ):
            if spelling.startswith(tool.came) and not tool.over:
                yield from self._take(ToolCallDelta(index=tool.index, json_text=spelling[len(tool.came) :]))
                return
        raise Diverged


def _means(came: str, call: ToolCallPart) -> bool:
    try:
        return json.loads(came or "{}") == call.arguments
    except (ValueError, RecursionError):
        return False


def _ended_early(response: ModelResponse) -> bool:
    return response.finish_reason not in ("stop", "tool_calls")


def _seal_of(part: ThinkingPart) -> ThinkingSealed | None:
    """What stands for a part's being whole; None where its provider adds nothing to it."""
    if part.signature is None and part.encrypted is None:
        return None
    return ThinkingSealed(provider=part.provider, signature=part.signature, encrypted=part.encrypted, id=part.id)


def _thinking(text: str) -> Iterator[Delta]:
    if text:
        yield ThinkingDelta(text=text)


def _text(text: str) -> Iterator[Delta]:
    if text:
        yield TextDelta(text=text)


def _arguments(tool: _Tool, text: str) -> Iterator[Delta]:
    if text:
        yield ToolCallDelta(index=tool.index, json_text=text)
