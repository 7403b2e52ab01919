"""How good a finder of personal data is on annotated text: the corpus, and the figures.

The corpus is in ``corpus/dev`` (look at it, tune on it), ``corpus/blind`` (look only at its figures) and ``corpus/harmless`` (code, logs
and traces in which nothing may be found); see its README for the notation.

A finding *hits* an annotation of its kind when they share a character. Kinds are the stems of placeholders, since these are what a
reader of a redacted text sees. A finding that touches no annotation of any kind is a false redaction; one that touches only an
annotation of another kind counts against precision of its kind, but not as a false redaction: that text had to go.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentos.sealing.placeholders import ENTITIES

CORPUS = Path(__file__).parent / "corpus"
DIRECT = frozenset({"PERSON", "EMAIL", "PHONE", "CARD", "IBAN", "SSN", "ID", "ACCOUNT", "CRYPTO", "SECRET", "ADDRESS"})
"""Direct identifiers and secrets: what alone tells who somebody is, or opens a door."""

_HEADER = re.compile(r"^=== (?P<name>\S+) (?P<language>[a-z]{2})\n", re.MULTILINE)
_MARK = re.compile(r"\[\[(?P<stem>[A-Z]+)\|(?P<value>[^\]]+)\]\]")
_JOINT = "¦"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) are of the kind ``stem``."""

    start: int
    end: int
    stem: str

    def touches(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Document:
    """A text without its annotations, and where they were."""

    name: str
    language: str
    text: str
    spans: tuple[Span, ...]


Finder = Callable[[str], Iterable[Span]]


def documents(part: str) -> tuple[Document, ...]:
    """All documents of ``dev``, ``blind`` or ``harmless``, in the order of their files."""
    return tuple(
        document for path in sorted((CORPUS / part).glob("*.txt")) for document in _parsed(path.read_text(encoding="utf-8"))
    )


def sentences() -> tuple[Document, ...]:
    """Those of ``corpus/sentences.txt``, one a line, in the same notation; each is its own name."""
    lines = (CORPUS / "sentences.txt").read_text(encoding="utf-8").splitlines()
    return tuple(_read(line.replace(_JOINT, ""), line, "en") for line in lines if line)


def _parsed(source: str) -> Iterator[Document]:
    heads = list(_HEADER.finditer(source))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = source[head.end() : following.start() if following else len(source)].replace(_JOINT, "")
        yield _read(body, head["name"], head["language"])


def _read(body: str, name: str, language: str) -> Document:
    text: list[str] = []
    spans: list[Span] = []
    position = length = 0
    for mark in _MARK.finditer(body):
        if mark["stem"] not in ENTITIES:
            raise ValueError(f"{name}: {mark['stem']} is no kind of placeholder")
        before = body[position : mark.start()]
        start = length + len(before)
        length = start + len(mark["value"])
        text += (before, mark["value"])
        spans.append(Span(start, length, mark["stem"]))
        position = mark.end()
    text.append(body[position:])
    return Document(name, language, "".join(text), tuple(spans))


@dataclass
class Figures:
    """Counts of one kind, and what follows from them. With nothing to find (or found) a share is 1."""

    annotated: int = 0
    hit: int = 0
    exact: int = 0
    found: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        return self.hit / self.annotated if self.annotated else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def f2(self) -> float:
        """The F-measure that weighs recall four times as much as precision (van Rijsbergen, beta = 2)."""
        weighed = 4 * self.precision + self.recall
        return 5 * self.precision * self.recall / weighed if weighed else 0.0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.annotated + other.annotated,
            self.hit + other.hit,
            self.exact + other.exact,
            self.found + other.found,
            self.right + other.right,
        )


@dataclass
class Score:
    """The figures by kind; ``missed`` and ``wrong`` say what to look at (not on the blind part)."""

    kinds: dict[str, Figures] = field(default_factory=dict[str, Figures])
    missed: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    wrong: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    hidden: Counter[str] = field(default_factory=Counter[str])
    """By kind, how many annotations are touched by a finding of whatever kind: what a reader can no longer see."""

    def of(self, stems: Iterable[str]) -> Figures:
        """The sum over some kinds."""
        return sum((self.kinds[stem] for stem in stems if stem in self.kinds), Figures())

    @property
    def overall(self) -> Figures:
        return self.of(self.kinds)

    @property
    def direct(self) -> Figures:
        return self.of(DIRECT)


def score(find: Finder, over: Iterable[Document]) -> Score:
    """What ``find`` finds of what is annotated, kind by kind."""
    told = Score()
    for document in over:
        found = tuple(find(document.text))
        for span in document.spans:
            figures = told.kinds.setdefault(span.stem, Figures())
            figures.annotated += 1
            touching = [each for each in found if each.touches(span)]
            told.hidden[span.stem] += bool(touching)
            if any(each.stem == span.stem for each in touching):
                figures.hit += 1
                figures.exact += span in touching
            else:
                told.missed.append((document.name, span.stem, document.text[span.start : span.end]))
        for each in found:
            figures = told.kinds.setdefault(each.stem, Figures())
            figures.found += 1
            if any(each.touches(span) and each.stem == span.stem for span in document.spans):
                figures.right += 1
            else:
                told.wrong.append((document.name, each.stem, document.text[each.start : each.end]))
    return told


def false_redactions(find: Finder, over: Sequence[Document]) -> tuple[float, list[tuple[str, str, str]]]:
    """Findings that touch no annotation, for 1,000 tokens (what blanks separate); and which they are."""
    tokens = sum(len(document.text.split()) for document in over)
    wrong = [
        (document.name, each.stem, document.text[each.start : each.end])
        for document in over
        for each in find(document.text)
        if not any(each.touches(span) for span in document.spans)
    ]
    return len(wrong) * 1_000 / tokens, wrong


__all__ = [
    "CORPUS",
    "DIRECT",
    "Document",
    "Figures",
    "Finder",
    "Score",
    "Span",
    "documents",
    "false_redactions",
    "score",
    "sentences",
]
