"""What a verification found: problems, each with its place."""

from dataclasses import dataclass, field

MOST_PROBLEMS = 100
"""A chain that is wrong everywhere is told by its first problems."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and where: ``place`` is ``seq <n>`` in a stream, ``line <n>`` in an export, ``anchor line <n>`` in a file of anchors."""

    place: str
    kind: str
    detail: str


@dataclass(slots=True)
class Verdict:
    """What a verification found. ``checkpoints`` counts signatures that hold, ``anchors`` those of them that were kept elsewhere."""

    events: int = 0
    last_seq: int = 0
    checkpoints: int = 0
    anchors: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def ok(self) -> bool:
        """Nothing was found wrong."""
        return not self.problems

    def report(self, place: str, kind: str, detail: str) -> None:
        """Note a problem."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(place, kind, detail))
