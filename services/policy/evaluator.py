"""The port that policy questions go through, and what both evaluators share: the bundle, its revision, reading an answer."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.questions import Decision, Question

BUNDLE = Path(__file__).parent / "rego"
"""The rules that AgentOS ships."""

_PACKAGE = re.compile(r"^package\s+(?P<name>[\w.]+)\s*$", re.MULTILINE)


class PolicyEvaluator(Protocol):
    """Answers policy questions, and fails closed.

    ``decide`` either returns a decision that the rules made or raises ``Unavailable``: an undefined rule, an evaluator error, a time-out
    and an answer that is no decision are all the latter. Callers make no call then. Safe for concurrent use on one event loop.
    """

    @property
    def revision(self) -> str:
        """SHA-256 over the rules and their data (see ``revision_of``); equal rules give equal revisions in every evaluator."""
        ...

    async def decide(self, question: Question) -> Decision:
        """The policy's decision. Idempotent. Raises ``Unavailable`` when there is none."""
        ...

    async def close(self) -> None:
        """Release what the evaluator holds. Idempotent; a later ``decide`` raises ``Unavailable``."""
        ...


@dataclass(frozen=True)
class Bundle:
    """Rego modules by package name, and the ``config`` document that they read."""

    modules: Mapping[str, str]
    config: Json


def read_bundle(folder: Path = BUNDLE) -> Bundle:
    """The bundle in ``folder``: every ``*.rego`` but ``*_test.rego``, and ``data.json``. Raises ``Unavailable`` when it cannot be read."""
    try:
        sources = [path.read_text("utf-8") for path in sorted(folder.glob("*.rego")) if not path.name.endswith("_test.rego")]
        config = json.loads((folder / "data.json").read_text("utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"The policy bundle in {folder.name}/ cannot be read: {error}", code="policy.bundle_unreadable"
        ) from error
    if not sources:
        raise Unavailable(f"The policy bundle in {folder.name}/ holds no rules.", code="policy.bundle_empty")
    modules: dict[str, str] = {}
    for source in sources:
        name = package_of(source)
        if name in modules:
            raise Unavailable(f"Two files of the bundle declare package {name}.", code="policy.bundle_unreadable")
        modules[name] = source
    return Bundle(modules, config)


def package_of(source: str) -> str:
    """The package that a Rego module declares; raises ``Unavailable`` when it declares none."""
    match = _PACKAGE.search(source)
    if match is None:
        raise Unavailable("A policy module declares no package.", code="policy.bundle_unreadable")
    return match["name"]


def revision_of(bundle: Bundle) -> str:
    """SHA-256 over the packages' sources in name order and the canonical JSON of ``config``.

    File names and places are left out on purpose, so that a server that loaded the same rules from elsewhere has the same revision.
    """
    digest = hashlib.sha256()
    for name, source in sorted(bundle.modules.items()):
        digest.update(f"{name} {hashlib.sha256(source.encode()).hexdigest()}\n".encode())
    digest.update(json.dumps(bundle.config, sort_keys=True, separators=(",", ":")).encode())
    return digest.hexdigest()


class _Answer(BaseModel):
    """The shape that every package's ``decision`` has: exactly these fields, and no conversion between types."""

    model_config = ConfigDict(strict=True, extra="forbid")

    verdict: Literal["allow", "deny", "hold"]
    reasons: Annotated[list[str], Field(min_length=1)]
    rules: Annotated[list[str], Field(min_length=1)]
    monitored: list[str]
    obligations: dict[str, Json]


def decision_from(answer: Json, revision: str) -> Decision:
    """Read a rule's value as a decision; raises ``Unavailable`` for anything that is not exactly one."""
    try:
        read = _Answer.model_validate(answer)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, fault["loc"])) or "decision" for fault in error.errors()}))
        raise Unavailable(f"The policy's answer is not a decision (at: {places}).", code="policy.nonsense") from error
    return Decision(
        verdict=read.verdict,
        reasons=tuple(read.reasons),
        rules=tuple(read.rules),
        monitored=tuple(read.monitored),
        obligations=read.obligations,
        revision=revision,
    )


def undefined(package: str) -> Unavailable:
    """What to raise when the rule that should answer does not exist or has no value."""
    return Unavailable(f"The rule {package}/decision is undefined.", code="policy.undefined")


__all__ = ["BUNDLE", "Bundle", "PolicyEvaluator", "decision_from", "package_of", "read_bundle", "revision_of", "undefined"]
