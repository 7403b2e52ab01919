"""The providers' side of the wire: their requests read into neutral ones, neutral answers written as theirs. Pure functions.

Written against the providers' documentation and not with our adapters' code, so that a mistake there is not repeated here.
"""

import base64
import json
import re
from typing import Any, Literal

from agentos.contracts.model import (
    JsonSchemaFormat,
    Message,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)

__all__ = ["Format", "format_of_path", "read_request", "write_answer", "write_error", "write_stream"]

Format = Literal["openai", "anthropic", "gemini"]
Json = dict[str, Any]


def format_of_path(path: str) -> Format | None:
    """Which API a path belongs to."""
    bare = path.split("?")[0]
    if bare.endswith("/chat/completions"):
        return "openai"
    if bare.endswith("/v1/messages"):
        return "anthropic"
    if bare.endswith(":generateContent"):
        return "gemini"
    return None


def read_request(format_: Format, path: str, body: Json) -> tuple[str, ModelRequest]:
    """The model asked for and the request in neutral form. Raises ``KeyError``/``ValueError`` for what the API would refuse."""
    match format_:
        case "openai":
            return body["model"], _from_openai(body)
        case "anthropic":
            return body["model"], _from_anthropic(body)
        case "gemini":
            return path.split("/models/")[1].split(":")[0], _from_gemini(body)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(part["text"] for part in content or () if "text" in part)


def _turn(role: Literal["user", "assistant"], parts: list[Any]) -> Message:
    return Message(role=role, parts=tuple(parts))


def _from_openai(body: Json) -> ModelRequest:
    system: list[str] = []
    messages: list[Message] = []
    for turn in body["messages"]:
        match turn["role"]:
            case "system" | "developer":
                system.append(_text(turn["content"]))
            case "tool":
                result = ToolResultPart(id=turn["tool_call_id"], name="", content=_text(turn["content"]))
                messages.append(_turn("user", [result]))
            case "assistant":
                calls = [
                    ToolCallPart(id=c["id"], name=c["function"]["name"], arguments=json.loads(c["function"]["arguments"]))
                    for c in turn.get("tool_calls", ())
                ]
                text = [TextPart(text=_text(turn["content"]))] if turn.get("content") else []
                messages.append(_turn("assistant", [*text, *calls]))
            case "user":
                messages.append(_turn("user", [TextPart(text=_text(turn["content"]))]))
            case role:
                raise ValueError(f"unknown role {role}")
    wanted = body.get("response_format") or {}
    schema: JsonSchemaFormat | None = None
    if wanted.get("type") == "json_schema":
        schema = JsonSchemaFormat(name=wanted["json_schema"]["name"], json_schema=wanted["json_schema"]["schema"])
    elif wanted.get("type") == "json_object":
        # JSON mode: the schema, if any, is in the words of the prompt; DeepSeek refuses a prompt without the word "json".
        prompt = "\n".join(system)
        if "json" not in (prompt + json.dumps(body["messages"])).lower():
            raise ValueError("the prompt must contain the word json")
        at = prompt.find("{")
        schema = JsonSchemaFormat(name="json", json_schema=json.JSONDecoder().raw_decode(prompt[at:])[0] if at >= 0 else {})
    return ModelRequest(
        system="\n".join(system) or None,
        messages=tuple(messages),
        tools=tuple(
            ToolSpec(
                name=t["function"]["name"], description=t["function"]["description"], parameters=t["function"]["parameters"]
            )
            for t in body.get("tools", ())
        ),
        response_format=schema,
        max_output_tokens=body.get("max_completion_tokens") or body.get("max_tokens") or 1024,
        temperature=body.get("temperature"),
        stop=tuple(body.get("stop") or ()),
    )


