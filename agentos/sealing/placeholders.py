"""Reversible placeholders: what stands for personal data in everything that leaves the house or is written down.

Names look like ``<EMAIL_1>``. Within a task the same value has the same placeholder; another spelling of it (``Ann@x.org``
beside ``ann@x.org``) has the same number and a variant, ``<EMAIL_1_2>``, so that a reader sees that they belong together and
restoring is still exact.

Restoring understands every writing of a placeholder that ``writings`` lists, and yet nobody can forge one: what an input holds of such
writings is either replaced by a placeholder of its own (entity LITERAL), or its name is reserved and never given to a value.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Annotated, cast

from pydantic import AfterValidator, ConfigDict, Field

from agentos.contracts.base import Contract, Json
from agentos.contracts.errors import NeverRetry
from agentos.sealing.json_text import is_json_text, map_json_text
from agentos.sealing.writings import ENTITIES, LONGEST, NAME, writings

MAX_DEPTH = 64
"""How deep JSON may be nested. Deeper is refused: it is no tool argument, it is an attack on the stack."""

MAX_RESERVED = 1_000
"""How many names a task's inputs can reserve. Look-alikes beyond are replaced: an input must not make the vault grow without end."""

MOST_NESTED = 4
"""How many levels of JSON within a string of JSON are read as JSON. A string of a deeper level is plain text."""

LOOKALIKE = re.compile(rf"<[ \t]{{0,8}}({NAME.pattern})[ \t]{{0,8}}>", re.IGNORECASE | re.ASCII)
"""A placeholder as we write it, but for case and inner blanks."""


class TooDeep(NeverRetry):
    """JSON that is nested deeper than ``MAX_DEPTH``: flatten it."""

    code = "json_too_deep"


