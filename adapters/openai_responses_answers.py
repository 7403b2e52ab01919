"""Answers of Responses, whole or event by event. Pure."""

import re
from typing import Any

from adapters import failures
from adapters.assembly import Assembly
from adapters.openai_connection import error_in_stream
from adapters.openai_writing import note
from adapters.outgoing import ToolNames
from adapters.port import ProviderError
from adapters.reading import count, entries, fields, text
from agentos.contracts.model import Delta, FinishReason, ModelRequest, ModelResponse, ToolCallPart, Usage

__all__ = ["ResponsesReader"]

_WORD = re.compile(r"[a-z][a-z_]{1,40}")


class ResponsesReader:
    """Reads one answer: a whole response, or its events one by one.

    What an event repeats of earlier ones (``….done``, ``response.completed``) is taken as far as it had not come yet, so that the answer
    is whole even where a server leaves the deltas out.
    """

    __slots__ = (
        "_assembly", "_final", "_id", "_ids", "_model", "_provider", "_refused", "_sent", "_thoughts", "_uncarried", "_whole", "usage"
    )  # fmt: skip

    def __init__(self, provider: str, request: ModelRequest, names: ToolNames, *, model: str) -> None:
        self._provider, self._model = provider, model
        self._assembly = Assembly(provider, names, request)
        self._id: str | None = None
        self._ids: dict[str, int] = {}
        self._sent: dict[tuple[int, int, str], int] = {}
        self._thoughts: dict[int, str] = {}
        """By which id each reasoning item is known: some servers give it another one in each event."""
        self._uncarried: dict[str, None] = {}
        self._refused = False
        self._final: dict[str, Any] | None = None
        self._whole = False
        self.usage: Usage | None = None

    @property
    def size(self) -> int:
        """Of what came, in characters."""
        return self._assembly.size

    @property
    def done(self) -> bool:
        """Whether it was said why the answer ended."""
        return self._final is not None

    def read(self, value: Any, *, event: str = "") -> list[Delta | Usage]:
        """One event, or the whole response; anything else says nothing. Raises ``ProviderError`` where it is an error."""
        item = fields(value)
        kind = text(item.get("type")) or event
        found: list[Delta | Usage] = []
        if item.get("object") == "response" or ("output" in item and "status" in item):
            self._whole = True
            self._finished(item, found)
            return found
        if kind == "error" or item.get("error"):
            raise self._failed(value)
        match kind:
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
                self._finished(fields(item.get("response")), found)
            case "response.output_item.added" | "response.output_item.done":
                inner = fields(item.get("item"))
                self._item(inner, self._index(item, inner), whole=kind.endswith("done"), found=found)
            case "response.output_text.delta":
                self._piece(item, "text", text(item.get("delta")), found)
            case "response.output_text.done":
                self._rest(item, "text", text(item.get("text")), found)
            case "response.refusal.delta":
                self._piece(item, "refusal", text(item.get("delta")), found)
            case "response.refusal.done":
                self._rest(item, "refusal", text(item.get("refusal")), found)
            case "response.function_call_arguments.delta":
                self._piece(item, "arguments", text(item.get("delta")), found)
            case "response.function_call_arguments.done":
                self._rest(item, "arguments", text(item.get("arguments")), found)
            case "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta":
                self._piece(item, "summary", text(item.get("delta")), found)
            case "response.reasoning_summary_text.done":
                self._rest(item, "summary", text(item.get("text")), found)
            case "response.reasoning_text.delta":
                self._piece(item, "thought", text(item.get("delta")), found)
            case "response.reasoning_text.done":
                self._rest(item, "thought", text(item.get("text")), found)
            case _:
                self._named(fields(item.get("response")))
        return found

    def _named(self, response: dict[str, Any]) -> None:
        self._id = self._id or text(response.get("id")) or None
        self._model = text(response.get("model")) or self._model

    def _index(self, event: dict[str, Any], item: dict[str, Any]) -> int:
        """The place of an item in the output. Events name it by place, by id, or by both."""
        id_ = text(item.get("id")) or text(event.get("item_id"))
        index = count(event.get("output_index"))
        if index is None:
            index = self._ids.get(id_, len(self._ids))
        if id_:
            self._ids.setdefault(id_, index)
        return index

    def _piece(self, event: dict[str, Any], what: str, piece: str, found: list[Delta | Usage]) -> None:
        index = self._index(event, {})
        part = count(event.get("summary_index" if what == "summary" else "content_index")) or 0
        self._add(index, part, what, piece, text(event.get("item_id")), found)

    def _rest(self, event: dict[str, Any], what: str, whole: str, found: list[Delta | Usage]) -> None:
        index = self._index(event, {})
        part = count(event.get("summary_index" if what == "summary" else "content_index")) or 0
        self._add(index, part, what, whole[self._sent.get((index, part, what), 0) :], text(event.get("item_id")), found)

    def _add(self, index: int, part: int, what: str, piece: str, id_: str, found: list[Delta | Usage]) -> None:
        if not piece:
            return
        key = (index, part, what)
        begun = key in self._sent
        self._sent[key] = self._sent.get(key, 0) + len(piece)
        match what:
            case "text":
                found += self._assembly.text(piece)
            case "refusal":
                self._refused = True
                found += self._assembly.text(piece)
            case "arguments":
                found += self._assembly.call(index, json_text=piece)
            case _:
                # The paragraphs of a summary come as parts of their own.
                earlier = (
                    part > 0
                    and not begun
                    and any((of, kind) == (index, what) for of, other, kind in self._sent if other != part)
                )
                found += self._assembly.thinking(f"\n\n{piece}" if earlier else piece, part_id=self._thought(index, id_))

    def _item(self, item: dict[str, Any], index: int, *, whole: bool, found: list[Delta | Usage]) -> None:
        id_ = text(item.get("id"))
        match item.get("type"):
            case "function_call":
                name = text(item.get("name"))
                found += self._assembly.call(index, call_id=text(item.get("call_id")) or id_, name=name)
                if whole:
                    self._remainder(index, "arguments", [text(item.get("arguments"))], id_, found)
            case "message" if whole:
                blocks = [fields(each) for each in entries(item.get("content"))]
                texts = [text(block.get("text")) for block in blocks if block.get("type") in ("output_text", "text")]
                refusals = [text(block.get("refusal")) for block in blocks if block.get("type") == "refusal"]
                self._remainder(index, "text", texts, id_, found)
                self._remainder(index, "refusal", refusals, id_, found)
                if any(block.get("annotations") for block in blocks):
                    self._uncarried["annotations"] = None
            case "reasoning" if whole:
                for what, name in (("summary", "summary"), ("thought", "content")):
                    self._remainder(
                        index, what, [text(fields(each).get("text")) for each in entries(item.get(name))], id_, found
                    )
                encrypted = text(item.get("encrypted_content"))
                if encrypted:
                    found += self._assembly.seal(part_id=self._thought(index, id_), encrypted=encrypted)
            case str(kind) if kind not in ("message", "reasoning") and _WORD.fullmatch(kind):
                # A tool that runs at the provider, or one of a kind that was not asked for.
                self._uncarried[kind] = None
            case _:
                pass
        if whole:
            self._assembly.end_part()

    def _thought(self, index: int, id_: str) -> str:
        return self._thoughts.setdefault(index, id_ or f"{index}")

    def _remainder(self, index: int, what: str, parts: list[str], id_: str, found: list[Delta | Usage]) -> None:
        """What of an item has not come yet. By length alone: Bedrock's events number the parts otherwise than they then stand."""
        came = sum(size for (of, _, kind), size in self._sent.items() if (of, kind) == (index, what))
        for part, whole in enumerate(parts):
            self._add(index, part, what, whole[came:], id_, found)
            came = max(came - len(whole), 0)

    def _finished(self, response: dict[str, Any], found: list[Delta | Usage]) -> None:
        self._named(response)
        for position, each in enumerate(entries(response.get("output"))):
            item = fields(each)
            index = self._ids.get(text(item.get("id")), position)
            self._item(item, index, whole=True, found=found)
        usage = _usage(response.get("usage"))
        if usage is not None:
            self.usage = usage
            if not self._whole:
                found.append(usage)
        if response.get("error") or response.get("status") == "failed":
            raise self._failed(response)
        self._final = response

    def _failed(self, value: Any) -> ProviderError:
        failure = error_in_stream(self._provider, value, request_id=self._id)
        failure.usage = self.usage
        return failure

    def response(self, *, estimate: Usage | None, request_id: str | None, notes: list[str]) -> tuple[ModelResponse, bool]:
        """As ``ChatReader.response``."""
        provider = self._provider
        if self._final is None:
            if self._assembly.empty and self._id is None:
                raise failures.bad_answer(provider, "no output")
            raise failures.incomplete(provider, usage=self.usage)
        status = text(self._final.get("status")) or "completed"
        reason = text(fields(self._final.get("incomplete_details")).get("reason"))
        if status in ("queued", "in_progress", "cancelled"):
            raise failures.incomplete(provider, usage=self.usage)
        estimated = self.usage is None
        usage = self.usage if self.usage is not None else estimate
        if usage is None or (estimated and self._whole):
            raise failures.bad_answer(provider, "no token counts")
        finish: FinishReason = "stop"
        if self._refused or reason == "content_filter":
            finish = "content_filter"
        elif status == "incomplete":
            finish = "length" if reason in ("max_output_tokens", "max_tokens") else "other"
        parts = self._assembly.parts(cut=status == "incomplete", notes=notes)
        if finish == "stop" and any(isinstance(part, ToolCallPart) for part in parts):
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
                provider_finish_reason=reason or status,
                usage=usage,
                provider_request_id=request_id or self._id,
                notes=tuple(dict.fromkeys(notes)),
            ),
            estimated,
        )


def _usage(raw: Any) -> Usage | None:
    """The counts in disjoint classes; None where they are no counts."""
    usage = fields(raw)
    given, made = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if given is None or made is None:
        return None
    details = fields(usage.get("input_tokens_details"))
    read = min(count(details.get("cached_tokens")) or 0, given)
    written = min(count(details.get("cache_write_tokens")) or 0, given - read)
    long = count(fields(details.get("cache_write_tokens_details")).get("ttl_12h_tokens")) or 0
    reasoning = count(fields(usage.get("output_tokens_details")).get("reasoning_tokens")) or 0
    return Usage(
        input_tokens=given - read - written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(long, written),
        output_tokens=made,
        reasoning_tokens=min(reasoning, made),
    )