def _from_anthropic(body: Json) -> ModelRequest:
    messages: list[Message] = []
    for turn in body["messages"]:
        parts: list[Any] = []
        content: Any = turn["content"]
        blocks: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            match block["type"]:
                case "text":
                    parts.append(TextPart(text=block["text"]))
                case "tool_use":
                    parts.append(ToolCallPart(id=block["id"], name=block["name"], arguments=block["input"]))
                case "tool_result":
                    error = block.get("is_error", False)
                    said = _text(block["content"])
                    parts.append(ToolResultPart(id=block["tool_use_id"], name="", content=said, is_error=error))
                case kind:
                    raise ValueError(f"unknown block {kind}")
        messages.append(_turn(turn["role"], parts))
    wanted = (body.get("output_config") or {}).get("format")
    return ModelRequest(
        system=_text(body.get("system")) or None,
        messages=tuple(messages),
        tools=tuple(
            ToolSpec(name=t["name"], description=t["description"], parameters=t["input_schema"]) for t in body.get("tools", ())
        ),
        response_format=JsonSchemaFormat(name="answer", json_schema=wanted["schema"]) if wanted else None,
        max_output_tokens=body["max_tokens"],
        stop=tuple(body.get("stop_sequences") or ()),
    )


def _from_gemini(body: Json) -> ModelRequest:
    messages: list[Message] = []
    for content in body["contents"]:
        parts: list[Any] = []
        for part in content["parts"]:
            if "text" in part:
                parts.append(TextPart(text=part["text"]))
            elif "functionCall" in part:
                call = part["functionCall"]
                if part.get("thoughtSignature"):
                    base64.urlsafe_b64decode(part["thoughtSignature"])
                parts.append(ToolCallPart(id=call.get("id", ""), name=call["name"], arguments=call.get("args", {})))
            elif "functionResponse" in part:
                result = part["functionResponse"]
                answer = result["response"]
                parts.append(
                    ToolResultPart(
                        id=result.get("id", ""),
                        name=result["name"],
                        content=answer.get("output", answer.get("error", "")),
                        is_error="error" in answer,
                    )
                )
            else:
                raise ValueError("unknown part")
        messages.append(_turn("assistant" if content["role"] == "model" else "user", parts))
    config = body.get("generationConfig", {})
    schema = config.get("responseJsonSchema")
    return ModelRequest(
        system=_text((body.get("systemInstruction") or {}).get("parts")) or None,
        messages=tuple(messages),
        tools=tuple(
            # ProtoJSON takes both spellings, and the SDK sends the second.
            ToolSpec(
                name=f["name"],
                description=f["description"],
                parameters=f.get("parametersJsonSchema") or f["parameters_json_schema"],
            )
            for tool in body.get("tools", ())
            for f in tool["functionDeclarations"]
        ),
        response_format=JsonSchemaFormat(name="answer", json_schema=schema) if schema is not None else None,
        max_output_tokens=config.get("maxOutputTokens", 1024),
        temperature=config.get("temperature"),
        stop=tuple(config.get("stopSequences") or ()),
    )


