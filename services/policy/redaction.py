"""Redaction: personal data and secrets out, reversible placeholders in. What is found is said in ``detection``.

Two things hold for every text: ``restore(redacted.text, redacted.vault)`` is the text, and no value that was found, now or earlier in
the task, is left in it, wherever else it stands. A redactor that cannot finish raises ``Unavailable``: the caller makes no call.

Everything here is synchronous and takes about a millisecond per kilobyte that it has not seen before; a large text belongs in a thread.
"""

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from agentos.contracts.events.call import RedactedEntity
from agentos.contracts.model import Message, ModelRequest, Part, TextPart, ToolCallPart, ToolResultPart, ToolSpec
from agentos.sealing.placeholders import PlaceholderVault, TooDeep, map_json
from services.policy.detection import Detector
from services.policy.findings import Finding, resolve
from services.policy.secret_patterns import KEYED_HINT

MAX_CHARS = 2 * 1024 * 1024
"""Most characters in one call of ``redact``, ``redact_json`` or ``redact_request``, all strings together."""

CACHED_TEXTS = 4096
_SHORTEST = 5
_SECRET_SHAPE = re.compile(r"(?=.*[^a-z]).{6}", re.DOTALL)
"""Under a key such as ``password``: any six characters that are not just one lower-case word ("required", "string")."""
_PLAIN_KEY = re.compile(r"[^\W\d](?:[ ._-]?[^\W_]){1,63}")
"""A key that is a word or some, and no value itself."""


@dataclass(frozen=True)
class Redacted:
    """A text without what was found, the vault that restores it, and each placeholder in it once, in order of appearance."""

    text: str
    vault: PlaceholderVault
    entities: tuple[RedactedEntity, ...]


@dataclass(frozen=True)
class RedactedJson:
    """The same for a JSON value."""

    value: Json
    vault: PlaceholderVault
    entities: tuple[RedactedEntity, ...]


