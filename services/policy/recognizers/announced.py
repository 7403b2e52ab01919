"""Values that a word announces: ``SSN: 123-45-6789``, ``Geburtsdatum 1.7.1949``, ``{"nhsNumber": "943 476 5919"}``.

What is announced counts though its checksum fail: people mistype, and test data is made up. So the value's shape has to be its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

NEAR = r"[^\d\n]{0,40}?(?:[ \t:|]{0,4}\n[ \t|>]{0,8})?"
"""Between a word and its value: something without digits on the same line, or the next line's beginning."""

FAR = r"[^\d\n]{0,60}?(?:\n[^\d\n]{0,24}?)?"
"""The same, and an answer on the line after the question. For values of a shape that nothing else has."""

CLOSE = r"[\"'\])>]{0,3}[ \t]{0,8}(?:[:=#|>]|-|\.{2,60}|is|ist|est|es|è)?[ \t]{0,24}[\"'(<>|]{0,3}"
"""Nothing but what stands between a label and its value in a form, a configuration, JSON, XML or a table."""

_LABEL = 40
"""No word that announces begins further before its trigger."""

_BEGINS = r"(?:(?<![^\W\d_])|(?<=[a-z])(?=[A-Z]))"
"""A word begins after anything but a letter, or with the capital of camelCase."""

_ASCII = [chr(code) for code in range(0x80)]
_LOOK_BEHIND = re.compile(r"\(\?<[=!][^()]*\)")


_BLANK_OR_CLASS = re.compile(r"\[(?:\\.|[^\]])*\]| ")


@dataclass(frozen=True)
class Announcement:
    """``triggers``: texts in lower case of which every announcement has one. The pattern has the group ``value``.

    ``beginning`` finds where the pattern may match: it costs less than trying the pattern there.
    """

    entity: str
    stem: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    beginning: re.Pattern[str]
    score: float = 0.9


def announcement(
    entity: str, stem: str, triggers: str, label: str, value: str, *, gap: str = NEAR, score: float = 0.9
) -> Announcement:
    """``triggers`` are separated by ``|``; ``label`` is read in any case, ``value`` as it is written."""
    label = _with_underscores(label)
    pattern = re.compile(rf"{_BEGINS}(?i:{label}){gap}(?<![A-Za-z0-9])(?P<value>{value})(?![A-Za-z0-9])")
    cheap = {written for trigger in triggers.split("|") for written in (trigger, trigger[:-1].replace(" ", "_") + trigger[-1])}
    return Announcement(entity, stem, tuple(sorted(cheap)), pattern, _beginning(label), score)


def _beginning(label: str) -> re.Pattern[str]:
    """Finds the first letters of ``label``, at the beginning of a word; and whatever is not ASCII there."""
    begins = regex.compile(f"(?i:{_LOOK_BEHIND.sub('', label)})")
    if begins.fullmatch("") is not None:
        raise ValueError(f"a label is not empty: {label}")
    # As what it is not: all that is beyond ASCII, named as a range, takes fifty times as long to compile.
    others = "".join(
        re.escape(sign) for sign in _ASCII if not "!" <= sign <= "~" or begins.fullmatch(sign, partial=True) is None
    )
    return re.compile(rf"[^{others}](?:(?<![^\W\d_].)|(?<=[a-z][A-Z]))", re.DOTALL)


def _with_underscores(label: str) -> str:
    """``tax id`` also as a key: ``tax_id``."""
    return _BLANK_OR_CLASS.sub(lambda match: "[ _]" if match[0] == " " else match[0].replace("[ ", "[ _", 1), label)


class Announcements:
    """Rules, of which only those are tried that have a trigger in the text."""

    def __init__(self, *rules: Announcement) -> None:
        self._triggers = [(trigger, rule) for rule in rules for trigger in rule.triggers]
        self._words = Words(trigger for trigger, _ in self._triggers)

    def triggered(self, lowered: Lowered) -> list[tuple[str, Announcement]]:
        """Each trigger that is in the text, with its rule."""
        return [self._triggers[at] for at in self._words.within(lowered)]


def announced(text: str, lowered: Lowered, rules: Announcements) -> Iterator[Finding]:
    """What the rules say is announced in ``text``. Tries a rule only where a word begins that holds one of its triggers."""
    for trigger, rule in rules.triggered(lowered):
        tried = -1
        position = lowered.find(trigger)
        while position >= 0:
            for beginning in rule.beginning.finditer(text, max(tried + 1, position - _LABEL), position + 1):
                tried = beginning.start()
                match = rule.pattern.match(text, tried)
                if match is not None:
                    yield Finding(*match.span("value"), rule.entity, rule.stem, rule.score)
            position = lowered.find(trigger, position + len(trigger))


__all__ = ["CLOSE", "FAR", "NEAR", "Announcement", "Announcements", "announced", "announcement"]
