"""The writings of a placeholder that are understood: what models make of ``<EMAIL_1>`` on its way through them.

===================  ==============================================================================================
angle brackets       ``<EMAIL_1>``, ``&lt;…&gt;``, ``\\u003c…\\u003e``, ``\\<…\\>``, full-width and mathematical ones
square and curly     ``[EMAIL_1]``, ``{EMAIL_1}``, doubled too; not an index (``x[…]``), a variable (``${…}``) or a link (``[…](``)
within brackets      any case, blanks around, ``_``, ``-``, a blank or nothing between the parts, the ``_`` escaped for Markdown
no brackets          ``EMAIL_1`` and ``EMAIL\\_1`` in capitals, as a word of its own; quotes, asterisks and round brackets around it stay
===================  ==============================================================================================

Two facts about this grammar carry the whole of restoring. No writing holds a ``<`` but as its beginning (after a backslash only when a
backslash also closes it), so nothing that stands before a placeholder as we write it can swallow its beginning; and we write it with
``<`` first and ``>`` last, so it is always read whole. And every writing is bounded (``LONGEST``), so that a stream never has to wait for more.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

ENTITIES = (
    "EMAIL", "PHONE", "CARD", "IBAN", "IP", "MAC", "SSN", "ID", "ACCOUNT", "CRYPTO", "SECRET",
    "PERSON", "ORG", "LOCATION", "ADDRESS", "POSTCODE", "AGE", "TITLE", "DOB", "USERNAME",
    "NUMBER", "LITERAL",
)  # fmt: skip
"""Every first part of a placeholder's name. NUMBER stands for a JSON number, LITERAL for text that looks like a placeholder."""

NAME = re.compile(rf"(?:{'|'.join(ENTITIES)})_[1-9][0-9]{{0,8}}(?:_[1-9][0-9]{{0,8}})?", re.ASCII)
"""A name as we write it, without brackets."""


@dataclass(frozen=True)
class _Atom:
    """A part of the grammar: what matches it whole, what matches any beginning of it short of the whole, and its greatest length."""

    whole: str
    begun: str
    longest: int


def _text(literal: str, *, any_case: bool = True) -> _Atom:
    characters = [_cased(character) if any_case else re.escape(character) for character in literal]
    begun = ""
    for character in reversed(characters[:-1]):
        begun = f"(?:{character}{begun})?"
    return _Atom("".join(characters), begun, len(literal))


def _cased(character: str) -> str:
    return f"[{character.upper()}{character.lower()}]" if character.isascii() and character.isalpha() else re.escape(character)


def _some(characters: str, least: int, most: int) -> _Atom:
    return _Atom(f"[{characters}]{{{least},{most}}}", f"[{characters}]{{0,{most}}}", most)


def _one_of(*choices: _Atom) -> _Atom:
    whole, begun = ("|".join(getattr(choice, side) for choice in choices) for side in ("whole", "begun"))
    return _Atom(f"(?:{whole})", f"(?:{begun})", max(choice.longest for choice in choices))


def _sequence(*parts: _Atom) -> _Atom:
    begun = parts[-1].begun
    for part in reversed(parts[:-1]):
        begun = f"(?:{part.whole}{begun}|{part.begun})"
    return _Atom("".join(part.whole for part in parts), begun, sum(part.longest for part in parts))


def _perhaps(part: _Atom) -> _Atom:
    return _Atom(f"(?:{part.whole})?", f"(?:{part.whole}|{part.begun})", part.longest)


def _caught(part: _Atom) -> _Atom:
    """In a match exactly the stem, the number and perhaps the variant are caught, whichever form it has."""
    return _Atom(f"({part.whole})", part.begun, part.longest)


_BLANK = r" \t\u00a0"
_BLANKS = _some(_BLANK, 0, 8)
_FEW = _some(_BLANK, 0, 2)
_LINE = r"_\-\u2010-\u2014"
_SEPARATOR = _one_of(_sequence(_FEW, _some(r"\\", 0, 2), _some(_LINE, 1, 1), _FEW), _some(_BLANK, 1, 2))
_UNDERSCORE = _one_of(_text("_"), _text(r"\_"), _text(r"\\_"))
_DIGITS = _some("0-9", 1, 9)


def _name(stem: _Atom, before_number: _Atom, before_variant: _Atom) -> _Atom:
    variant = _perhaps(_sequence(before_variant, _caught(_DIGITS)))
    return _sequence(_caught(stem), before_number, _caught(_DIGITS), variant)


