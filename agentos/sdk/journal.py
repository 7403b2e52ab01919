"""The journal of a durable coroutine, as pure functions: what is a step, when is it the same step, what answers it.

Every effect takes the next ordinal at call time, in program order. A record at that ordinal answers the effect if kind and
digest agree; otherwise the agent has become another agent, and nobody can tell what its record means.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, assert_never

from agentos.sdk.errors import NonDeterminismError

StepKind = Literal["model", "tool", "approval", "now", "random", "sleep", "subtask"]
IMMEDIATE: frozenset[StepKind] = frozenset({"now", "random"})
"""Effects that are answered on the spot, before any other answer is delivered: their place in the order is their call."""


@dataclass(frozen=True, slots=True)
class Step:
    """One effect: its place, its kind, and the digest of its canonical request."""

    ordinal: int
    kind: StepKind
    digest: str

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an effect came to. ``value`` is JSON: the result, or the failure's fields when ``ok`` is false."""

    ok: bool
    value: Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A step was asked for."""

    step: Step


@dataclass(frozen=True, slots=True)
class Answered:
    """A step was answered. ``order`` is the place of the answer among all answers: replay delivers in the same order."""

    ordinal: int
    answer: Answer
    order: int


JournalEvent = Asked | Answered


@dataclass(frozen=True, slots=True)
class Journal:
    """The fold of a task's step events."""

    steps: Mapping[int, Step] = field(default_factory=dict[int, Step])
    answers: Mapping[int, Answered] = field(default_factory=dict[int, Answered])

    def evolve(self, event: JournalEvent) -> "Journal":
        """The journal with one event more."""
        match event:
            case Asked(step):
                return replace(self, steps={**self.steps, step.ordinal: step})
            case Answered(ordinal):
                return replace(self, answers={**self.answers, ordinal: event})
            case _:
                assert_never(event)

    def decide(self, step: Step) -> list[JournalEvent]:
        """What asking for ``step`` adds to the journal: nothing when it is recorded already.

        Raises NonDeterminismError when something else is recorded at that ordinal.
        """
        recorded = self.steps.get(step.ordinal)
        if recorded is None:
            return [Asked(step)]
        check_same(recorded, step)
        return []

    def next_answer(self, outstanding: Iterable[int]) -> Answered | None:
        """The recorded answer to deliver next to an agent that waits for ``outstanding``; None when none is recorded."""
        known = [self.answers[ordinal] for ordinal in outstanding if ordinal in self.answers]
        return min(known, key=lambda answered: answered.order, default=None)


def canonical(value: Any) -> bytes:
    """The one JSON text of a JSON value: keys sorted, no blanks, UTF-8. Raises ValueError for what is not JSON."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as bad:  # UnicodeEncodeError of a lone surrogate is a ValueError
        raise ValueError(f"not a JSON value: {bad}") from None


def step_digest(kind: StepKind, request: Any) -> str:
    """SHA-256, hex, over the kind and the canonical request."""
    return hashlib.sha256(kind.encode() + b"\n" + canonical(request)).hexdigest()


def check_same(recorded: Step, asked: Step) -> None:
    """Raises NonDeterminismError unless both are the same effect."""
    if (recorded.kind, recorded.digest) != (asked.kind, asked.digest):
        raise NonDeterminismError(asked.ordinal, str(recorded), str(asked))


def epoch_of(step: int, attempts: Iterable[tuple[int, int | None]]) -> int:
    """The attempt that made ``step`` (last) anew, from (attempt, rerun_from) pairs; 1 when none did."""
    return max((n for n, rerun_from in attempts if rerun_from is not None and rerun_from <= step), default=1)
