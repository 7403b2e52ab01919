"""Streams of OpenAI's two formats, as they come in, for tests of how they are read."""

from typing import Any

__all__ = ["chunk", "finish", "responses_stream", "usage_chunk"]


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk with one choice; ``more`` stands beside the choices."""
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-x-2026-01-01",
        "service_tier": "default",
        "system_fingerprint": None,
        "choices": [choice],
        **more,
    }


def finish(reason: str = "stop") -> dict[str, Any]:
    """The chunk that says why the answer ended."""
    return chunk({}, finish=reason)


def usage_chunk(prompt: Any = 9, completion: Any = 4, **more: Any) -> dict[str, Any]:
    """The chunk with the counts, and empty choices."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}
    return {**chunk(), "choices": [], "usage": usage}


def responses_stream(*, deltas: bool = True) -> list[dict[str, Any]]:
    """Thinking with two paragraphs, a text and two tool calls. Without ``deltas`` just the events that repeat what came."""
    reasoning = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then, señor."}],
        "encrypted_content": "gAAAA-sealed",
    }
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Grüße 🎉", "annotations": [], "logprobs": []}],
    }
    calls = [
        {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": "look_up", "arguments": f'{{"n": {n}}}'}
        for n in (1, 2)
    ]
    response: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "model": "gpt-x-2026-01-01",
        "status": "in_progress",
        "output": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
    }
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 40,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 140,
    }
    final = {**response, "status": "completed", "output": [reasoning, message, *calls], "usage": usage}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}},
    ]
    for part, pieces in enumerate((("Fir", "st."), ("Then, ", "señor."))):
        where = {"item_id": "rs_1", "output_index": 0, "summary_index": part}
        if deltas:
            events += [{"type": "response.reasoning_summary_text.delta", **where, "delta": piece} for piece in pieces]
        events.append({"type": "response.reasoning_summary_text.done", **where, "text": "".join(pieces)})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": reasoning})
    events.append({"type": "response.output_item.added", "output_index": 1, "item": {**message, "content": []}})
    where = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    if deltas:
        events += [
            {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": [], "obfuscation": "x"}
            for piece in ("Grü", "ße ", "🎉")
        ]
    events.append({"type": "response.output_text.annotation.added", **where, "annotation": {"type": "url_citation"}})
    events.append({"type": "response.output_text.done", **where, "text": "Grüße 🎉"})
    events.append({"type": "response.output_item.done", "output_index": 1, "item": message})
    for index, call in enumerate(calls, 2):
        events.append({"type": "response.output_item.added", "output_index": index, "item": {**call, "arguments": ""}})
        where = {"item_id": call["id"], "output_index": index}
        if deltas:
            events += [
                {"type": "response.function_call_arguments.delta", **where, "delta": piece}
                for piece in (call["arguments"][:4], call["arguments"][4:])
            ]
        events.append({"type": "response.function_call_arguments.done", **where, "arguments": call["arguments"]})
        events.append({"type": "response.output_item.done", "output_index": index, "item": call})
    events.append({"type": "response.of_the_future", "what": [1, None]})
    events.append({"type": "response.completed", "response": final})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]