def write_answer(format_: Format, answer: ModelResponse, usage: Json | None = None) -> Json:
    """The answer in the provider's form. ``usage`` replaces the whole usage object, in the provider's own names."""
    text = "".join(part.text for part in answer.parts if isinstance(part, TextPart))
    calls = [part for part in answer.parts if isinstance(part, ToolCallPart)]
    used, given = answer.usage.input_tokens, answer.usage.output_tokens
    match format_:
        case "openai":
            message: Json = {"role": "assistant", "content": text or None, "refusal": None}
            if calls:
                message["tool_calls"] = [
                    {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
                    for c in calls
                ]
            return {
                "id": "chatcmpl-loopback",
                "object": "chat.completion",
                "created": 0,
                "model": answer.model,
                "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason, "logprobs": None}],
                "usage": usage or {"prompt_tokens": used, "completion_tokens": given, "total_tokens": used + given},
            }
        case "anthropic":
            blocks: list[Json] = [{"type": "text", "text": text}] if text else []
            blocks += [{"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments} for c in calls]
            reason = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
            return {
                "id": "msg_loopback",
                "type": "message",
                "role": "assistant",
                "model": answer.model,
                "content": blocks,
                "stop_reason": reason.get(answer.finish_reason, "pause_turn"),
                "stop_sequence": None,
                "usage": usage or {"input_tokens": used, "output_tokens": given},
            }
        case "gemini":
            parts: list[Json] = [{"text": text}] if text else []
            parts += [{"functionCall": {"name": c.name, "args": c.arguments}} for c in calls]
            finish = {"length": "MAX_TOKENS", "content_filter": "SAFETY", "other": "OTHER"}
            return {
                "candidates": [
                    {
                        "content": {"role": "model", "parts": parts},
                        "finishReason": finish.get(answer.finish_reason, "STOP"),
                        "index": 0,
                    }
                ],
                "usageMetadata": usage
                or {"promptTokenCount": used, "candidatesTokenCount": given, "totalTokenCount": used + given},
                "modelVersion": answer.model,
                "responseId": "gemini-loopback",
            }


def write_stream(format_: Format, answer: ModelResponse, usage: Json | None = None) -> list[bytes]:
    """The answer as the events of a stream, a word at a time. OpenAI and Anthropic."""
    whole = write_answer(format_, answer, usage)
    text = "".join(part.text for part in answer.parts if isinstance(part, TextPart))
    words = re.findall(r"\S+\s*|\s+", text)
    return _openai_stream(whole, words) if format_ == "openai" else _anthropic_stream(whole, words)


def _openai_stream(whole: Json, words: list[str]) -> list[bytes]:
    choice = whole["choices"][0]
    base = {**{name: whole[name] for name in ("id", "created", "model")}, "object": "chat.completion.chunk"}

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        return _event({**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    found = [chunk({"role": "assistant", "content": "", "refusal": None}), *(chunk({"content": word}) for word in words)]
    for index, call in enumerate(choice["message"].get("tool_calls", ())):
        arguments = call["function"]["arguments"]
        begun = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        found.append(chunk({"tool_calls": [begun]}))
        found += [
            chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            for piece in (arguments[:9], arguments[9:])
        ]
    found += [chunk({}, choice["finish_reason"]), _event({**base, "choices": [], "usage": whole["usage"]})]
    return [*found, b"data: [DONE]\n\n"]


def _anthropic_stream(whole: Json, words: list[str]) -> list[bytes]:
    counts = whole["usage"]
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**counts, "output_tokens": 1}}
    found = [_event({"type": "message_start", "message": begun}), _event({"type": "ping"})]
    for index, block in enumerate(whole["content"]):
        empty = {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}
        found.append(_event({"type": "content_block_start", "index": index, "content_block": empty}))
        if block["type"] == "text":
            deltas = [{"type": "text_delta", "text": word} for word in words]
        else:
            written = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", written[:9], written[9:])]
        found += [_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        found.append(_event({"type": "content_block_stop", "index": index}))
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    found.append(_event({"type": "message_delta", "delta": ended, "usage": {"output_tokens": counts["output_tokens"]}}))
    return [*found, _event({"type": "message_stop"})]


def _event(value: Json) -> bytes:
    named = f"event: {value['type']}\n" if "type" in value else ""
    return f"{named}data: {json.dumps(value)}\n\n".encode()


def write_error(format_: Format, status: int, message: str, code: str | None = None) -> Json:
    """An error body in the provider's form."""
    match format_:
        case "openai":
            return {"error": {"message": message, "type": code or "invalid_request_error", "param": None, "code": code}}
        case "anthropic":
            return {
                "type": "error",
                "error": {"type": code or "invalid_request_error", "message": message},
                "request_id": "req_1",
            }
        case "gemini":
            return {"error": {"code": status, "message": message, "status": code or "INVALID_ARGUMENT"}}
