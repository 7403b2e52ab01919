"""How risky what waits for a person is, in words: from what the log knows of it, and from nothing else. Pure.

A level alone would be a colour. Each fact that raises it is said, and what is not known is said too. It is an aid to who decides: policy
has held the call already, and nothing is allowed or refused by it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

Level = Literal["low", "medium", "high"]

_LEVELS: tuple[Level, ...] = ("low", "medium", "high")
MANY = 5
"""Where so many are named at once, it is said."""
_MONEY = re.compile(r"(^|_)(amount|price|total|refund|payment|salary|fee|usd|eur|gbp|cents)(_|$)")
_EFFECTS = {
    "read": "It only reads.",
    "write": "It changes something outside of the task.",
    "egress": "It sends something out.",
}
_HELD: dict[str, tuple[Level, str]] = {
    "history.injection_suspected": ("high", "A text that the task has read looks like an instruction meant for the agent."),
    "history.foreign_destination": (
        "high",
        "It goes where the task's own input never pointed, after text from outside was read.",
    ),
    "history.no_destination": ("medium", "Nothing says where it goes, after text from outside was read."),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the log knows of what was asked: the call's effect and what was found in it, and whether its task began outside."""

    effect: str | None = None
    found: Mapping[str, int] | None = None
    untrusted: bool | None = None


def risk_of(approval: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """``level`` and ``because``: each sentence with the level that it stands for, the gravest first."""
    said = sorted(_said(approval, known), key=lambda each: -_LEVELS.index(each[0]))
    if not said:
        said = [("low", "Nothing that is known of it is a risk of its own.")]
    return {"level": said[0][0], "because": [{"level": level, "text": text} for level, text in said]}


def _said(approval: Mapping[str, Any], known: Known) -> Iterator[tuple[Level, str]]:
    kind: str = approval["kind"]
    preview: dict[str, Any] = approval["preview"] or {}
    changes = known.effect in ("write", "egress")
    if kind == "checkpoint":
        yield "low", "A question of the pack: what it does with the answer is decided anew."
    elif kind == "model":
        yield "low", "A model is asked: nothing is changed by it; what policy redacted does not leave."
    elif known.effect in _EFFECTS:
        yield ("medium" if changes else "low"), _EFFECTS[known.effect]
    else:
        yield "medium", "What the tool does is not known: its pack says neither that it reads nor that it writes."
    if known.untrusted:
        yield (
            ("high" if changes else "medium"),
            "The task began with text from outside, which may carry instructions of its own.",
        )
    for reason in approval["reasons"] or ():
        if reason in _HELD:
            yield _HELD[reason]
    if secrets := (known.found or {}).get("SECRET", 0):
        yield "high", "A secret was found in it." if secrets == 1 else f"{secrets} secrets were found in it."
    personal = sum(times for entity, times in (known.found or {}).items() if entity != "SECRET")
    if personal and kind == "tool":
        yield (
            "medium" if changes else "low",
            f"It carries {personal} {'piece' if personal == 1 else 'pieces'} of personal data, which the tool is given in clear.",
        )
    named: Any = preview.get("arguments", preview)
    if isinstance(named, dict):
        yield from _of_arguments(cast("dict[str, Any]", named), changes=changes)
    if approval["quorum"] > 1:
        yield "medium", f"Policy asks for {approval['quorum']} people."


def _of_arguments(named: Mapping[str, Any], *, changes: bool) -> Iterator[tuple[Level, str]]:
    for name, value in named.items():
        if _MONEY.search(name.lower()) and _is_amount(value):
            yield "high" if changes else "medium", f"It is about money: {name} {value}."
        elif isinstance(value, list) and (many := len(cast("list[Any]", value))) > MANY:
            yield "medium", f"It is about many at once: {many} in {name}."
        elif value == "*":
            yield "high" if changes else "medium", f"It is about all there are: {name} is “*”."


def _is_amount(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and float(value) != 0
    except (TypeError, ValueError):
        return False
