"""What Anthropic's Messages API answers, whole or as a stream of events, as the neutral answer.

Events: https://platform.claude.com/docs/en/build-with-claude/streaming. Unknown events, blocks and fields are no errors: the API's
versioning policy allows new ones at any time.
"""

import json
import re
from typing import Any

from adapters import failures
from adapters.assembly import Assembly
from adapters.outgoing import ToolNames
from adapters.port import ProviderError
from adapters.reading import count, entries, fields, text
from agentos.contracts.model import Delta, FinishReason, ModelRequest, ModelResponse, ToolCallPart, Usage

__all__ = ["MessageReader", "read_error"]

_PROVIDER = "anthropic"
_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_WORD = re.compile(r"[a-z][a-z_]{1,40}")
_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_KEPT = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_CHARACTERS_PER_TOKEN = 4


def read_error(value: Any) -> tuple[tuple[object, ...], str]:
    """The codes and the words of an error body: ``{"type": "error", "error": {"type", "message", "details": {"error_code"}}}``."""
    outer = fields(value)
    error = fields(outer.get("error")) or outer
    codes = (fields(error.get("details")).get("error_code"), error.get("type"), error.get("code"))
    return codes, text(error.get("message")) or text(outer.get("error"))


class MessageReader:
    """Reads one answer: a whole message, or its events one by one.

    ``begun_blank`` is the end of an answer that is gone on with and that was not sent: where the model writes it again, it is left out.
    """

    __slots__ = (
        "_assembly",
        "_begun",
        "_blank",
        "_calls",
        "_counts",
        "_id",
        "_model",
        "_notes",
        "_reason",
        "_sequence",
        "_stopped",
        "_whole",
        "usage",
    )

    def __init__(self, request: ModelRequest, names: ToolNames, *, model: str, notes: list[str], begun_blank: str = "") -> None:
        self._model, self._notes = model, notes
        self._assembly = Assembly(_PROVIDER, names, request)
        self._blank = begun_blank
        self._id: str | None = None
        self._reason: str | None = None
        self._sequence: str | None = None
        self._begun = self._stopped = self._whole = False
        self._counts: dict[str, int] = {}
        self._calls: dict[int, str] = {}
        self.usage: Usage | None = None

    @property
    def done(self) -> bool:
        """Whether the message has ended, and why is known."""
        return self._stopped and self._reason is not None

    def read(self, value: Any, *, event: str = "") -> list[Delta | Usage]:
        """One event, or the whole message. Raises ``ProviderError`` where it is an error."""
        data = fields(value)
        found: list[Delta | Usage] = []
        match data.get("type") or event:
            case "content_block_delta":
                self._delta(count(data.get("index")) or 0, fields(data.get("delta")), found)
            case "content_block_start":
                self._block(count(data.get("index")) or 0, fields(data.get("content_block")), found)
            case "content_block_stop":
                self._end_block(count(data.get("index")) or 0, found)
            case "message_start":
                message = fields(data.get("message"))
                self._message(message, found)
                self._count(message.get("usage"), found)
            case "message_delta":
                self._end(fields(data.get("delta")))
                self._count(data.get("usage"), found)
            case "message_stop":
                self._stopped = True
            case "message":
                self._entire(data, found)
            case _ if event == "error" or data.get("error"):
                raise self._failed(value)
            case _ if event == "" and isinstance(data.get("content"), list):
                # Servers of this format that leave the type out.
                self._entire(data, found)
            case _:
                pass
        return found

    def _failed(self, value: Any) -> ProviderError:
        codes, said = read_error(value)
        return failures.in_stream(_PROVIDER, codes, said=said, usage=self.usage, request_id=self._id)

    def _message(self, message: dict[str, Any], found: list[Delta | Usage]) -> None:
        self._begun = True
        self._id = text(message.get("id")) or None
        self._model = text(message.get("model")) or self._model
        for index, block in enumerate(entries(message.get("content"))):
            self._block(index, fields(block), found)
            self._end_block(index, found)

    def _entire(self, message: dict[str, Any], found: list[Delta | Usage]) -> None:
        if not isinstance(message.get("content"), list):
            raise failures.bad_answer(_PROVIDER, "content that is no list")
        self._whole = self._stopped = True
        content = entries(message.get("content"))
        last = fields(content[-1]) if content else {}
        if last.get("type") == "tool_use" and _FINISH.get(text(message.get("stop_reason"))) == "length":
            # What came of its input is an object all the same, and not to be told from a whole one.
            message = {**message, "content": [*content[:-1], {**last, "input": {}}]}
        self._message(message, found)
        self._end(message)
        self._count(message.get("usage"), found)

    def _end(self, message: dict[str, Any]) -> None:
        self._reason = text(message.get("stop_reason")) or self._reason
        self._sequence = text(message.get("stop_sequence")) or self._sequence
        category = text(fields(message.get("stop_details")).get("category"))
        if _WORD.fullmatch(category):
            self._notes.append(f"refusal: {_PROVIDER}/{self._model} says {category}")

    # --- blocks

    def _block(self, index: int, block: dict[str, Any], found: list[Delta | Usage]) -> None:
        self._begun = True
        match block.get("type"):
            case "text":
                self._text(text(block.get("text")), found)
                if block.get("citations"):
                    self._uncarried("citations")
            case "thinking":
                found += self._assembly.thinking(text(block.get("thinking")))
                if signature := text(block.get("signature")):
                    found += self._assembly.seal(signature=signature)
            case "redacted_thinking":
                found += self._assembly.seal(encrypted=text(block.get("data")))
            case "tool_use":
                # In a stream the input is empty here and follows in pieces; a whole block has all of it.
                given = block.get("input")
                self._calls[index] = "" if given in ({}, None) else json.dumps(given, ensure_ascii=False)
                found += self._assembly.call(index, call_id=text(block.get("id")), name=text(block.get("name")))
            case str(kind) if _WORD.fullmatch(kind):
                self._uncarried(kind)
            case _:
                self._uncarried("block")

    def _delta(self, index: int, delta: dict[str, Any], found: list[Delta | Usage]) -> None:
        match delta.get("type"):
            case "text_delta":
                self._text(text(delta.get("text")), found)
            case "input_json_delta":
                # Of a block that is not carried, such as a tool that runs at the provider, nothing is.
                if index in self._calls and (piece := text(delta.get("partial_json"))):
                    self._calls[index] = ""
                    found += self._assembly.call(index, json_text=piece)
            case "thinking_delta":
                found += self._assembly.thinking(text(delta.get("thinking")))
            case "signature_delta":
                found += self._assembly.seal(signature=text(delta.get("signature")))
            case "citations_delta":
                self._uncarried("citations")
            case _:
                pass

    def _end_block(self, index: int, found: list[Delta | Usage]) -> None:
        if rest := self._calls.get(index):
            self._calls[index] = ""
            found += self._assembly.call(index, json_text=rest)
        self._assembly.end_part()

    def _text(self, piece: str, found: list[Delta | Usage]) -> None:
        if self._blank and piece:
            kept = 0
            while kept < len(piece) and kept < len(self._blank) and piece[kept] == self._blank[kept]:
                kept += 1
            # More of it may come in the next piece.
            self._blank = self._blank[kept:] if kept == len(piece) else ""
            piece = piece[kept:]
        found += self._assembly.text(piece)

    def _uncarried(self, what: str) -> None:
        said = f"answer: {what} of {_PROVIDER} is not carried"
        if said not in self._notes:
            self._notes.append(said)

    # --- usage

    def _count(self, raw: Any, found: list[Delta | Usage]) -> None:
        """Counts are cumulative: the later one holds, but for a 0 where a server leaves its input counts out at the end."""
        usage = fields(raw)
        if not usage:
            return
        passes = [fields(each) for each in entries(usage.get("iterations"))]
        for name in _COUNTS:
            # With passes a 0 holds too: what was counted at the start may have been of one that is added below.
            if (value := count(usage.get(name))) is not None and (value or passes or name not in self._counts):
                self._counts[name] = value
        if (value := count(usage.get("output_tokens"))) is not None:
            self._counts["output_tokens"] = value
        creation = fields(usage.get("cache_creation"))
        for name in _KEPT:
            if (value := count(creation.get(name))) or (passes and value is not None):
                self._counts[name] = value
        if value := count(fields(usage.get("output_tokens_details")).get("thinking_tokens")):
            self._counts["thinking_tokens"] = value
        self._add_passes(passes)
        counts = self._usage()
        if counts is not None and counts != self.usage:
            self.usage = counts
            if not self._whole:
                found.append(counts)

    def _add_passes(self, passes: list[dict[str, Any]]) -> None:
        """What the message's own counts leave out: what it took to compact the conversation. Another model's have another price."""
        for each in passes:
            model = text(each.get("model"))
            if model and not (model.startswith(self._model) or self._model.startswith(model)):
                self._uncarried("usage of another model")
            elif each.get("type") == "compaction":
                for name, value in (*each.items(), *fields(each.get("cache_creation")).items()):
                    if name in (*_COUNTS, "output_tokens", *_KEPT):
                        self._counts[name] = self._counts.get(name, 0) + (count(value) or 0)

    def _usage(self) -> Usage | None:
        counts = self._counts
        if "input_tokens" not in counts or "output_tokens" not in counts:
            return None
        hour = counts.get("ephemeral_1h_input_tokens", 0)
        written = counts.get("cache_creation_input_tokens", 0) or counts.get("ephemeral_5m_input_tokens", 0) + hour
        # input_tokens excludes both cache classes already.
        return Usage(
            input_tokens=counts["input_tokens"],
            cache_read_tokens=counts.get("cache_read_input_tokens", 0),
            cache_write_tokens=written,
            cache_write_1h_tokens=min(hour, written),
            output_tokens=counts["output_tokens"],
            reasoning_tokens=min(counts.get("thinking_tokens", 0), counts["output_tokens"]),
        )

    # --- the answer

    def response(self, *, sent_bytes: int, request_id: str | None) -> tuple[ModelResponse, bool]:
        """The answer, and whether its usage is estimated from lengths because a stream brought no counts.

        Raises ``ProviderError`` where it is none: nothing came, or nobody said why it ended, or a whole message has no counts.
        """
        if not self._begun:
            raise failures.bad_answer(_PROVIDER, "no message")
        if self._reason is None and not self._whole:
            raise failures.incomplete(_PROVIDER, usage=self.usage)
        estimated = self.usage is None
        if estimated and self._whole:
            raise failures.bad_answer(_PROVIDER, "no token counts")
        usage = self.usage or Usage(
            input_tokens=-(-sent_bytes // _CHARACTERS_PER_TOKEN),
            output_tokens=-(-self._assembly.size // _CHARACTERS_PER_TOKEN),
        )
        if estimated:
            self._notes.append(f"usage: {_PROVIDER}/{self._model} gave no token counts: they are estimated from lengths")
        finish = _FINISH.get(self._reason or "", "other")
        parts = self._assembly.parts(cut=finish in ("length", "content_filter"), notes=self._notes)
        if finish == "stop" and any(isinstance(part, ToolCallPart) for part in parts):
            # Other servers of this format say so beside tool calls.
            finish = "tool_calls"
        response = ModelResponse(
            provider=_PROVIDER,
            model=self._model,
            parts=parts,
            finish_reason=finish,
            provider_finish_reason=self._reason,
            stop_sequence=self._sequence,
            usage=usage,
            provider_request_id=request_id or self._id,
            notes=tuple(dict.fromkeys(self._notes)),
        )
        return response, estimated