_LOOSE = _name(_one_of(*map(_text, ENTITIES)), _perhaps(_SEPARATOR), _SEPARATOR)
_STRICT = _name(_one_of(*(_text(entity, any_case=False) for entity in ENTITIES)), _UNDERSCORE, _UNDERSCORE)


def _within(openers: str, closers: str) -> _Atom:
    """Any of the blank-separated ``openers``, a name, any of the ``closers``."""
    opened, closed = (_one_of(*map(_text, brackets.split())) for brackets in (openers, closers))
    return _sequence(opened, _BLANKS, _LOOSE, _BLANKS, closed)


_ANGLE = _within(
    r"< &lt; &#60; \\u003c \u003c " + "\uff1c \u2039 \u27e8 \u3008",
    r"> &gt; &#62; \\u003e \u003e \> " + "\uff1e \u203a \u27e9 \u3009",
)
_ESCAPED = _within(r"\\< \<", r"\\> \>")
_SQUARE = _one_of(_within("[[", "]]"), _within("[", "]"))
_CURLY = _one_of(_within("{{", "}}"), _within("{", "}"))

# Not after a bracket too: of a row of writings each would only be one when that before it is replaced.
_NOT_AN_INDEX = r"(?<![\w$])"
_A_WORD = r"(?<![\w$])(?<!\$\{)"

LONGEST = max(form.longest for form in (_ANGLE, _ESCAPED, _SQUARE, _CURLY, _STRICT))
"""Most characters that one writing has."""

CONTEXT = 2
"""How many characters before a writing decide whether it is one."""

_BEGINS = "[<&\\\\\uff1c\u2039\u27e8\u3008\\[{A-Z]"
_FIRST = f"(?={_BEGINS})"
_BEGIN = re.compile(_BEGINS)
"""What every writing begins with. ``re`` passes over all else ten times as fast as it would try the whole grammar there."""
_WRITING = re.compile(
    rf"{_FIRST}(?:{_ANGLE.whole}|{_ESCAPED.whole}|{_NOT_AN_INDEX}(?:{_SQUARE.whole}(?!\()|{_CURLY.whole})"
    rf"|{_A_WORD}{_STRICT.whole}(?!\w))",
    re.ASCII,
)
# What more text may still make a writing, or make none: it reaches to the end. No look-ahead, for what it would look at is not there.
_UNDECIDED = re.compile(
    rf"{_FIRST}(?:{_ANGLE.begun}|{_ESCAPED.begun}|{_NOT_AN_INDEX}(?:{_SQUARE.whole}|{_SQUARE.begun}|{_CURLY.begun})"
    rf"|{_A_WORD}(?:{_STRICT.whole}|{_STRICT.begun}))\Z",
    re.ASCII,
)
_STRETCH = 64 * 1024
"""Characters that are searched in one go: a search keeps the interpreter, and so the event loop of another thread, to itself."""
_HAS_ONE = re.compile(r"[A-Za-z](?:[\\ \t\u00a0]{0,4}[_\- \t\u00a0\u2010-\u2014][ \t\u00a0]{0,2})?[0-9]")


@dataclass(frozen=True, slots=True)
class Writing:
    """One writing in a text, and the name of the placeholder that it means, without brackets."""

    start: int
    end: int
    name: str


def writings(text: str, start: int = 0, besides: Mapping[int, int] = MappingProxyType({})) -> Iterator[Writing]:
    """Every writing of a placeholder's name in ``text`` from ``start``, in order, whether or not there is such a placeholder.

    ``besides``: where placeholders begin that are known to stand there, and where each ends; these are left out.
    """
    for first in range(start, len(text), _STRETCH):
        last = first + _STRETCH
        if _HAS_ONE.search(text, first, last + LONGEST) is None:
            continue
        # One character beyond the longest writing is looked at by what must not follow one.
        for begin in _BEGIN.finditer(text, max(first, start), last):
            if begin.start() < start:
                continue
            known = besides.get(begin.start())
            if known is not None:
                start = known
                continue
            match = _WRITING.match(text, begin.start(), last + LONGEST + 1)
            if match is None:
                continue
            stem, *numbers = (part for part in match.groups() if part is not None)
            start = match.end()
            yield Writing(*match.span(), "_".join((stem.upper(), *numbers)))


def undecided(text: str, start: int = 0) -> int:
    """Where the last part of ``text`` begins of which more text decides whether it is a writing; its length when there is none.

    What begins before ``start`` is not looked at.
    """
    match = _UNDECIDED.search(text, max(start, len(text) - LONGEST))
    return len(text) if match is None else match.start()


__all__ = ["CONTEXT", "ENTITIES", "LONGEST", "NAME", "Writing", "undecided", "writings"]
