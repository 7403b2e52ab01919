"""A request as Gemini's generateContent and batchEmbedContents take it (https://ai.google.dev/api/generate-content). Pure functions."""

import base64
from typing import Any
from urllib.parse import urlsplit

from adapters.gemini_models import takes
from adapters.outgoing import ToolNames, budget_of, effort_of
from adapters.port import UnsupportedRequest
from agentos.contracts.model import (
    ImagePart,
    Message,
    ModelRequest,
    Part,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

__all__ = ["write_embeddings", "write_request"]

_PROVIDER = "gemini"
_MOST_STOPS = 5
_MOST_EMBEDDED = 100
_INT32 = 2**31
# The documented stand-in for the signature of a call that comes from elsewhere, in base64 as all bytes are.
_NO_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
_MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}


def _unsupported(code: str, why: str) -> UnsupportedRequest:
    return UnsupportedRequest(why, provider=_PROVIDER, code=code)


def write_request(request: ModelRequest, names: ToolNames, *, model: str, notes: list[str]) -> dict[str, Any]:
    """The body. What is left out goes to ``notes``; raises ``UnsupportedRequest`` for what cannot be left out."""
    return _Writer(request, names, model, notes).body()


def write_embeddings(request: ModelRequest, *, model: str, notes: list[str]) -> dict[str, Any]:
    """The body of batchEmbedContents: one request for each text."""
    parts = request.messages[0].parts
    if len(parts) > _MOST_EMBEDDED:
        raise _unsupported("too_many_texts", f"gemini embeds at most {_MOST_EMBEDDED} texts at once")
    if request.system:
        notes.append(f"system: {_PROVIDER}/{model} takes none for embeddings")
    size = {} if request.dimensions is None else {"outputDimensionality": request.dimensions}
    name = model if model.startswith("models/") else f"models/{model}"
    return {
        "requests": [
            {"model": name, "content": {"parts": [{"text": part.text}]}, **size} for part in parts if isinstance(part, TextPart)
        ]
    }


