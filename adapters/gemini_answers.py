"""What Gemini answers, whole or as a stream of pieces of the same form, as the neutral answer (https://ai.google.dev/api/generate-content)."""

import json
from datetime import timedelta
from typing import Any

from adapters import failures
from adapters.assembly import Assembly
from adapters.gemini_calls import PartialArguments
from adapters.limits import wait_in_words
from adapters.outgoing import ToolNames
from adapters.port import ErrorKind, ProviderError
from adapters.reading import count, entries, fields, text
from agentos.contracts.model import Delta, FinishReason, ModelRequest, ModelResponse, TextPart, Usage

__all__ = ["AnswerReader", "read_embeddings", "read_error"]

_PROVIDER = "gemini"
_FILTERED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "ESCALATION",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
# Where a proxy writes enumerations as numbers: those that Gemini and Vertex number alike.
_NUMBERED = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}
# The model's own slips: it may do better the next time.
_SLIPS = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
_COUNTS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
)
_UNCARRIED = ("inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall", "toolResponse")
_ABOUT = ("citationMetadata", "groundingMetadata", "urlContextMetadata")
_CHARACTERS_PER_TOKEN = 4


def read_error(value: Any) -> tuple[tuple[object, ...], str, timedelta | None, ErrorKind | None]:
    """Codes, words, wait and kind of an error body: ``{"error": {"code", "status", "message", "details": […]}}``, at times in a list.

    Of the details, which are typed messages of google.rpc, ErrorInfo names the reason, RetryInfo the wait ("34.5s"), and QuotaFailure
    the quota: one that is counted by the day is not there again soon.
    """
    outer = fields(entries(value)[0] if entries(value) else value)
    error = fields(outer.get("error")) or outer
    details = [fields(detail) for detail in entries(error.get("details"))]
    reason = next((detail["reason"] for detail in details if text(detail.get("reason"))), None)
    delay = next((detail["retryDelay"] for detail in details if text(detail.get("retryDelay"))), "")
    quotas = [text(fields(each).get("quotaId")) for detail in details for each in entries(detail.get("violations"))]
    daily: ErrorKind | None = "other_provider" if any("PerDay" in quota for quota in quotas) else None
    said = text(error.get("message"))
    wait = failures.retry_after({"retry-after": delay.removesuffix("s")}) if delay else wait_in_words(said)
    return (reason, error.get("status"), error.get("code")), said, wait, daily


