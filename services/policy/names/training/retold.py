"""Whole documents that were written for training, told again with other people, places and numbers each time.

Templates are short and know where their slots are; what stands around names in a letter, a ticket or a log is found in such documents only.
``written/`` has them in the notation of ``tests/services/policy/corpus/README.md``.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from services.policy.names.training.lists import HERE
from services.policy.names.training.people import Human
from services.policy.names.training.secret_values import other_secret
from services.policy.names.training.values import Part, Scene

_HEADER = re.compile(r"^=== \S+ (?P<language>[a-z]{2})\n", re.MULTILINE)
_MARK = re.compile(r"\[\[(?P<stem>[A-Z]+)\|(?P<value>[^\]]+)\]\]")
_JOINT = "¦"
_ENTITIES = {
    "PERSON": "PERSON", "ORG": "ORGANIZATION", "LOCATION": "LOCATION", "ADDRESS": "STREET_ADDRESS", "POSTCODE": "POSTCODE", "AGE": "AGE",
    "TITLE": "TITLE", "DOB": "DATE_OF_BIRTH", "USERNAME": "USERNAME", "SECRET": "CREDENTIAL", "ID": "PERSONAL_NUMBER", "SSN": "PERSONAL_NUMBER",
    "ACCOUNT": "BANK_ACCOUNT", "IBAN": "BANK_ACCOUNT", "PHONE": "PHONE_NUMBER",
}  # fmt: skip
"""What the model learns of the marks; the others are the recognizers'."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_DIGIT = re.compile(r"\d")
_LANGUAGES = frozenset(("en", "de", "fr", "it", "es", "nl"))
_KEPT = frozenset("de da do dos das del della di du des la le van von der den zu ten ter el al bin ben y e of und".split())  # noqa: SIM905  # words, not a list of strings
"""Small words of names, which stay."""
_NUMBER = re.compile(r"(?<!\d)(?!(?:19|20)\d\d(?!\d))\d{4,}")
"""Not a year."""
_DIGEST = re.compile(r"(?<!\w)(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}(?!\w)")
OTHER_PEOPLE, OTHER_PLACES, OTHER_FIRMS, OTHER_USERS, OTHER_SECRETS, OTHER_NUMBERS = 0.75, 0.5, 0.3, 0.3, 0.7, 0.7
"""In so many tellings they are others."""
_OF_DIGITS = frozenset(("POSTCODE", "AGE", "PERSONAL_NUMBER", "BANK_ACCOUNT", "PHONE_NUMBER"))
EXCERPT = 0.5
"""So many tellings are of some lines only."""


@dataclass(frozen=True)
class Written:
    """A document as it was written."""

    language: str
    parts: tuple[Part, ...]


@cache
def written() -> tuple[Written, ...]:
    """All of ``written/``, in the order of their files."""
    return tuple(
        document for path in sorted((HERE / "written").glob("*.txt")) for document in _documents(path.read_text("utf-8"))
    )


def _documents(source: str) -> Iterator[Written]:
    heads = list(_HEADER.finditer(source))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = source[head.end() : following.start() if following else len(source)].replace(_JOINT, "").strip("\n")
        parts: list[Part] = []
        position = 0
        for mark in _MARK.finditer(body):
            parts += [(body[position : mark.start()], None), (mark["value"], _ENTITIES.get(mark["stem"]))]
            position = mark.end()
        parts.append((body[position:], None))
        language = head["language"] if head["language"] in _LANGUAGES else "en"
        yield Written(language, tuple(part for part in parts if part[0]))


def retold(rng: random.Random, held_back: bool) -> tuple[str, list[Part]]:
    """One of them and its language."""
    document = rng.choice(written())
    scene = Scene(rng, document.language, held_back)
    parts = list(document.parts)
    if rng.random() < OTHER_PEOPLE:
        parts = _with_other_people(parts, scene)
    for entity, slot, share in (
        ("LOCATION", "city", OTHER_PLACES), ("ORGANIZATION", "org", OTHER_FIRMS), ("USERNAME", "user", OTHER_USERS),
    ):  # fmt: skip
        if rng.random() < share:
            parts = _with_others(parts, scene, entity, slot)
    if rng.random() < OTHER_SECRETS:
        parts = _with_other_secrets(parts, scene)
    if rng.random() < OTHER_NUMBERS:
        parts = [(other_numbers(rng, text) if entity is None else text, entity) for text, entity in parts]
    parts = [(_other_digits(rng, text) if entity in _OF_DIGITS else text, entity) for text, entity in parts]
    return document.language, _excerpt(rng, parts) if rng.random() < EXCERPT else parts


def _with_other_people(parts: Sequence[Part], scene: Scene) -> list[Part]:
    """Each word of a name becomes another's, the same wherever it stands."""
    surnames = {
        words[-1].lower()
        for text, entity in parts
        if entity == "PERSON" and len(words := _WORD.findall(text)) > 1 and "," not in text
    }
    others: dict[str, str] = {}

    def other(match: re.Match[str]) -> str:
        word = match[0]
        if word in _KEPT:
            return word
        name = others.get(word.lower())
        if name is None:
            human: Human = scene.someone()
            name = others[word.lower()] = human.last if word.lower() in surnames else human.first
        return name.lower() if word.islower() else name.upper() if word.isupper() else name

    return [(_WORD.sub(other, text) if entity == "PERSON" else text, entity) for text, entity in parts]


def _with_others(parts: Sequence[Part], scene: Scene, entity: str, slot: str) -> list[Part]:
    others: dict[str, str] = {}
    for text, kind in parts:
        if kind == entity and text not in others:
            others[text] = text if len(text) < 4 else scene.make(slot)[0][0]
    return [(others[text] if kind == entity else text, kind) for text, kind in parts]


def _with_other_secrets(parts: Sequence[Part], scene: Scene) -> list[Part]:
    others: dict[str, str] = {}
    for text, entity in parts:
        if entity == "CREDENTIAL" and text not in others:
            others[text] = other_secret(scene.rng, text, scene.language)
    return [(others[text] if entity == "CREDENTIAL" else text, entity) for text, entity in parts]


def other_numbers(rng: random.Random, text: str) -> str:
    """Those that nobody is known by, lest it be learnt that what stays the same is no secret."""
    text = _DIGEST.sub(lambda match: "".join(rng.choices("0123456789abcdef", k=len(match[0]))), text)
    return _NUMBER.sub(lambda match: _other_digits(rng, match[0]), text)


def _other_digits(rng: random.Random, text: str) -> str:
    return _DIGIT.sub(lambda digit: digit[0] if digit[0] == "0" else str(rng.randint(1, 9)), text)


def _excerpt(rng: random.Random, parts: Sequence[Part]) -> list[Part]:
    """Some lines that follow each other; nothing marked is cut."""
    lines: list[list[Part]] = [[]]
    for text, entity in parts:
        if entity is not None:
            lines[-1].append((text, entity))
            continue
        first, *rest = text.split("\n")
        lines[-1].append((first, None))
        for line in rest:
            lines[-1].append(("\n", None))
            lines.append([(line, None)])
    count = rng.randint(1, 12)
    begin = rng.randrange(max(1, len(lines) - count + 1))
    return [part for line in lines[begin : begin + count] for part in line if part[0]]


__all__ = ["Written", "other_numbers", "retold", "written"]
