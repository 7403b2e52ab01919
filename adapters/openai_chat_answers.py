"""Answers of chat completions, whole or chunk by chunk, as the servers of this format really give them. Pure.

Reasoning stands under either of its two names, usage in any of four places, and tool calls come with or without index and id.
"""

import json
from typing import Any

from adapters import failures
from adapters.assembly import Assembly
from adapters.incoming import ENDED
from adapters.openai_connection import error_in_stream
from adapters.openai_writing import call_mark, note
from adapters.outgoing import ToolNames
from adapters.port import ProviderError
from adapters.reading import count, entries, fields, text
from agentos.contracts.model import Delta, FinishReason, ModelRequest, ModelResponse, ToolCallPart, Usage

__all__ = ["ChatReader"]

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
}
# What an answer may hold beside its text, thinking and calls: sources, sounds, pictures.
_UNCARRIED = ("annotations", "citations", "search_results", "audio", "images")
_OUT_OF_ORDER = frozenset({"insufficient_system_resource", "network_error"})


class ChatReader:
    """Reads one answer: a whole completion, or its chunks one by one."""

    __slots__ = (
        "_as_json",
        "_assembly",
        "_choices",
        "_closed",
        "_counted",
        "_finish",
        "_id",
        "_keys",
        "_model",
        "_provider",
        "_refused",
        "_stop",
        "_uncarried",
        "_whole",
        "usage",
    )

    def __init__(self, provider: str, request: ModelRequest, names: ToolNames, *, model: str) -> None:
        self._provider, self._model = provider, model
        self._assembly = Assembly(provider, names, request)
        self._keys: list[str] = []
        self._id: str | None = None
        self._finish: str | None = None
        self._stop: str | None = None
        self._uncarried: dict[str, None] = {}
        self._refused = False
        self._choices = False
        self._counted = False
        self._closed = False
        self._whole = False
        self._as_json = request.response_format is not None
        self.usage: Usage | None = None

    @property
    def size(self) -> int:
        """Of what came, in characters."""
        return self._assembly.size

    @property
    def done(self) -> bool:
        """Whether it was said why the answer ended, and counted on a chunk of its own: nothing follows that."""
        return self._finish is not None and self._counted

    def read(self, value: Any, *, event: str = "") -> list[Delta | Usage]:
        """One chunk, or the whole completion; anything else says nothing. Raises ``ProviderError`` where it is an error."""
        if event == ENDED:
            self._closed = True
        chunk = fields(value)
        if event == "error" or chunk.get("error") or ("choices" not in chunk and _is_error(value)):
            raise self._failed(error_in_stream(self._provider, value))
        if "x_groq" in chunk and (groq := fields(chunk["x_groq"])).get("error"):
            raise self._failed(error_in_stream(self._provider, groq))
        self._id = self._id or text(chunk.get("id")) or None
        self._model = text(chunk.get("model")) or self._model
        found: list[Delta | Usage] = []
        self._note_uncarried(chunk)
        choices = entries(chunk.get("choices"))
        for each in choices:
            choice = fields(each)
            # One answer was asked for; a server that gives more of them numbers them.
            if not choice.get("index"):
                self._choice(choice, found)
        self._count(chunk, choices, found)
        return found

    def _choice(self, choice: dict[str, Any], found: list[Delta | Usage]) -> None:
        self._choices = True
        message = choice.get("delta")
        if not isinstance(message, dict):
            message = choice.get("message")
            self._whole = isinstance(message, dict)
        elif self._assembly.empty and not _says(fields(message)):
            # Perplexity sends both: beside a whole answer an empty piece, beside a piece of a stream all that has come so far.
            message = choice.get("message")
        self._message(fields(message), found)
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            raise self._failed(error_in_stream(self._provider, choice))
        if isinstance(reason, str) and reason:
            self._finish = reason
            # vLLM's name, SGLang's.
            self._stop = text(choice.get("stop_reason")) or text(choice.get("matched_stop")) or None

    def _note_uncarried(self, holder: dict[str, Any]) -> None:
        for name in _UNCARRIED:
            # Snowflake sends each field that there is, with nothing in it.
            if (value := holder.get(name)) and (not isinstance(value, dict) or any(fields(value).values())):
                self._uncarried[name] = None

    def _message(self, message: dict[str, Any], found: list[Delta | Usage]) -> None:
        thought = text(message.get("reasoning_content")) or text(message.get("reasoning"))
        if thought:
            found += self._assembly.thinking(thought)
        self._note_uncarried(message)
        if any(fields(each).get("signature") or fields(each).get("data") for each in entries(message.get("reasoning_details"))):
            self._uncarried["reasoning_details"] = None
        content = message.get("content")
        if isinstance(content, str):
            if content:
                found += self._assembly.text(content)
        elif isinstance(content, list):
            self._blocks(entries(content), found)
        elif isinstance(content, dict) and self._whole and self._as_json:
            # Cloudflare gives what was asked for as JSON as JSON.
            found += self._assembly.text(json.dumps(content, ensure_ascii=False))
        elif content is not None:
            raise failures.bad_answer(self._provider, "content that is neither text nor parts", usage=self.usage)
        refusal = text(message.get("refusal"))
        if refusal:
            self._refused = True
            found += self._assembly.text(refusal)
        for call in entries(message.get("tool_calls")):
            self._call(fields(call), found)
        if (older := message.get("function_call")) and any((function := fields(older)).values()):
            self._function(0, "", function, found)

    def _blocks(self, blocks: list[Any], found: list[Delta | Usage]) -> None:
        """Content in parts, as Mistral answers."""
        for each in blocks:
            block = fields(each)
            if block.get("type") == "thinking":
                thought = block.get("thinking")
                pieces = [text(fields(piece).get("text")) for piece in entries(thought)] or [text(thought)]
                found += self._assembly.thinking("".join(pieces))
            elif block.get("type") == "refusal":
                self._refused = True
                found += self._assembly.text(text(block.get("refusal")))
            elif "text" in block:
                found += self._assembly.text(text(block.get("text")))
            else:
                self._uncarried["parts that are no text"] = None

    def _call(self, call: dict[str, Any], found: list[Delta | Usage]) -> None:
        id_ = text(call.get("id"))
        index = count(call.get("index"))
        slot = self._slot(id_, index)
        mark = call_mark(self._provider, call.get("extra_content"))
        self._function(slot, id_, fields(call.get("function")), found, mark)

    def _slot(self, id_: str, index: int | None) -> int:
        """Which call a piece belongs to. Ids come with the first piece alone; some servers give every call the index 0, some none."""
        keys = self._keys
        if index is None:
            # Whole calls, told apart by their ids or their places; a piece without an id goes on with the last one.
            if id_ and id_ in keys:
                return keys.index(id_)
            index = len(keys) if id_ or self._whole or not keys else len(keys) - 1
        elif index < len(keys) and id_ and keys[index] and keys[index] != id_:
            index = keys.index(id_) if id_ in keys else len(keys)
        while len(keys) <= index:
            if len(keys) > 4_096:
                raise failures.bad_answer(self._provider, "too many tool calls", usage=self.usage)
            keys.append("")
        keys[index] = keys[index] or id_
        return index

    def _function(
        self, slot: int, id_: str, function: dict[str, Any], found: list[Delta | Usage], mark: str | None = None
    ) -> None:
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        found += self._assembly.call(
            slot, call_id=id_, name=text(function.get("name")), json_text=text(arguments), signature=mark
        )

    def _count(self, chunk: dict[str, Any], choices: list[Any], found: list[Delta | Usage]) -> None:
        raw = chunk.get("usage") or fields(chunk.get("x_groq")).get("usage")
        if not raw and choices:
            # Moonshot counts in the choice.
            raw = fields(choices[0]).get("usage")
        usage = _usage(raw) if raw else None
        self._counted = self._counted or (usage is not None and not choices)
        if usage is not None and usage != self.usage and (usage != _NOTHING or self.usage is None):
            self.usage = usage
            if not self._whole:
                found.append(usage)

    def _failed(self, failure: ProviderError) -> ProviderError:
        failure.usage = self.usage
        return failure

    def response(self, *, estimate: Usage | None, request_id: str | None, notes: list[str]) -> tuple[ModelResponse, bool]:
        """The answer, and whether its usage is ``estimate`` because the server gave none.

        Raises ``ProviderError`` where it is none: nothing came, or nobody said that it is whole, or a whole completion has no counts.
        """
        provider = self._provider
        if not self._choices:
            raise failures.bad_answer(provider, "no choices", usage=self.usage)
        if self._finish is None and not self._whole:
            if not (self._closed and self.usage is not None and self.size):
                raise failures.incomplete(provider, usage=self.usage)
            # Servers behind OpenRouter and Snowflake's say no more than that they have counted and are done.
            notes.append(note("answer", f"the reason why {provider} ended it", "was not given"))
        if self._finish in _OUT_OF_ORDER:
            raise ProviderError(
                f"{provider} broke down in the middle of its answer ({self._finish}): try again",
                kind="retry",
                provider=provider,
                code=self._finish or "",
                status=200,
                usage=self.usage,
            )
        estimated = self.usage is None
        usage = self.usage if self.usage is not None else estimate
        if usage is None or (estimated and self._whole):
            raise failures.bad_answer(provider, "no token counts")
        finish = _FINISH.get((self._finish or "").lower(), "other")
        if self._refused:
            finish = "content_filter"
        parts = self._assembly.parts(cut=finish in ("length", "content_filter"), notes=notes)
        if (finish == "stop" or self._finish is None) and any(isinstance(part, ToolCallPart) for part in parts):
            # Some servers of this format (ollama among them) say "stop" beside tool calls, or nothing.
            finish = "tool_calls"
        notes += [note("answer", f"{what} of {provider}", "is not carried") for what in self._uncarried]
        if estimated:
            notes.append(note("usage", f"{provider}/{self._model}", "gave no token counts: they are estimated from lengths"))
        return (
            ModelResponse(
                provider=provider,
                model=self._model,
                parts=parts,
                finish_reason=finish,
                provider_finish_reason=self._finish,
                stop_sequence=self._stop,
                usage=usage,
                provider_request_id=request_id or self._id,
                notes=tuple(dict.fromkeys(notes)),
            ),
            estimated,
        )


