"""Signs of prompt injection and jailbreaks in a text: labels for the history, never the only line of defence.

A label says "suspected"; what follows from it is the rules' business. The patterns look for what attacks have in common whatever they are
after: orders about the model's instructions, forged turns and system messages, orders to hide something from the user, roles without rules,
and text that a person cannot see. Texts are read as written and as a model would read them: without invisible characters, with tag characters,
look-alike letters and base64 decoded. English, German, French, Spanish, Italian and Dutch.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator

from services.policy.injection_patterns import INJECTIONS, JAILBREAKS, LITERALS
from services.policy.recognizers.lowered import Lowered

INJECTION = "injection.suspected"
JAILBREAK = "jailbreak.suspected"
HIDDEN = "hidden_text"

MAX_CHARS = 2_000_000
"""Of a longer text only the beginning and the end are read, half each; it is labelled ``hidden_text``, for nobody else reads it either."""

_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_INVISIBLE = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0000-\U000e0fff]"
)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,4096}={0,2}(?![A-Za-z0-9+/_-])")
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){16,2048}(?![0-9A-Fa-f])")
_LEAST_ENCODED = 24
_SPACED = re.compile(r"(?:(?<=\s)|^)(?:\w[ ._\-*]){2,200}\w(?=\W|$)")
_SPACED_LETTERS = re.compile(r"[ ._\-*](?<!\w\w.)(?<=\w.)\w[ ._\-*]\w")
"""Of what is spaced out at least this. It begins with a sign, as ``_LEET`` does: ``re`` then passes over the letters."""
_LEET = re.compile(r"[0134$@](?:(?<=[a-z].)[0134$@]*[a-z]|(?<=\b.)[a-z]{2})", re.IGNORECASE)
_MANY_INVISIBLE = 8

_LOOKALIKES = str.maketrans(
    "авеёкмнорстухіјѕԁɡһӏοαεικνρτυχ0134$@",
    "abeekmhopctyxijsdghloaeiknptuxoieasa",
)
_DECODED_MAX = 16


def labels(text: str) -> tuple[str, ...]:
    """What ``text`` is suspected of, sorted; empty for most. Linear in the text, whatever it holds."""
    found: set[str] = set()
    if len(text) > MAX_CHARS:
        found.add(HIDDEN)
        text = f"{text[: MAX_CHARS // 2]}\n{text[-MAX_CHARS // 2 :]}"
    if not text.isascii():
        tags = "".join(chr(ord(letter) - 0xE0000) for run in _TAGS.findall(text) for letter in run)
        if tags or len(_INVISIBLE.findall(text[:100_000])) > max(_MANY_INVISIBLE, len(text) // 50):
            found.add(HIDDEN)
        if tags:
            text = f"{text}\n{tags}"
    for reading in _readings(text):
        lowered = Lowered.of(reading)
        held = LITERALS.within(lowered)
        for label, signs in ((INJECTION, INJECTIONS), (JAILBREAK, JAILBREAKS)):
            if label not in found and signs.any_in(lowered, held):
                found.add(label)
    return tuple(sorted(found))


def _readings(text: str) -> Iterator[str]:
    """The text as written and as a model may read it."""
    plain = text
    if not text.isascii():
        plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    yield plain
    if not plain.isascii() or _LEET.search(plain) is not None:
        yield plain.lower().translate(_LOOKALIKES)
    spaced = _SPACED.findall(plain) if _SPACED_LETTERS.search(plain) is not None else ()
    if spaced:
        yield " ".join(re.sub(r"(?<=\w)[ ._\-*](?=\w)", "", run) for run in spaced[:200])
    yield from _decoded(plain)


def _decoded(text: str) -> Iterator[str]:
    decoded = 0
    words = [word for word in text.split() if len(word) >= _LEAST_ENCODED]
    for pattern, decode in ((_BASE64, _base64), (_HEX, bytes.fromhex)):
        for match in (match for word in words for match in pattern.finditer(word)):
            if decoded >= _DECODED_MAX:
                return
            try:
                inner = decode(match[0]).decode("utf-8")
            except (ValueError, binascii.Error):
                continue
            if inner.isprintable() or "\n" in inner:
                decoded += 1
                yield inner


def _base64(text: str) -> bytes:
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


__all__ = ["HIDDEN", "INJECTION", "JAILBREAK", "labels"]
