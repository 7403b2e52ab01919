"""Reversible placeholders: what stands for personal data in everything that leaves the house or is written down.

Names look like ``<EMAIL_1>``. Within a task the same value has the same placeholder; another spelling of it (``Ann@x.org``
beside ``ann@x.org``) has the same number and a variant, ``<EMAIL_1_2>``, so that a reader sees that they belong together and
restoring is still exact.

Restoring is exact because of two facts. Every text that *looks* like a placeholder is itself replaced by one (entity LITERAL),
so that nobody can forge one. And a look-alike begins with ``<``, ends with ``>`` and has neither within, so no look-alike can
arise across the seam between a placeholder and the text beside it.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Annotated, cast

from pydantic import AfterValidator, ConfigDict, Field

from agentos.contracts.base import Contract, Json
from agentos.contracts.errors import NeverRetry

ENTITIES = (
    "EMAIL", "PHONE", "CARD", "IBAN", "IP", "MAC", "SSN", "ID", "ACCOUNT", "CRYPTO", "SECRET",
    "PERSON", "ORG", "LOCATION", "ADDRESS", "POSTCODE", "AGE", "TITLE", "DOB", "USERNAME",
    "NUMBER", "LITERAL",
)  # fmt: skip
"""Every first part of a placeholder's name. NUMBER stands for a JSON number, LITERAL for text that looks like a placeholder."""

MAX_DEPTH = 64
"""How deep JSON may be nested. Deeper is refused: it is no tool argument, it is an attack on the stack."""

_NAME = rf"(?:{'|'.join(ENTITIES)})_[0-9]{{1,9}}(?:_[0-9]{{1,9}})?"
LOOKALIKE = re.compile(rf"<[ \t]{{0,8}}({_NAME})[ \t]{{0,8}}>", re.IGNORECASE | re.ASCII)
"""What ``restore`` takes for a placeholder, and what redaction must therefore replace in its input: case and inner blanks are tolerated."""

_CANONICAL = re.compile(_NAME)


class TooDeep(NeverRetry):
    """JSON that is nested deeper than ``MAX_DEPTH``: flatten it."""

    code = "json_too_deep"


def _checked(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if _CANONICAL.fullmatch(name) is None:
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
        for name, value in values.items():
            entity, number, _, variant = _parts(name)
            names[entity, value] = name
            numbers[entity, _normalised(entity, value)] = number
            variants[entity, number] = max(variant, variants.get((entity, number), 1))
            highest[entity] = max(number, highest.get(entity, 0))
        placeholders: list[str] = []
        for entity, value in found:
            if entity not in ENTITIES:
                raise ValueError(f"{entity} is not an entity of placeholders")
            name = names.get((entity, value))
            if name is None:
                group = (entity, _normalised(entity, value))
                number = numbers.get(group)
                if number is None:
                    number = numbers[group] = highest[entity] = highest.get(entity, 0) + 1
                    variants[entity, number] = 1
                    name = f"{entity}_{number}"
                else:
                    variants[entity, number] += 1
                    name = f"{entity}_{number}_{variants[entity, number]}"
                names[entity, value] = name
                values[name] = value
            placeholders.append(f"<{name}>")
        return PlaceholderVault(values=values), tuple(placeholders)

    def known(self) -> list[tuple[str, str]]:
        """Pairs of entity and value that must not appear in a redacted text again: all but look-alikes and numbers."""
        return [
            (name.partition("_")[0], value)
            for name, value in self.values.items()
            if not name.startswith(("LITERAL_", "NUMBER_"))
        ]


def restore(text: str, vault: PlaceholderVault) -> str:
    """``text`` with the values in place of their placeholders. Placeholders that the vault does not know stay as they are.

    For every text x: ``restore(redact(x)) == x``. Idempotence is not promised: a restored value may look like a placeholder.
    """
    return LOOKALIKE.sub(lambda match: vault.values.get(match[1].upper(), match[0]), text)


def restore_json(value: Json, vault: PlaceholderVault) -> Json:
    """The same for each string of a JSON value, keys included; a string that is only a NUMBER placeholder becomes the number.

    Raises ``TooDeep``.
    """

    def string(text: str) -> Json:
        match = LOOKALIKE.fullmatch(text)
        if match is not None and match[1].upper().startswith("NUMBER_"):
            number = vault.values.get(match[1].upper())
            if number is not None:
                return json.loads(number)
        return restore(text, vault)

    return map_json(value, string, lambda key: restore(key, vault))


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


def _normalised(entity: str, value: str) -> str:
    match entity:
        case "EMAIL" | "IP":
            return value.casefold()
        case "PHONE" | "CARD" | "SSN":
            return re.sub(r"\D", "", value)
        case "IBAN":
            return re.sub(r"[\s-]", "", value).upper()
        case _:
            return value


__all__ = ["ENTITIES", "LOOKALIKE", "MAX_DEPTH", "PlaceholderVault", "TooDeep", "map_json", "restore", "restore_json"]