class Redactor:
    """Build one per process: importing presidio takes half a second. Safe to use from several threads.

    Findings (places and kinds, no values) are cached by the text's SHA-256, so that unchanged history costs a digest.
    """

    def __init__(self, *, max_chars: int = MAX_CHARS, cached_texts: int = CACHED_TEXTS) -> None:
        try:
            self._detector = Detector()
        except Exception as error:
            raise Unavailable(f"The redactor cannot start: {type(error).__name__}", code="redaction.failed") from error
        self._max_chars = max_chars
        self._cached_texts = cached_texts
        self._cache: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
        self._cache_lock = threading.Lock()

    def redact(self, text: str, vault: PlaceholderVault) -> Redacted:
        """``text`` with placeholders. Raises ``Unavailable`` beyond ``max_chars`` and when anything goes wrong."""
        value, vault, entities = self._closed(text, vault, lambda string, _: string(text, ""))
        return Redacted(value, vault, entities)

    def redact_json(self, value: Json, vault: PlaceholderVault) -> RedactedJson:
        """The same for every string of a JSON value, object keys and numbers included (a number becomes a NUMBER placeholder).

        The key of an object is context for its value: ``{"password": "…"}``.
        """
        redacted, vault, entities = self._closed(value, vault, lambda string, number: _walk(value, string, number))
        return RedactedJson(redacted, vault, entities)

    def redact_request(
        self, request: ModelRequest, vault: PlaceholderVault
    ) -> tuple[ModelRequest, PlaceholderVault, tuple[RedactedEntity, ...]]:
        """The same for all that a provider would see of a model request: system, parts, tool descriptions and schemas, stops.

        Names of tools and ids of calls stay, as they bind a result to its call.
        """
        redacted, vault, entities = self._closed(request, vault, lambda string, number: _request(request, string, number))
        return redacted, vault, entities

    def _closed(
        self, value: Any, vault: PlaceholderVault, walk: Callable[["_OnString", "_OnNumber"], Any]
    ) -> tuple[Any, PlaceholderVault, tuple[RedactedEntity, ...]]:
        """``_in_two_passes``, failing closed."""
        try:
            return self._in_two_passes(vault, walk)
        except (Unavailable, TooDeep):
            raise
        except Exception as error:  # noqa: BLE001  # fail closed: an unforeseen error must not let a text through
            # From None: the cause's message may quote what it failed on.
            kind = type(error).__name__
            raise Unavailable(f"The redactor failed ({kind}) on a {type(value).__name__}.", code="redaction.failed") from None

    def _in_two_passes(
        self, vault: PlaceholderVault, walk: Callable[["_OnString", "_OnNumber"], Any]
    ) -> tuple[Any, PlaceholderVault, tuple[RedactedEntity, ...]]:
        # First find everything everywhere, so that a value found in the last message is also replaced in the first.
        found: dict[tuple[str, str], None] = {}
        kinds: dict[tuple[str, str], str] = {}
        total = 0

        def note(stem: str, value: str, entity: str) -> None:
            found.setdefault((stem, value))
            kinds.setdefault((stem, value), entity)

        def find(text: str, hint: str) -> str:
            nonlocal total
            total += len(text)
            if total > self._max_chars:
                raise Unavailable(
                    f"Only {self._max_chars} characters can be redacted at once: send less or split it.",
                    code="redaction.too_large",
                )
            for finding in self._findings(text, hint):
                note(finding.stem, text[finding.start : finding.end], finding.entity)
            return text

        def find_number(number: int | float, hint: str) -> int | float:
            written = json.dumps(number)
            for finding in self._findings(written, hint)[:1]:
                note("NUMBER", written, finding.entity)
                note(finding.stem, written[finding.start : finding.end], finding.entity)
            return number

        walk(find, find_number)
        vault, _ = vault.add_all(found)
        numbers = {value for stem, value in found if stem == "NUMBER"}
        known = _Known(vault.known())
        seen: dict[str, RedactedEntity] = {}

        names = {(name.partition("_")[0], value): f"<{name}>" for name, value in vault.values.items()}

        def place(stem: str, value: str, entity: str) -> str:
            nonlocal vault
            placeholder = names.get((stem, value))
            if placeholder is None:
                # Findings that overlapped became one just now.
                vault, placeholder = vault.add(stem, value)
                names[stem, value] = placeholder
            seen.setdefault(placeholder, RedactedEntity(entity=kinds.get((stem, value), entity), placeholder=placeholder))
            return placeholder

        def replace(text: str, hint: str) -> str:
            findings = self._findings(text, hint)
            swept = known.places_in(text)
            if swept:
                findings = resolve((*findings, *swept))
            if not findings:
                return text
            parts: list[str] = []
            position = 0
            for finding in findings:
                placeholder = place(finding.stem, text[finding.start : finding.end], finding.entity)
                parts += (text[position : finding.start], placeholder)
                position = finding.end
            parts.append(text[position:])
            return "".join(parts)

        def replace_number(number: int | float, _: str) -> Json:
            written = json.dumps(number)
            return place("NUMBER", written, "NUMBER") if written in numbers else number

        return walk(replace, replace_number), vault, tuple(seen.values())

    def _findings(self, text: str, hint: str) -> tuple[Finding, ...]:
        """What the detector finds in ``text``, read as the value of the JSON key ``hint`` when that gives context."""
        if len(text) < _SHORTEST:
            return ()
        hint = hint[-64:]
        announces_secret = bool(hint) and KEYED_HINT.search(hint) is not None
        prefix = _context_of(hint, announces_secret)
        digest = hashlib.sha256(f"{prefix}{text}".encode("utf-8", "surrogatepass")).digest()
        with self._cache_lock:
            findings = self._cache.get(digest)
            if findings is not None:
                self._cache.move_to_end(digest)
                return findings
        offset = len(prefix)
        findings = tuple(
            Finding(max(f.start - offset, 0), f.end - offset, f.entity, f.stem, f.score)
            for f in self._detector.find(prefix + text)
            if f.end > offset
        )
        if announces_secret and _SECRET_SHAPE.search(text) is not None:
            findings = resolve((*findings, Finding(0, len(text), "CREDENTIAL", "SECRET", 0.8)))
        with self._cache_lock:
            self._cache[digest] = findings
            if len(self._cache) > self._cached_texts:
                self._cache.popitem(last=False)
        return findings