class AnswerReader:
    """Reads one answer: a whole one, or its pieces one by one."""

    __slots__ = (
        "_assembly",
        "_begun",
        "_blocked",
        "_calls",
        "_counts",
        "_id",
        "_model",
        "_notes",
        "_partial",
        "_reason",
        "_streams",
        "usage",
    )

    def __init__(self, request: ModelRequest, names: ToolNames, *, model: str, notes: list[str], streams: bool) -> None:
        self._model, self._notes, self._streams = model, notes, streams
        self._assembly = Assembly(_PROVIDER, names, request)
        self._id: str | None = None
        self._reason: str | None = None
        self._blocked: str | None = None
        self._begun = False
        self._calls = 0
        self._partial: PartialArguments | None = None
        self._counts: dict[str, int] = {}
        self.usage: Usage | None = None

    @property
    def done(self) -> bool:
        """Never before the end of the body: counts and signatures may follow the reason."""
        return False

    def read(self, value: Any, *, event: str = "") -> list[Delta | Usage]:
        """One piece, or the whole answer, or pieces in a list. Raises ``ProviderError`` where it is an error."""
        found: list[Delta | Usage] = []
        for each in entries(value) or [value]:
            self._piece(fields(each), found, event)
        return found

    def _piece(self, piece: dict[str, Any], found: list[Delta | Usage], event: str) -> None:
        if event == "error" or piece.get("error"):
            codes, said, wait, kind = read_error(piece)
            failure = failures.in_stream(_PROVIDER, codes, said=said, wait=wait, usage=self.usage, request_id=self._id)
            failure.kind = kind or failure.kind
            raise failure
        self._id = text(piece.get("responseId")) or self._id
        self._model = text(piece.get("modelVersion")) or self._model
        self._blocked = text(fields(piece.get("promptFeedback")).get("blockReason")) or self._blocked
        for candidate in map(fields, entries(piece.get("candidates"))):
            # One was asked for; others are numbered.
            if not candidate.get("index"):
                self._candidate(candidate, found)
        # After the words of the same piece, which it counts.
        self._count(piece.get("usageMetadata"), found)

    def _candidate(self, candidate: dict[str, Any], found: list[Delta | Usage]) -> None:
        self._begun = True
        for part in entries(fields(candidate.get("content")).get("parts")):
            self._part(fields(part), found)
        given = candidate.get("finishReason")
        reason = text(given) or _NUMBERED.get(count(given) or 0, "")
        if reason and reason != "FINISH_REASON_UNSPECIFIED":
            self._reason = reason
        for kind in _ABOUT:
            if candidate.get(kind):
                self._uncarried(kind)

    def _part(self, part: dict[str, Any], found: list[Delta | Usage]) -> None:
        signature = text(part.get("thoughtSignature"))
        if isinstance(call := part.get("functionCall"), dict):
            self._call(fields(call), signature, found)
            return
        said = text(part.get("text"))
        if part.get("thought"):
            found += self._assembly.thinking(said)
            if signature:
                found += self._assembly.seal(signature=signature)
                self._assembly.end_part()
            return
        if said:
            found += self._assembly.text(said)
        if signature:
            # The signature of the text before it, which has no place for one.
            self._assembly.end_part()
            found += self._assembly.seal(signature=signature)
            self._assembly.end_part()
        for kind in _UNCARRIED:
            if kind in part:
                self._uncarried(kind)

    def _call(self, call: dict[str, Any], signature: str, found: list[Delta | Usage]) -> None:
        name = text(call.get("name"))
        if not name:
            self._more(call, found)
            return
        self._break_off()
        arguments = call.get("args")
        self._calls += 1
        found += self._assembly.call(
            self._calls,
            call_id=text(call.get("id")),
            name=name,
            json_text="" if arguments in ({}, None) else json.dumps(arguments, ensure_ascii=False),
            signature=signature or None,
        )
        if call.get("willContinue") or call.get("partialArgs"):
            self._partial = PartialArguments()
            self._more(call, found)

    def _more(self, call: dict[str, Any], found: list[Delta | Usage]) -> None:
        """More of the arguments of the call before, and where it does not say that it goes on, the last."""
        if self._partial is None:
            raise failures.bad_answer(_PROVIDER, "a function call without a name", usage=self.usage)
        for piece in entries(call.get("partialArgs")):
            if not self._partial.add(piece):
                raise failures.bad_answer(_PROVIDER, "an argument that has no place", usage=self.usage)
        if not call.get("willContinue"):
            found += self._assembly.call(self._calls, json_text=self._partial.json_text())
            self._partial = None

    def _break_off(self) -> None:
        """A call of which no more comes, and that was to go on: nobody can act on it."""
        if self._partial is not None:
            self._partial = None
            self._assembly.call(self._calls, json_text="{")

    def _uncarried(self, what: str) -> None:
        said = f"answer: {what} of {_PROVIDER} is not carried"
        if said not in self._notes:
            self._notes.append(said)

    def _count(self, raw: Any, found: list[Delta | Usage]) -> None:
        """Counts are cumulative, and each piece has those that it knows."""
        if not isinstance(raw, dict):
            return
        metadata = fields(raw)
        for name in _COUNTS:
            if (value := count(metadata.get(name))) is not None:
                self._counts[name] = value
        # The same counts again say that they hold for what came meanwhile too.
        self.usage = self._usage()
        if self._streams:
            found.append(self.usage)

    def _usage(self) -> Usage:
        counts = self._counts
        prompt, thoughts = counts.get("promptTokenCount", 0), counts.get("thoughtsTokenCount", 0)
        # The prompt's count includes cached tokens; the candidates' count excludes thoughts.
        cached = min(counts.get("cachedContentTokenCount", 0), prompt)
        tools = counts.get("toolUsePromptTokenCount", 0)
        said = counts.get("candidatesTokenCount")
        if said is None:
            # Left out at times beside words, at the end too: then the total has it.
            rest = max(counts.get("totalTokenCount", 0) - prompt - tools - thoughts, 0)
            said = rest if self._reason is not None and not self._assembly.empty else 0
        return Usage(
            input_tokens=prompt - cached + tools,
            cache_read_tokens=cached,
            output_tokens=said + thoughts,
            reasoning_tokens=thoughts,
        )

    def response(self, *, sent_bytes: int, request_id: str | None) -> tuple[ModelResponse, bool]:
        """The answer, and whether its usage is estimated from lengths because a stream brought no counts.

        Raises ``ProviderError`` where it is none: nothing came, or nobody said why it ended, or a whole answer has no counts.
        """
        begun = self._begun or (self._streams and self.usage is not None)
        if not begun and self._blocked is None:
            raise failures.bad_answer(_PROVIDER, "no candidates", usage=self.usage)
        if self._streams and self._reason is None and self._blocked is None:
            raise failures.incomplete(_PROVIDER, usage=self.usage)
        if self._reason in _SLIPS and self._assembly.empty:
            raise ProviderError(
                f"{_PROVIDER} broke its answer off ({self._reason}): this may pass: try again",
                kind="retry",
                provider=_PROVIDER,
                code=self._reason or "",
                status=200,
                usage=self.usage,
                request_id=self._id,
            )
        estimated = self.usage is None
        if estimated and not self._streams:
            raise failures.bad_answer(_PROVIDER, "no token counts")
        usage = self.usage or Usage(
            input_tokens=-(-sent_bytes // _CHARACTERS_PER_TOKEN),
            output_tokens=-(-self._assembly.size // _CHARACTERS_PER_TOKEN),
        )
        if estimated:
            self._notes.append(f"usage: {_PROVIDER}/{self._model} gave no token counts: they are estimated from lengths")
        finish = self._finish()
        self._break_off()
        return (
            ModelResponse(
                provider=_PROVIDER,
                model=self._model,
                parts=self._assembly.parts(cut=finish in ("length", "content_filter"), notes=self._notes),
                finish_reason=finish,
                provider_finish_reason=self._reason or self._blocked,
                usage=usage,
                provider_request_id=self._id or request_id,
                notes=tuple(dict.fromkeys(self._notes)),
            ),
            estimated,
        )

    def _finish(self) -> FinishReason:
        if self._blocked is not None:
            return "content_filter"
        if self._reason == "STOP":
            # Gemini has no reason of its own for tool calls.
            return "tool_calls" if self._calls else "stop"
        if self._reason == "MAX_TOKENS":
            return "length"
        return "content_filter" if self._reason in _FILTERED else "other"


def read_embeddings(
    value: Any, request: ModelRequest, *, model: str, sent_bytes: int, notes: list[str]
) -> tuple[ModelResponse, bool]:
    """The vectors, and whether the usage is estimated: most of these models give no counts. Raises ``ProviderError``."""
    wanted = sum(isinstance(part, TextPart) for part in request.messages[0].parts)
    answer = fields(value)
    vectors = [_vector(fields(each).get("values")) for each in entries(answer.get("embeddings"))]
    if len(vectors) != wanted or not all(vectors):
        raise failures.bad_answer(_PROVIDER, "not one vector for each text")
    counted = count(fields(answer.get("usageMetadata")).get("promptTokenCount"))
    if counted is None:
        notes.append(f"usage: {_PROVIDER}/{model} gave no token counts: they are estimated from lengths")
    tokens = -(-sent_bytes // _CHARACTERS_PER_TOKEN) if counted is None else counted
    response = ModelResponse(
        provider=_PROVIDER,
        model=text(answer.get("modelVersion")) or model,
        embeddings=tuple(vectors),
        finish_reason="stop",
        usage=Usage(input_tokens=tokens),
        notes=tuple(notes),
    )
    return response, counted is None


def _vector(raw: Any) -> tuple[float, ...]:
    found = entries(raw)
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in found):
        return ()
    return tuple(map(float, found))
