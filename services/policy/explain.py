"""Why the rules answer as they do: for each rule that has a say in a question, whether it found something."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regopy import Input, Interpreter, RegoError

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle
from services.policy.questions import Decision
from services.policy.trial import rules_in

FINDINGS = ("denials", "holds", "exclusions")
"""The partial sets that packages collect what they find in."""

_NAMED = re.compile(r"\bdata\.(agentos\.[a-z0-9_]+)")


@dataclass(frozen=True)
class RuleState:
    """One rule: what it would bring about, and whether it does here. ``enforced`` is false where it only monitors."""

    rule: str
    fired: bool
    effect: str
    enforced: bool
    text: str


@dataclass(frozen=True)
class Explanation:
    """The decision, every rule of the package (and of those that it draws on) in the order of the text."""

    decision: Decision
    rules: tuple[RuleState, ...]


def explain(bundle: Bundle, package: str, asked: Mapping[str, Json]) -> Explanation:
    """Ask, and look at each rule. Raises ``Unavailable`` when the rules do not answer at all."""
    decision = EmbeddedEvaluator(bundle).answer(package, asked)
    names = _drawn_on(bundle, package.replace("/", "."))
    found = _found(bundle, names, asked)
    states = [
        RuleState(
            rule,
            fired=rule in found,
            effect=_effect(text),
            enforced=rule not in decision.monitored,
            text=text,
        )
        for name in names
        for rule, text in _texts(bundle.modules[name]).items()
    ]
    return Explanation(decision, tuple(states))


def _drawn_on(bundle: Bundle, name: str) -> list[str]:
    """The package, and those whose findings it takes over."""
    own = bundle.modules.get(name, "")
    others = [other for other in dict.fromkeys(_NAMED.findall(own)) if other != name and other in bundle.modules]
    return ([name] if own else []) + [other for other in others if rules_in(bundle.modules[other])]


def _found(bundle: Bundle, names: list[str], asked: Mapping[str, Json]) -> set[str]:
    interpreter: Any = Interpreter()  # regopy has no type information
    entrypoints = [f"{name.replace('.', '/')}/{findings}" for name in names for findings in FINDINGS]
    try:
        for name, source in bundle.modules.items():
            interpreter.add_module(f"{name}.rego", source)
        interpreter.add_data_json(json.dumps({"config": bundle.config}))
        built = interpreter.build(None, entrypoints)
        interpreter.set_input(Input(asked))
        answers = [
            json.loads(str(output))
            for e in entrypoints
            if str(output := interpreter.query_bundle_entrypoint(built, e)) != "undefined"
        ]
    except (RegoError, ValueError, TypeError) as fault:
        raise Unavailable(f"The rules cannot be looked at one by one: {type(fault).__name__}", code="policy.error") from fault
    return {finding["rule"] for answer in answers for finding in answer["expressions"][0]}


def _texts(source: str) -> dict[str, str]:
    """Each rule's own text, comment and all, by its id."""
    texts: dict[str, str] = {}
    for block in re.split(r"\n\n+", source):
        for rule in rules_in(block):
            texts.setdefault(rule, block.strip())
    return texts


def _effect(text: str) -> str:
    match = re.search(r"^(denials|holds|exclusions)\b", text, re.MULTILINE)
    return {"denials": "deny", "holds": "hold", "exclusions": "exclude"}.get(match[1] if match else "", "–")


__all__ = ["Explanation", "RuleState", "explain"]
