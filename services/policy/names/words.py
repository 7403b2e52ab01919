"""Cutting a text into tokens, and what the model sees of each: hashed features of the word alone, which is why they can be cached.

Training and service share this file; a change here needs a new training.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from zlib import crc32

BUCKETS = 1 << 16
"""Rows of the embedding table. Row 0 is padding and stays zero."""
FEATURES = 19
"""Features of a word at most; the rest is padding."""
IDENTITY = (0, 1)
"""Which of them tell the word itself: training hides them at times, so that the model learns to do without."""
LONGEST_PARTS = (8, 11)
"""Which tell its first and last four letters (the same)."""
LISTED = slice(13, FEATURES)
"""Which tell the lists it is on (the same)."""

GIVEN, SURNAME, PLACE, COUNTRY, COMMON = 1, 2, 4, 8, 16
"""The lists, as bits."""
_FLAGS = (GIVEN, SURNAME, PLACE, COUNTRY, COMMON)

TOKEN = re.compile(r" ?[^\W_]{1,48}+| ?([^\w\s])\1*+| ?_++|(?P<gap>\s{2,}+|[^\S ])")
"""White space that says something (a line's end, an indent, a column), or a word, a run of one sign or of underscores, with the
blank before it: ``" Jane"`` is not ``"Jane"``, for what is glued to its neighbour is rather a user name or code.

No two of the branches match at one place; words are tried first, since most tokens are some."""

WORD = re.compile(r"[^\W\d_]+")
"""Letters, and nothing else: of a name of several words each."""
_DIGIT = re.compile(r"\d")
_ZEROS = str.maketrans("123456789", "0" * 9)


def key(token: str) -> str:
    """The token as the model knows it: all line ends alike, all gaps alike, long runs cut."""
    if token.isspace():
        lines = token.count("\n")
        if lines == 0:
            return "\t"
        return "\n\n" if lines > 1 else "\n" if token.endswith("\n") else "\n\t"
    return token if token[-1].isalnum() else token[:5]


def folded(word: str) -> str:
    """Lower case without accents: how lists and most features see a word."""
    lower = word.lower()
    if lower.isascii():
        return lower
    return (
        "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
        .replace("ß", "ss")
        .replace("ł", "l")
    )


class _Kinds(dict[int, str]):
    """What ``str.translate`` puts in a character's place: its kind. Those of Latin letters are kept, there are not many."""

    def __missing__(self, code: int) -> str:
        c = chr(code)
        kind = "X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else "c" if c.isalpha() else c
        if code < _KEPT_KINDS:
            self[code] = kind
        return kind


_KEPT_KINDS = 0x250
_KINDS = _Kinds()
_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)


def _zeros(text: str) -> str:
    """Each digit a zero."""
    # A fifth of the time.
    return text.translate(_ZEROS) if text.isascii() else _DIGIT.sub("0", text)


def _case(word: str) -> str:
    if word.isdigit():
        return "d"
    if not word.isalpha():
        return "m" if word[0].isalnum() else "p"
    if word.islower():
        return "l"
    if word.isupper():
        return "u" if len(word) > 1 else "i"
    return "t" if word[1:].islower() else "c"


def canonical(token: str) -> str:
    """A token of which the model sees the same, and alike for many: of a number it sees little more than the first two digits."""
    word = token[1:] if token[0] == " " and len(token) > 1 else token
    if len(word) < 3 or word.isalpha():
        return token
    head = len(token) - len(word) + 2
    return token[:head] + _zeros(token[head:])


def features(token: str, listed: Callable[[str], int]) -> list[int]:
    """The rows of the table whose sum stands for ``token`` (a ``key``); ``listed`` gives a folded word's lists as bits."""
    word = token[1:] if token[0] == " " and len(token) > 1 else token
    glued = "" if word is not token else "~"
    lower = word.lower()
    fold = folded(word) or lower
    letters = word.isalpha()
    if not letters and len(word) > 2:
        lower, fold = _zeros(lower), _zeros(fold)
    case = _case(word)
    # Characters are cut off before they become bytes; of plain letters each is one.
    seen = fold.encode("utf-8", "surrogatepass")
    if len(seen) == len(fold):
        two, three, four = seen[-2:], seen[-3:], seen[-4:]
        begin_three, begin_four = seen[:3], seen[:4]
    else:
        two, three, four, begin_three, begin_four = (
            part.encode("utf-8", "surrogatepass") for part in (fold[-2:], fold[-3:], fold[-4:], fold[:3], fold[:4])
        )
    return [
        crc32(lower.encode("utf-8", "surrogatepass"), _W) % _ROWS + 1,
        crc32(seen, _F) % _ROWS + 1,
        *_shape_rows(word[:24].translate(_KINDS), glued),
        *_case_rows(case, glued, min(len(word), 12)),
        crc32(word[:2].encode("utf-8", "surrogatepass"), _FIRST_TWO) % _ROWS + 1,
        crc32(begin_three, _FIRST_THREE) % _ROWS + 1,
        crc32(begin_four, _FIRST_FOUR) % _ROWS + 1,
        crc32(two, _LAST_TWO) % _ROWS + 1,
        crc32(three, _LAST_THREE) % _ROWS + 1,
        crc32(four, _LAST_FOUR) % _ROWS + 1,
        _last_row(fold[-1:], case, len(word) > 3),
        *_list_rows(listed(fold) if letters else 0, case),
    ]


# A name of a feature begins with a sign for its kind, whose checksum goes before that of the rest.
_W, _F, _S, _GLUED_S, _FIRST_TWO, _FIRST_THREE, _FIRST_FOUR, _LAST_TWO, _LAST_THREE, _LAST_FOUR, _LAST = (
    crc32(sign) for sign in (b"w", b"f", b"s", b"S", b"1", b"2", b"3", b"4", b"5", b"6", b"7")
)
_ROWS = BUCKETS - 1


def _row(kind: int, name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass"), kind) % _ROWS + 1


@lru_cache(maxsize=1024)
def _last_row(last: str, case: str, long: bool) -> int:
    return _row(_LAST, f"{last}{case}{long}")


@lru_cache(maxsize=4096)
def _shape_rows(kinds: str, glued: str) -> tuple[int, int]:
    shape = _RUN.sub(r"\1\1\1", kinds)
    return _row(_S, shape), _row(_GLUED_S, f"{shape}{glued}")


@lru_cache(maxsize=1024)
def _case_rows(case: str, glued: str, length: int) -> tuple[int, int]:
    return _row(0, f"c{case}{glued}"), _row(0, f"l{case}{length}")


@lru_cache(maxsize=1024)
def _list_rows(bits: int, case: str) -> tuple[int, ...]:
    """As many as ``LISTED`` has places for."""
    names = [f"g{bits}", f"G{bits}{case}", *(f"b{flag}" for flag in _FLAGS if bits & flag)][: FEATURES - LISTED.start]
    return tuple(_row(0, name) for name in names) + (0,) * (FEATURES - LISTED.start - len(names))


@lru_cache(maxsize=1)
def unlisted_rows() -> list[int]:
    """What ``LISTED`` holds for a word on no list, without its case: what training puts there when it hides the lists."""
    return [_row(0, "g0")] + [0] * (FEATURES - LISTED.start - 1)


__all__ = [
    "BUCKETS",
    "COMMON",
    "COUNTRY",
    "FEATURES",
    "GIVEN",
    "IDENTITY",
    "LISTED",
    "LONGEST_PARTS",
    "PLACE",
    "SURNAME",
    "TOKEN",
    "WORD",
    "canonical",
    "features",
    "folded",
    "key",
    "unlisted_rows",
]
