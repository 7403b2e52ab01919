"""OpenAI's Responses, as clients are answered: one response, or the events of a stream."""

import json
import time
from typing import Any, Literal

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
from services.gateway.endpoint import carried
from services.gateway.endpoint.asked import Asked
from services.gateway.endpoint.dialects.openai_chat import told_of
from services.gateway.endpoint.dialects.openai_responses_request import read_responses
from services.gateway.endpoint.errors import EndpointError, openai_object
from services.gateway.endpoint.sse import event_frame


def usage_of(usage: Usage) -> dict[str, Any]:
    """OpenAI counts what was read from a cache, and thinking, among input and output."""
    given = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": given + usage.output_tokens,
    }


def frame_of(asked: Asked, call: str, created_at: int) -> dict[str, Any]:
    """A response in progress, without output."""
    echo = asked.echo
    return {
        "id": f"resp_{call}",
        "object": "response",
        "created_at": created_at,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": echo.get("instructions"),
        "max_output_tokens": echo.get("max_output_tokens"),
        "metadata": echo.get("metadata") or {},
        "model": asked.request.model,
        "output": [],
        "parallel_tool_calls": echo.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": echo.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": echo.get("temperature"),
        "text": echo.get("text") or {"format": {"type": "text"}},
        "tool_choice": echo.get("tool_choice") or "auto",
        "tools": echo.get("tools") or [],
        "top_p": echo.get("top_p"),
        "truncation": "disabled",
        "usage": None,
    }


def ended(frame: dict[str, Any], output: list[dict[str, Any]], response: ModelResponse, call: str) -> dict[str, Any]:
    """The response, complete or cut short."""
    reason = {"length": "max_output_tokens", "cut_off": "max_output_tokens", "content_filter": "content_filter"}.get(
        response.finish_reason
    )
    return frame | {
        "status": "completed" if reason is None else "incomplete",
        "incomplete_details": None if reason is None else {"reason": reason},
        "model": response.model,
        "output": output,
        "usage": usage_of(response.usage),
        "agentos": told_of(call, response),
    }


def reasoning_item(id_: str, part: ThinkingPart, *, encrypted: bool) -> dict[str, Any]:
    """A part of thinking. What means something to its provider alone is given where the client asks for it."""
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    item: dict[str, Any] = {"type": "reasoning", "id": id_, "summary": summary}
    return item | ({"encrypted_content": carried.packed(part)} if encrypted else {})


