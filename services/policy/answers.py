"""What an answer holds that it should not: personal data that nobody gave the model, secrets, and its own instructions.

All of it before placeholders are restored: a placeholder in an answer is what was given, and no find.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agentos.contracts.model import ModelRequest, texts
from agentos.sealing.placeholders import PlaceholderVault
from agentos.sealing.writings import writings
from services.policy.redacting.finding import Analysis
from services.policy.redacting.segments import Segment

LEAKED_WORDS = 12
"""So many words of the instructions in a row are no accident."""
LEAKED_SHARE = 0.6
"""Nor is so much of them in pieces of ``_PIECE`` characters."""
_PIECE = 20
_LEAST = 30
"""Instructions of fewer letters are a sentence that anybody may say."""
_MAX_PROMPT = 200_000
_MAX_ANSWER = 400_000
_QUICK = 4_000_000
"""Characters of the one times those of the other: beyond it, looking for pieces one by one takes longer than making sets of them."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?){16,}")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class AnswerFindings:
    """``entities`` and ``secrets`` count the kinds that are new in the answer; ``leak`` is the share of the instructions that stands in it."""

    entities: dict[str, int]
    secrets: dict[str, int]
    leaked_instructions: bool
    leak: float

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.entities and not self.secrets and not self.leaked_instructions


def scan(
    segments: Sequence[Segment], analyses: Sequence[Analysis], request: ModelRequest, vault: PlaceholderVault
) -> AnswerFindings:
    """Findings in an answer's ``segments``. ``request`` is the redacted request that it answers, ``vault`` the placeholders of the task.

    What the redacted request says in clear is not new, whether it is in the vault or was allowed.
    """
    given = set(vault.values.values())
    said = texts(request)
    entities: Counter[str] = Counter()
    secrets: Counter[str] = Counter()
    for segment, analysis in zip(segments, analyses, strict=True):
        ours = [(writing.start, writing.end) for writing in writings(segment.text)]
        for found in analysis.findings:
            value = segment.text[found.start : found.end]
            if found.stem == "LITERAL" or value in given or any(value in text for text in said):
                continue
            if any(start < found.end and found.start < end for start, end in ours):
                continue
            (secrets if found.stem == "SECRET" else entities)[found.entity] += 1
    leak, leaked = leak_of("\n".join(segment.text for segment in segments), request)
    return AnswerFindings(dict(entities), dict(secrets), leaked, leak)


def leak_of(answer: str, request: ModelRequest) -> tuple[float, bool]:
    """Share of the request's instructions that ``answer`` repeats, however cased, spaced or encoded, and whether that is a leak.

    What also stands in a message of the request is no secret of the instructions.
    """
    prompt = _words((request.system or "")[:_MAX_PROMPT])
    letters = "".join(prompt)
    if len(letters) < _LEAST:
        return 0.0, False
    own: set[str] | None = None
    public: set[str] | None = None
    best = 0.0
    for shape in _shapes(answer[:_MAX_ANSWER]):
        if _apart(shape, letters):
            continue
        own = own or _pieces(letters)
        there = _pieces(shape) & own
        if not there:
            continue
        if public is None:
            # Long where a conversation is, and hardly ever asked for.
            public = _pieces(_letters("\n".join(texts(request.model_copy(update={"system": None})))[:_MAX_ANSWER]))
        there -= public
        if not there:
            continue
        covered = _covered(letters, there)
        share = sum(covered) / len(letters)
        best = max(best, share)
        if share >= LEAKED_SHARE or _runs(prompt, covered, shape):
            return best, True
    return best, False


def _apart(shape: str, letters: str) -> bool:
    """True where the two have no piece in common, False where they may: what nearly every answer is let go by.

    A piece that both have holds one of the half pieces that ``shape`` is cut into.
    """
    half = _PIECE // 2
    if len(shape) * len(letters) > _QUICK:
        return False
    return not any(shape[start : start + half] in letters for start in range(0, len(shape) - half + 1, half))


def _covered(letters: str, there: set[str]) -> bytearray:
    """One for each letter of the prompt that stands in a piece that is there too."""
    covered = bytearray(len(letters))
    for start in range(len(letters) - _PIECE + 1):
        if letters[start : start + _PIECE] in there:
            covered[start : start + _PIECE] = b"\1" * _PIECE
    return covered


def _runs(prompt: Sequence[str], covered: bytearray, shape: str) -> bool:
    """Whether ``LEAKED_WORDS`` words of the prompt stand in a row in ``shape``."""
    start = 0
    for index in range(len(prompt) - LEAKED_WORDS + 1):
        run = "".join(prompt[index : index + LEAKED_WORDS])
        if len(run) >= _LEAST and covered.find(0, start, start + len(run)) < 0 and run in shape:
            return True
        start += len(prompt[index])
    return False


def _shapes(answer: str) -> Iterator[str]:
    """The letters of the answer as it is, backwards, by rot13, and of what it holds in base64 or hexadecimal."""
    letters = _letters(answer)
    yield letters
    yield letters[::-1]
    yield codecs.encode(letters, "rot13")
    for decoded in _decoded(answer):
        yield _letters(decoded)


def _decoded(answer: str) -> Iterator[str]:
    for text in dict.fromkeys((answer, _BLANKS.sub("", answer))):
        for match in _BASE64.finditer(text):
            run = match[0].translate(str.maketrans("-_", "+/"))
            # A run in a sentence may begin with letters that are not its own.
            for offset in range(4):
                part = run[offset:]
                yield from _utf8(lambda part=part: base64.b64decode(part[: len(part) // 4 * 4]))
        for match in _HEX.finditer(text):
            yield from _utf8(lambda digits=match[0]: bytes.fromhex(re.sub(r"[ :]", "", digits)))


def _utf8(decode: Callable[[], bytes]) -> Iterator[str]:
    try:
        text = decode().decode("utf-8", "ignore")
    except (binascii.Error, ValueError):
        return
    if len(text) >= _PIECE:
        yield text


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def _letters(text: str) -> str:
    return "".join(_words(text))


def _pieces(letters: str) -> set[str]:
    return {letters[start : start + _PIECE] for start in range(len(letters) - _PIECE + 1)}


__all__ = ["LEAKED_SHARE", "LEAKED_WORDS", "AnswerFindings", "leak_of", "scan"]