def _context_of(hint: str, announces_secret: bool) -> str:
    """What to read before the value of the key ``hint``: a key announces as a word in a text does (``nhsNumber``, ``dateOfBirth``)."""
    return f"{hint}: " if announces_secret or _PLAIN_KEY.fullmatch(hint) else ""


_OnString = Callable[[str, str], str]
_OnNumber = Callable[[int | float, str], Json]


_ENTITY_OF = {
    "EMAIL": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "CARD": "CREDIT_CARD",
    "IBAN": "IBAN_CODE",
    "IP": "IP_ADDRESS",
    "SSN": "US_SSN",
}
"""Presidio's names, for values that are known from earlier and not found again."""


_FEW = 32
_HEAD = 4


class _Known:
    """The values that must not stand in a text any more, and every place of theirs in one pass over it, however many they are."""

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self._stems = {value: stem for stem, value in values if value}
        # Few values, or tiny ones: str.find is quickest. Many: look at each place once, by the value's head and length.
        few = len(self._stems) <= _FEW
        self._found_singly = [value for value in self._stems if few or len(value) < _HEAD]
        self._lengths: dict[str, set[int]] = {}
        if not few:
            for value in self._stems:
                if len(value) >= _HEAD:
                    self._lengths.setdefault(value[:_HEAD], set()).add(len(value))

    def places_in(self, text: str) -> list[Finding]:
        """Each place of each value, whether or not a recognizer would see it there."""
        places: list[Finding] = []
        for value in self._found_singly:
            start = text.find(value)
            while start >= 0:
                places.append(self._place(start, value))
                start = text.find(value, start + len(value))
        if self._lengths:
            start, last = 0, len(text) - _HEAD
            while start <= last:
                lengths = self._lengths.get(text[start : start + _HEAD])
                longest = 0
                for length in lengths or ():
                    if length > longest and text[start : start + length] in self._stems:
                        longest = length
                if longest:
                    places.append(self._place(start, text[start : start + longest]))
                start += longest or 1
        return places

    def _place(self, start: int, value: str) -> Finding:
        stem = self._stems[value]
        return Finding(start, start + len(value), _ENTITY_OF.get(stem, stem), stem, 1.0)


def _walk(value: Json, string: _OnString, number: _OnNumber) -> Json:
    """``map_json`` with the key of an object (or of the list's object) handed to its value."""

    def under(hint: str, value: Json) -> Json:
        match value:
            case dict():
                items = cast("dict[str, Json]", value).items()
                return {string(name, ""): under(name, item) for name, item in items}
            case list() | tuple():
                return [under(hint, item) for item in cast("list[Json]", value)]
            case _:
                return map_json(value, lambda text: string(text, hint), _unchanged, lambda n: number(n, hint))

    # For what it refuses: too deep for the recursion above, or no JSON.
    map_json(value, _unchanged, _unchanged)
    return under("", value)


def _unchanged(text: str) -> str:
    return text


def _request(request: ModelRequest, string: _OnString, number: _OnNumber) -> ModelRequest:
    def plain(text: str) -> str:
        return string(text, "")

    def part(part: Part) -> Part:
        match part:
            case TextPart():
                return part.model_copy(update={"text": plain(part.text)})
            case ToolResultPart():
                return part.model_copy(update={"content": plain(part.content)})
            case ToolCallPart():
                return part.model_copy(update={"arguments": _walk(part.arguments, string, number)})

    def message(message: Message) -> Message:
        return message.model_copy(update={"parts": tuple(part(each) for each in message.parts)})

    def tool(tool: ToolSpec) -> ToolSpec:
        parameters = _walk(tool.parameters, string, number)
        return tool.model_copy(update={"description": plain(tool.description), "parameters": parameters})

    form = request.response_format
    return request.model_copy(
        update={
            "system": None if request.system is None else plain(request.system),
            "messages": tuple(message(each) for each in request.messages),
            "tools": tuple(tool(each) for each in request.tools),
            "response_format": form and form.model_copy(update={"json_schema": _walk(form.json_schema, string, number)}),
            "stop": tuple(plain(each) for each in request.stop),
        }
    )


__all__ = ["MAX_CHARS", "Redacted", "RedactedJson", "Redactor"]