class _Writer:
    def __init__(self, request: ModelRequest, names: ToolNames, model: str, notes: list[str]) -> None:
        self._request, self._names, self._notes = request, names, notes
        self._model = f"{_PROVIDER}/{model}"
        self._takes = takes(model)

    def body(self) -> dict[str, Any]:
        request = self._request
        body: dict[str, Any] = {"contents": self._contents()}
        if request.system:
            body["systemInstruction"] = {"parts": [{"text": request.system}]}
        if request.tools:
            body["tools"] = [{"functionDeclarations": [self._tool(tool) for tool in request.tools]}]
            if (calling := self._calling(request.tool_choice)) is not None:
                body["toolConfig"] = {"functionCallingConfig": calling}
        body["generationConfig"] = self._config()
        if self._has_cache_marks():
            self._note("cache", "keeps prefixes by itself, without marks")
        return body

    def _note(self, name: str, why: str) -> None:
        said = f"{name}: {self._model} {why}"
        if said not in self._notes:
            self._notes.append(said)

    # --- turns

    def _contents(self) -> list[dict[str, Any]]:
        contents: list[dict[str, Any]] = []
        for message in self._request.messages:
            parts = self._parts(message)
            if parts:
                contents.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
        if not contents:
            raise _unsupported("empty_message", "nothing is left of the request that gemini could read")
        if contents[-1]["role"] == "model" and "text" in contents[-1]["parts"][-1]:
            raise _unsupported("prefill_unsupported", f"{self._model} cannot go on with an answer that was begun")
        return contents

    def _parts(self, message: Message) -> list[dict[str, Any]]:
        """The parts in order, but function responses first, and what does not fit into them after them."""
        written: list[dict[str, Any]] = []
        responses: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                responses.append(self._response(part, written))
            else:
                self._part(part, written)
        if self._takes.signatures:
            calls = [part for part in written if "functionCall" in part]
            # Gemini signs the first of parallel calls alone.
            if calls and not any("thoughtSignature" in call for call in calls):
                calls[0]["thoughtSignature"] = _NO_SIGNATURE
        return responses + written

    def _part(self, part: Part, written: list[dict[str, Any]]) -> None:
        match part:
            case TextPart():
                if part.text:
                    written.append({"text": part.text})
            case ImagePart():
                written.append(self._image(part))
            case ThinkingPart():
                self._thought(part, written)
            case ToolCallPart():
                call: dict[str, Any] = {
                    "functionCall": {"id": part.id, "name": self._names.to_wire(part.name), "args": part.arguments}
                }
                # In base64; the mark of a server of another format, which begins with that server's name, is none.
                if part.signature is not None and ":" not in part.signature:
                    call["thoughtSignature"] = part.signature
                written.append(call)
            case ToolResultPart():
                written.append(self._response(part, written))

    def _thought(self, part: ThinkingPart, written: list[dict[str, Any]]) -> None:
        if part.provider != _PROVIDER:
            self._note("thinking part", "takes its own thinking only")
        elif part.text:
            signed = {} if part.signature is None else {"thoughtSignature": part.signature}
            written.append({"text": part.text, "thought": True, **signed})
        elif part.signature is not None:
            # The signature of an answer's text, which it follows.
            last = written[-1] if written else {}
            if "text" in last and "thought" not in last and "thoughtSignature" not in last:
                last["thoughtSignature"] = part.signature
            else:
                written.append({"text": "", "thoughtSignature": part.signature})

    def _image(self, image: ImagePart) -> dict[str, Any]:
        if image.detail in ("low", "high"):
            self._note("image detail", "takes none for a single image")
        if image.data is not None:
            return {"inlineData": {"mimeType": image.media_type, "data": base64.b64encode(image.data).decode()}}
        url = image.url or ""
        kind = image.media_type or _MEDIA_TYPES.get(urlsplit(url).path.rpartition(".")[2].lower())
        file: dict[str, Any] = {"fileUri": url}
        return {"fileData": {"mimeType": kind, **file} if kind else file}

    def _response(self, part: ToolResultPart, after: list[dict[str, Any]]) -> dict[str, Any]:
        response: dict[str, Any] = {
            "id": part.id,
            "name": self._names.to_wire(part.name),
            "response": {"error" if part.is_error else "output": part.content},
        }
        images = [self._image(image) for image in part.images]
        if images and self._takes.result_images:
            response["parts"] = images
        elif images:
            self._note("images of tool results", "takes them beside the result alone: they follow it")
            after.extend(images)
        return {"functionResponse": response}

    # --- tools

    def _tool(self, tool: Any) -> dict[str, Any]:
        written: dict[str, Any] = {"name": self._names.to_wire(tool.name), "description": tool.description}
        # Without properties there is nothing to declare, and older models refuse an empty object.
        if tool.parameters.get("properties") or len(tool.parameters) > 1:
            written["parametersJsonSchema"] = tool.parameters
        return written

    def _calling(self, choice: ToolChoice | None) -> dict[str, Any] | None:
        strict = any(tool.strict for tool in self._request.tools)
        if choice is not None and choice.parallel is False:
            self._note("tool_choice.parallel", "takes none")
        match choice.mode if choice is not None else "auto":
            case "none":
                return {"mode": "NONE"}
            case "required":
                return {"mode": "ANY"}
            case "tool":
                return {"mode": "ANY", "allowedFunctionNames": [self._names.to_wire((choice and choice.name) or "")]}
            case _:
                # ANY holds calls to their schemas as well.
                return {"mode": "VALIDATED"} if strict else None

    # --- configuration

    def _config(self) -> dict[str, Any]:
        request = self._request
        config: dict[str, Any] = {"maxOutputTokens": request.max_output_tokens}
        for ours, theirs in (
            ("temperature", "temperature"),
            ("top_p", "topP"),
            ("top_k", "topK"),
            ("presence_penalty", "presencePenalty"),
            ("frequency_penalty", "frequencyPenalty"),
        ):
            if (value := getattr(request, ours)) is not None:
                config[theirs] = value
        if request.seed is not None:
            if -_INT32 <= request.seed < _INT32:
                config["seed"] = request.seed
            else:
                self._note("seed", "takes 32 bits")
        if len(request.stop) > _MOST_STOPS:
            raise _unsupported("too_many_stops", f"gemini takes at most {_MOST_STOPS} stop sequences")
        if request.stop:
            config["stopSequences"] = list(request.stop)
        if (wanted := request.response_format) is not None:
            if request.tools and not self._takes.schema_with_tools:
                raise _unsupported("schema_with_tools", f"{self._model} takes a response schema or tools, not both")
            config["responseMimeType"] = "application/json"
            if wanted.json_schema:
                config["responseJsonSchema"] = wanted.json_schema
        if request.thinking is not None and (thinking := self._thinking(request.thinking)):
            config["thinkingConfig"] = thinking
        return config

    def _thinking(self, wanted: Thinking) -> dict[str, Any]:
        shown = {"includeThoughts": True} if wanted.show else {}
        match self._takes.thinking:
            case "none":
                if effort_of(wanted) != "none":
                    self._note("thinking", "does not think")
                return {}
            case "budget":
                return shown | self._budget(wanted)
            case "level":
                return shown | self._level(wanted)

    def _budget(self, wanted: Thinking) -> dict[str, Any]:
        budget = budget_of(wanted)
        if budget is None:
            return {}
        least, most = self._takes.budget
        within = min(max(budget, least, self._takes.least_budget if budget else 0), most)
        if within != budget:
            self._note("thinking", f"thinks with {least} to {most} tokens: the nearest was asked for")
        return {"thinkingBudget": within}

    def _level(self, wanted: Thinking) -> dict[str, Any]:
        effort = effort_of(wanted)
        if effort is None:
            return {}
        if effort == "none":
            self._note("thinking", "cannot be told not to think: it is told to think little")
        if effort in ("none", "minimal"):
            return {"thinkingLevel": "minimal" if self._takes.minimal else "low"}
        return {"thinkingLevel": "high" if effort == "max" else effort}

    def _has_cache_marks(self) -> bool:
        request = self._request
        return (
            request.system_cache is not None
            or any(tool.cache is not None for tool in request.tools)
            or any(
                not isinstance(part, ThinkingPart) and part.cache is not None
                for message in request.messages
                for part in message.parts
            )
        )
