"""The arguments of a function call that Gemini streams one by one, each under its JSONPath, as it does where a proxy asks it to. Pure.

``{"name": "f", "willContinue": true}``, then ``{"partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x", "willContinue": true}],
"willContinue": true}`` and more of the kind, then ``{}`` (https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Content).
"""

import json
import re
from itertools import pairwise
from typing import Any, cast

from adapters.reading import fields, text

__all__ = ["PartialArguments"]

_PATH = re.compile(r"\$(?:\.[^.\[\]]+|\[\d{1,4}\]|\['[^']*'\]|\[\"[^\"]*\"\]){1,64}")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,4})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
_VALUES = ("numberValue", "boolValue")


class PartialArguments:
    """One call's arguments so far."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def add(self, piece: Any) -> bool:
        """Takes one of ``partialArgs``; False where it says nothing that can be taken. A text goes on where it is there already."""
        given = fields(piece)
        path = text(given.get("jsonPath"))
        if not _PATH.fullmatch(path):
            return False
        steps = [int(found[2]) if found[2] else found[1] or found[3] or found[4] or "" for found in _STEP.finditer(path)]
        holder: Any = self._root
        for step, following in pairwise(steps):
            below: Any = [] if isinstance(following, int) else {}
            known = _at(holder, step)
            if known is None:
                if not _put(holder, step, below):
                    return False
                known = below
            holder = known
        if isinstance(said := given.get("stringValue"), str):
            return _put(holder, steps[-1], text(_at(holder, steps[-1])) + said)
        return _put(holder, steps[-1], next((given[name] for name in _VALUES if name in given), None))

    def json_text(self) -> str:
        """All of them, as one object."""
        return json.dumps(self._root, ensure_ascii=False)


def _at(holder: Any, step: str | int) -> Any:
    if isinstance(step, int):
        items = cast("list[Any]", holder) if isinstance(holder, list) else []
        return items[step] if step < len(items) else None
    return fields(holder).get(step)


def _put(holder: Any, step: str | int, value: Any) -> bool:
    if isinstance(step, int) and isinstance(holder, list):
        items = cast("list[Any]", holder)
        items.extend([None] * (step + 1 - len(items)))
        items[step] = value
        return True
    if isinstance(step, str) and isinstance(holder, dict):
        holder[step] = value
        return True
    return False
