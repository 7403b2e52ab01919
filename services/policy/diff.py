"""What differs between two JSON documents, shown by their redacted twins: nothing that changed is left out, and nothing in clear is shown."""

from typing import Any, cast

from agentos.contracts.base import Json
from agentos.contracts.events.approval import Change

MOST_CHANGES = 1_000
"""More than a person reads: beyond it the whole is shown as one change."""


def changes(old: Json, new: Json, shown_old: Json, shown_new: Json) -> tuple[Change, ...]:
    """The changes from ``old`` to ``new`` in document order, with the values and names of the redacted documents.

    A redacted document has the shape of its original. Where it has not (two names became one), the change is shown at the place above.
    """
    found = list(_walk(old, new, shown_old, shown_new, ""))
    if len(found) > MOST_CHANGES:
        return (Change(op="replace", path="", old=shown_old, new=shown_new),)
    return tuple(found)


def _walk(old: Json, new: Json, shown_old: Json, shown_new: Json, path: str) -> list[Change]:
    if _same(old, new):
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = _twin(cast("dict[str, Any]", old), shown_old), _twin(cast("dict[str, Any]", new), shown_new)
        if before is not None and after is not None:
            return _objects(before, after, path)
    if isinstance(old, list) and isinstance(new, list):
        before, after = cast("list[Any]", old), cast("list[Any]", new)
        shown_before, shown_after = _items(before, shown_old), _items(after, shown_new)
        if shown_before is not None and shown_after is not None:
            return _lists(before, after, shown_before, shown_after, path)
    return [Change(op="replace", path=path, old=shown_old, new=shown_new)]


def _objects(before: dict[str, tuple[str, Any, Any]], after: dict[str, tuple[str, Any, Any]], path: str) -> list[Change]:
    found: list[Change] = []
    for name, (shown_name, value, shown) in before.items():
        if name in after:
            new_name, new_value, new_shown = after[name]
            found += _walk(value, new_value, shown, new_shown, f"{path}/{_token(new_name)}")
        else:
            found.append(Change(op="remove", path=f"{path}/{_token(shown_name)}", old=shown))
    for name, (shown_name, _, shown) in after.items():
        if name not in before:
            found.append(Change(op="add", path=f"{path}/{_token(shown_name)}", new=shown))
    return found


def _lists(old: list[Any], new: list[Any], shown_old: list[Any], shown_new: list[Any], path: str) -> list[Change]:
    found: list[Change] = []
    for place in range(max(len(old), len(new))):
        at = f"{path}/{place}"
        if place >= len(new):
            found.append(Change(op="remove", path=at, old=shown_old[place]))
        elif place >= len(old):
            found.append(Change(op="add", path=at, new=shown_new[place]))
        else:
            found += _walk(old[place], new[place], shown_old[place], shown_new[place], at)
    return found


def _twin(value: dict[str, Any], shown: Json) -> dict[str, tuple[str, Any, Any]] | None:
    """Name → redacted name, value, redacted value; None when the redacted object has another shape."""
    if not isinstance(shown, dict) or len(shown) != len(value):  # pyright: ignore[reportUnknownArgumentType] - JSON
        return None
    twins = cast("dict[str, Any]", shown)
    # A name that was redacted itself stands at its place among those that were.
    renamed = iter([name for name in twins if name not in value])
    names = {name: name if name in twins else next(renamed, name) for name in value}
    if any(name not in twins for name in names.values()):
        return None
    return {name: (shown_name, value[name], twins[shown_name]) for name, shown_name in names.items()}


def _items(value: list[Any], shown: Json) -> list[Any] | None:
    if not isinstance(shown, list | tuple) or len(shown) != len(value):  # pyright: ignore[reportUnknownArgumentType] - JSON
        return None
    return list(cast("list[Any]", shown))


def _same(old: Json, new: Json) -> bool:
    """Equal as JSON: 1 is not true, and 1 is not 1.0 to a tool that was asked for one of them."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        a, b = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(old, list):
        left, right = cast("list[Any]", old), cast("list[Any]", new)
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(old == new)


def _token(name: str) -> str:
    """A reference token of a JSON pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")