_NOTHING = Usage()


def _says(message: dict[str, Any]) -> bool:
    """Whether there is anything in it but whose it is."""
    return any(value for name, value in message.items() if name != "role")


def _is_error(value: Any) -> bool:
    outer = fields(entries(value)[0] if entries(value) else value)
    return any(outer.get(name) for name in ("error", "errors", "message", "detail"))


def _usage(raw: Any) -> Usage | None:
    """The counts in disjoint classes; None where they are no counts."""
    usage = fields(raw)
    prompt = count(usage.get("prompt_tokens", usage.get("input_tokens")))
    total = count(usage.get("total_tokens")) or 0
    # Left out where nothing was said, or where the total has it.
    said = usage.get("completion_tokens", usage.get("output_tokens"))
    completion = max(total - (prompt or 0), 0) if said is None else count(said)
    if prompt is None or completion is None:
        return None
    details = fields(usage.get("prompt_tokens_details"))
    hits = next(
        (
            found
            # DeepSeek's name, OpenAI's, Moonshot's.
            for value in (usage.get("prompt_cache_hit_tokens"), details.get("cached_tokens"), usage.get("cached_tokens"))
            if (found := count(value)) is not None
        ),
        0,
    )
    reasoning = (
        count(fields(usage.get("completion_tokens_details")).get("reasoning_tokens"))
        or count(usage.get("reasoning_tokens"))
        or 0
    )
    # xAI and Gemini leave thinking out of the completion's count, Mistral sounds out of the prompt's; the total has both.
    apart = max(total - prompt - completion, 0)
    if apart and not reasoning and count(details.get("audio_tokens")) == apart:
        prompt, apart = prompt + apart, 0
    if not apart and reasoning > completion:
        # Vercel's gateway leaves it out of both.
        apart = reasoning
    read = min(hits, prompt)
    written = min(count(details.get("cache_write_tokens")) or 0, prompt - read)
    return Usage(
        input_tokens=prompt - read - written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=completion + apart,
        reasoning_tokens=min(max(reasoning, apart), completion + apart),
    )