def text_content(text: str) -> dict[str, Any]:
    """A part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message_item(id_: str, text: str, status: str = "completed") -> dict[str, Any]:
    """A message of one text."""
    return {"type": "message", "id": id_, "status": status, "role": "assistant", "content": [text_content(text)]}


def call_item(id_: str, call_id: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    """A tool call."""
    return {
        "type": "function_call", "id": id_, "call_id": call_id, "name": name, "arguments": arguments, "status": status,
    }  # fmt: skip


class Responses:
    """``POST /v1/responses``."""

    read = staticmethod(read_responses)
    error = staticmethod(openai_object)

    def answer(self, asked: Asked, call: str, response: ModelResponse) -> dict[str, Any]:
        """The whole answer. ``response`` has its placeholders restored."""
        output: list[dict[str, Any]] = []
        for at, part in enumerate(response.parts):
            match part:
                case ThinkingPart():
                    output.append(reasoning_item(f"rs_{call}_{at}", part, encrypted=bool(asked.echo.get("encrypted"))))
                case TextPart():
                    output.append(message_item(f"msg_{call}_{at}", part.text))
                case ToolCallPart():
                    arguments = json.dumps(part.arguments, ensure_ascii=False)
                    output.append(call_item(f"fc_{call}_{at}", carried.tool_id(part.id, part.signature), part.name, arguments))
        return ended(frame_of(asked, call, int(time.time())), output, response, call)

    def writer(self, asked: Asked, call: str) -> "ResponseWriter":
        """Writes one stream."""
        return ResponseWriter(asked, call)


class ResponseWriter:
    """The events of a response: an item ends when the next one begins, and the whole stands in the last event again."""

    def __init__(self, asked: Asked, call: str) -> None:
        self._call = call
        self._encrypted = bool(asked.echo.get("encrypted"))
        self._frame = frame_of(asked, call, int(time.time()))
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._open: Literal["text", "thinking", "tool"] | None = None
        self._tool = -1
        self._text = ""
        self._item: dict[str, Any] = {}
        self._thoughts: list[int | None] = []
        """Where those that were begun stand in the output; None for one that is over, or that is not given."""
        self._seal: ThinkingSealed | None = None

    def begin(self) -> bytes:
        """The response, still empty."""
        return self._event("response.created", response=self._frame) + self._event("response.in_progress", response=self._frame)

    def delta(self, delta: Delta) -> bytes:
        """What came, in the events that it makes."""
        match delta:
            case TextDelta():
                sent = self._turn_to("text")
                self._text += delta.text
                return sent + self._event(
                    "response.output_text.delta", **self._place, content_index=0, delta=delta.text, logprobs=[]
                )
            case ThinkingDelta():
                sent = self._turn_to("thinking")
                self._text += delta.text
                return sent + self._event(
                    "response.reasoning_summary_text.delta", **self._place, summary_index=0, delta=delta.text
                )
            case ThinkingSealed():
                return self._sealed(delta)
            case ToolCallStarted():
                return self._turn_to("tool", delta)
            case ToolCallDelta():
                self._text += delta.json_text
                return self._event("response.function_call_arguments.delta", **self._place, delta=delta.json_text)

    def end(self, response: ModelResponse) -> bytes:
        """What the deltas did not say, and the whole."""
        sent = self._leave()
        thoughts = [part for part in response.parts if isinstance(part, ThinkingPart)]
        for at, part in zip(self._thoughts, thoughts, strict=False):
            if at is not None and self._encrypted:
                self._output[at] |= reasoning_item(self._output[at]["id"], part, encrypted=True)
        for part in thoughts[len(self._thoughts) :]:
            sent += self._whole(part)
        whole = ended(self._frame, self._output, response, self._call)
        return sent + self._event(f"response.{whole['status']}", response=whole)

    def error(self, error: EndpointError) -> bytes:
        """The stream ends here."""
        told = openai_object(error)["error"]
        failed = self._frame | {
            "status": "failed",
            "error": {"code": "server_error", "message": error.message},
            "output": self._output,
        }
        sent = self._event("error", code=error.code, message=error.message, param=error.param, agentos=told["agentos"])
        return sent + self._event("response.failed", response=failed)

    def ping(self) -> bytes:
        """A sign of life: a comment, which no client shows."""
        return b": ping\n\n"

    # --- items --------------------------------------------------------------------------------------------------------

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item["id"], "output_index": len(self._output)}

    def _event(self, type_: str, **fields: Any) -> bytes:
        sent = event_frame(type_, {"type": type_, "sequence_number": self._number, **fields})
        self._number += 1
        return sent

    def _turn_to(self, kind: Literal["text", "thinking", "tool"], tool: ToolCallStarted | None = None) -> bytes:
        if self._open == kind and (tool is None or tool.index == self._tool):
            return b""
        sent = self._leave()
        self._open, self._text, self._tool = kind, "", -1 if tool is None else tool.index
        at = len(self._output)
        match kind:
            case "text":
                self._item = message_item(f"msg_{self._call}_{at}", "", "in_progress") | {"content": []}
            case "thinking":
                self._item = {"type": "reasoning", "id": f"rs_{self._call}_{at}", "summary": []}
            case "tool" if tool is not None:
                self._item = call_item(
                    f"fc_{self._call}_{at}", carried.tool_id(tool.id, tool.signature), tool.name, "", "in_progress"
                )
            case "tool":
                raise ValueError("a tool call begins with its name")
        sent += self._event("response.output_item.added", output_index=at, item=self._item)
        if kind == "text":
            sent += self._event("response.content_part.added", **self._place, content_index=0, part=text_content(""))
        if kind == "thinking":
            part = {"type": "summary_text", "text": ""}
            sent += self._event("response.reasoning_summary_part.added", **self._place, summary_index=0, part=part)
        return sent

    def _sealed(self, seal: ThinkingSealed) -> bytes:
        """The end of the reasoning that is open, or an item of its own for what nobody is shown."""
        if self._open == "thinking":
            self._seal = seal
            sent = self._leave()
            self._thoughts[-1] = None
            return sent
        self._thoughts.append(None)
        return self._leave() + self._whole(_part_of(seal))

    def _whole(self, part: ThinkingPart) -> bytes:
        """Reasoning of which nothing was sent: an item, where there is anything in it for this client."""
        if not self._encrypted and not part.text:
            return b""
        at = len(self._output)
        item = reasoning_item(f"rs_{self._call}_{at}", part, encrypted=self._encrypted)
        self._output.append(item)
        return self._event("response.output_item.added", output_index=at, item=item) + self._event(
            "response.output_item.done", output_index=at, item=item
        )

    def _leave(self) -> bytes:
        kind, self._open = self._open, None
        match kind:
            case None:
                return b""
            case "text":
                sent = self._event(
                    "response.output_text.done", **self._place, content_index=0, text=self._text, logprobs=[]
                ) + self._event("response.content_part.done", **self._place, content_index=0, part=text_content(self._text))
                self._item = message_item(self._item["id"], self._text)
            case "thinking":
                part = {"type": "summary_text", "text": self._text}
                sent = self._event(
                    "response.reasoning_summary_text.done", **self._place, summary_index=0, text=self._text
                ) + self._event("response.reasoning_summary_part.done", **self._place, summary_index=0, part=part)
                self._item = self._item | {"summary": [part]}
                if self._encrypted and self._seal is not None:
                    self._item |= {"encrypted_content": carried.packed(_part_of(self._seal))}
                self._seal = None
                self._thoughts.append(len(self._output))
            case "tool":
                sent = self._event(
                    "response.function_call_arguments.done", **self._place, name=self._item["name"], arguments=self._text
                )
                self._item = self._item | {"arguments": self._text, "status": "completed"}
        sent += self._event("response.output_item.done", output_index=len(self._output), item=self._item)
        self._output.append(self._item)
        return sent


def _part_of(seal: ThinkingSealed) -> ThinkingPart:
    return ThinkingPart(provider=seal.provider, signature=seal.signature, encrypted=seal.encrypted, id=seal.id)