def _checked(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if NAME.fullmatch(name) is None:
            raise ValueError("a name in the vault is not that of a placeholder")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a value in the vault holds a lone surrogate") from None
    return values


class PlaceholderVault(Contract):
    """Which placeholder stands for which value, within one task. Holds personal data: seal it, and never log it.

    ``values`` maps a name without brackets to the exact value. Treat it as frozen: ``add`` returns a new vault.
    """

    # A validation error must not quote what it is about.
    model_config = ConfigDict(hide_input_in_errors=True)

    values: Annotated[dict[str, str], AfterValidator(_checked)] = Field(default_factory=dict[str, str], repr=False)
    reserved: tuple[str, ...] = ()
    """Names that stand in an input of the task as they are. They are never given to a value, so they never mean one."""
    kinds: dict[str, str] = Field(default_factory=dict[str, str])
    """Of names whose first part does not say it all: what exactly it is (``ID_1`` → ``UK_NHS``)."""

    def reserve(self, names: Iterable[str]) -> "PlaceholderVault":
        """The vault that never gives these names away, as far as they are free and ``MAX_RESERVED`` allows."""
        reserved = dict.fromkeys(self.reserved)
        for name in names:
            if len(reserved) >= MAX_RESERVED:
                break
            if name not in self.values and NAME.fullmatch(name) is not None:
                reserved[name] = None
        if len(reserved) == len(self.reserved):
            return self
        return self.model_copy(update={"reserved": tuple(reserved)})

    def add(self, entity: str, value: str) -> "tuple[PlaceholderVault, str]":
        """The vault that also knows ``value``, and its placeholder with brackets. Idempotent for an entity and value."""
        vault, (placeholder,) = self.add_all([(entity, value)])
        return vault, placeholder

    def add_all(self, found: Iterable[tuple[str, str]]) -> "tuple[PlaceholderVault, tuple[str, ...]]":
        """``add`` for many pairs of entity and value, in one pass. Raises ``ValueError`` for an entity that is not in ``ENTITIES``."""
        values = dict(self.values)
        names: dict[tuple[str, str], str] = {}
        numbers: dict[tuple[str, str], int] = {}
        variants: dict[tuple[str, int], int] = {}
        highest: dict[str, int] = {}
        taken = frozenset(self.reserved)
        for name, value in values.items():
            entity, number, _, variant = _parts(name)
            names[entity, value] = name
            numbers[entity, normalised(entity, value)] = number
            variants[entity, number] = max(variant, variants.get((entity, number), 1))
            highest[entity] = max(number, highest.get(entity, 0))
        placeholders: list[str] = []
        for entity, value in found:
            if entity not in ENTITIES:
                raise ValueError(f"{entity} is not an entity of placeholders")
            name = names.get((entity, value))
            if name is None:
                group = (entity, normalised(entity, value))
                number = numbers.get(group)
                if number is None:
                    number = highest.get(entity, 0) + 1
                    while f"{entity}_{number}" in taken:
                        number += 1
                    numbers[group] = highest[entity] = number
                    variants[entity, number] = 1
                    name = f"{entity}_{number}"
                else:
                    variant = variants[entity, number] + 1
                    while f"{entity}_{number}_{variant}" in taken:
                        variant += 1
                    variants[entity, number] = variant
                    name = f"{entity}_{number}_{variant}"
                names[entity, value] = name
                values[name] = value
            placeholders.append(f"<{name}>")
        if len(values) == len(self.values):
            return self, tuple(placeholders)
        return PlaceholderVault(values=values, reserved=self.reserved, kinds=self.kinds), tuple(placeholders)

    def known(self) -> list[tuple[str, str, str]]:
        """First part of the name, value and exact kind of all that was found in the task: all but look-alikes and numbers."""
        return [
            (stem, value, self.kinds.get(name, stem))
            for name, value in self.values.items()
            if (stem := name.partition("_")[0]) not in {"LITERAL", "NUMBER"}
        ]

    def of_kind(self, kinds: dict[str, str]) -> "PlaceholderVault":
        """The vault that also knows the exact kinds of these names."""
        return self.model_copy(update={"kinds": {**self.kinds, **kinds}}) if kinds else self


def restore(text: str, vault: PlaceholderVault) -> str:
    """``text`` with the values in place of their placeholders. Placeholders that the vault does not know stay as they are.

    For every text x: ``restore(redact_text(x)) == x``. Idempotence is not promised: a restored value may look like a placeholder.
    """
    if not vault.values:
        return text
    parts: list[str] = []
    position = 0
    for writing in writings(text):
        value = vault.values.get(writing.name)
        if value is not None:
            parts += (text[position : writing.start], value)
            position = writing.end
    parts.append(text[position:])
    return "".join(parts)


def restore_json(value: Json, vault: PlaceholderVault) -> Json:
    """The same for each string of a JSON value, keys included; a string that is only a NUMBER placeholder becomes the number.

    A string that is itself JSON stays so: see ``restore_json_text``. Raises ``TooDeep``.
    """
    return map_json(value, lambda text: _restore_value(text, vault, 0), lambda key: restore(key, vault))


def restore_json_text(text: str, vault: PlaceholderVault) -> str:
    """The same for a text that is JSON (an answer that has to be, a string within JSON): it is JSON afterwards, whatever the values hold.

    Only strings that hold a placeholder are written anew. A text that is no JSON object or array is restored as any text.
    """
    return _restore_json_text(text, vault, 0)


def _restore_json_text(text: str, vault: PlaceholderVault, depth: int) -> str:
    if depth >= MOST_NESTED or not is_json_text(text):
        return restore(text, vault)
    return map_json_text(text, lambda string, _: _restore_value(string, vault, depth + 1), lambda key: restore(key, vault))


def _restore_value(text: str, vault: PlaceholderVault, depth: int) -> Json:
    if not vault.values:
        return text
    whole = next(writings(text), None) if len(text) <= LONGEST else None
    if whole is not None and whole.name.startswith("NUMBER_") and (whole.start, whole.end) == (0, len(text)):
        number = vault.values.get(whole.name)
        if number is not None:
            return json.loads(number)
    return _restore_json_text(text, vault, depth)


def map_json(
    value: Json,
    string: Callable[[str], Json],
    key: Callable[[str], str],
    number: Callable[[int | float], Json] = lambda number: number,
    *,
    depth: int = 0,
) -> Json:
    """``value`` with each string, object key and number replaced by what the functions make of it. Raises ``TooDeep``."""
    if depth > MAX_DEPTH:
        raise TooDeep(f"JSON is nested deeper than {MAX_DEPTH} levels.")
    match value:
        case str():
            return string(value)
        case bool() | None:
            return value
        case int() | float():
            return number(value)
        case dict():
            items = cast("dict[str, Json]", value).items()
            return {key(name): map_json(item, string, key, number, depth=depth + 1) for name, item in items}
        case list() | tuple():
            return [map_json(item, string, key, number, depth=depth + 1) for item in cast("list[Json]", value)]
        case _:
            raise TypeError(f"{type(value).__name__} is not JSON")


def _parts(name: str) -> tuple[str, int, str, int]:
    entity, _, rest = name.partition("_")
    number, underscore, variant = rest.partition("_")
    return entity, int(number), underscore, int(variant or 1)


def normalised(entity: str, value: str) -> str:
    """What all spellings of one value have in common. ``entity`` is one of ``ENTITIES``."""
    match entity:
        case "EMAIL" | "IP":
            return value.casefold()
        case "PHONE" | "CARD" | "SSN":
            return re.sub(r"\D", "", value)
        case "IBAN":
            return re.sub(r"[\s-]", "", value).upper()
        case _:
            return value


__all__ = [
    "ENTITIES", "LOOKALIKE", "MAX_DEPTH", "MAX_RESERVED", "MOST_NESTED", "PlaceholderVault", "TooDeep", "map_json", "normalised", "restore",
    "restore_json", "restore_json_text",
]  # fmt: skip
