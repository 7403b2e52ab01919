"""Two bundles side by side: what differs in their text, and what would have been decided otherwise."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle
from services.policy.questions import BY_PACKAGE
from services.policy.trial import rules_in

KINDS = {
    "task.decided": "admission",
    "call.decided": "model",
    "tool.decided": "tool",
    "approval.ruled": "approval",
    "approval.revised": "edit",
    "checkpoint.decided": "checkpoint",
}
"""Events that hold a decision, and what ``--kind`` calls them."""


@dataclass(frozen=True)
class Past:
    """A decision that was made: on what question, and for whom."""

    kind: str
    id: str
    package: str
    asked: Mapping[str, Json]
    verdict: str
    rules: tuple[str, ...]
    bundle: str

    @classmethod
    def of(cls, type_: str, id_: str, data: Mapping[str, Any]) -> "Past | None":
        """From an event; None when it is no decision, or the rules were not asked (a kill switch, a fault)."""
        kind = KINDS.get(type_)
        package, question = data.get("package"), data.get("question")
        if kind is None or package not in BY_PACKAGE or not isinstance(question, dict) or not question:
            return None
        rules = tuple(map(str, data.get("rules", ())))
        return cls(
            kind, id_, package, cast("dict[str, Json]", question), str(data["verdict"]), rules, str(data.get("bundle", ""))
        )

    @property
    def whom(self) -> str:
        """Pack, task, tool or model, and requester, as far as the question names them."""
        asked = self.asked
        requester: Any = asked.get("requester") or asked.get("principal") or {}
        parts = [asked.get("pack"), asked.get("task"), asked.get("tool") or asked.get("model"), requester.get("id")]
        return " · ".join(str(part) for part in parts if part)


@dataclass(frozen=True)
class Change:
    """A decision that would have been another one."""

    past: Past
    verdict: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Replay:
    """What other rules make of past decisions. ``unanswerable`` could not be asked: their questions are of another version."""

    asked: int
    unanswerable: int
    changes: tuple[Change, ...]


def replay(pasts: Iterable[Past], candidate: Bundle) -> Replay:
    """Ask ``candidate`` what was asked then; a rule that does not answer counts as ``deny`` by nobody, as it would have. Pure but for time."""
    evaluator = EmbeddedEvaluator(candidate)
    asked, unanswerable, changes = 0, 0, list[Change]()
    for past in pasts:
        try:
            question = BY_PACKAGE[past.package].model_validate(past.asked)
        except ValidationError:
            unanswerable += 1
            continue
        asked += 1
        try:
            decision = evaluator.decide_now(question)
        except Unavailable as silent:
            changes.append(Change(past, "deny", (silent.code,), ()))
        else:
            if decision.verdict != past.verdict:
                changes.append(Change(past, decision.verdict, decision.reasons, decision.rules))
    return Replay(asked, unanswerable, tuple(changes))


@dataclass(frozen=True)
class TextDiff:
    """Package by package, rule by rule, setting by setting; each entry is (what, before, after), empty where it is not there."""

    packages: tuple[tuple[str, str, str], ...]
    rules: tuple[tuple[str, str, str], ...]
    config: tuple[tuple[str, Json, Json], ...]

    @property
    def same(self) -> bool:
        """Whether both bundles are the same rules."""
        return not (self.packages or self.rules or self.config)


def diff(before: Bundle, after: Bundle) -> TextDiff:
    """What differs, in order of name."""
    packages = [
        (name, "there" if name in before.modules else "", "there" if name in after.modules else "")
        for name in sorted({*before.modules, *after.modules})
        if before.modules.get(name) != after.modules.get(name)
    ]
    old, new = _rules(before), _rules(after)
    rules = [(rule, old.get(rule, ""), new.get(rule, "")) for rule in sorted({*old, *new}) if old.get(rule) != new.get(rule)]
    was, now = dict(_leaves(before.config)), dict(_leaves(after.config))
    config = [(path, was.get(path), now.get(path)) for path in sorted({*was, *now}) if was.get(path) != now.get(path)]
    return TextDiff(tuple(packages), tuple(rules), tuple(config))


def _rules(bundle: Bundle) -> dict[str, str]:
    """Every rule's text by its id: all blocks that name it, in order."""
    texts: dict[str, str] = {}
    for _, source in sorted(bundle.modules.items()):
        for block in source.split("\n\n"):
            for rule in rules_in(block):
                texts[rule] = f"{texts.get(rule, '')}\n\n{block.strip()}".strip()
    return texts


def _leaves(value: Json, path: str = "config") -> Iterable[tuple[str, Json]]:
    if isinstance(value, dict) and value:
        for name, inner in cast("dict[str, Json]", value).items():
            yield from _leaves(inner, f"{path}.{name}")
    else:
        yield path, value


__all__ = ["KINDS", "Change", "Past", "Replay", "TextDiff", "diff", "replay"]
