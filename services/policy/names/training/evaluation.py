"""What the model finds of annotated documents, and what it finds that is none.

A marked place counts as found when what was found covers its letters and digits (half of them for a long one's place, all of them
for a person), whatever kind it was said to be; the strict figures ask for the same kind and place.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from services.policy.names.finder import NameFinder
from services.policy.names.network import ENTITIES
from services.policy.names.training.grammar import Document, expand, joined
from services.policy.names.training.values import Scene
from services.policy.names.words import TOKEN


@dataclass
class Counts:
    marked: int = 0
    covered: int = 0
    """All its letters found, as whatever kind."""
    exact: int = 0
    found: int = 0
    """Findings of this kind."""
    right: int = 0
    """Of these, such that touch something marked of any kind."""


@dataclass
class Result:
    counts: dict[str, Counts] = field(default_factory=lambda: {entity: Counts() for entity in ENTITIES})
    letters: Counter[str] = field(default_factory=Counter[str])
    tokens: int = 0
    errors: list[str] = field(default_factory=list[str])

    def recall(self, *entities: str) -> float:
        """Share of the marked places of these kinds (all without any) that are covered in full."""
        chosen = [self.counts[entity] for entity in entities or ENTITIES]
        return sum(c.covered for c in chosen) / max(1, sum(c.marked for c in chosen))

    def precision(self) -> float:
        return sum(c.right for c in self.counts.values()) / max(1, sum(c.found for c in self.counts.values()))

    def f2(self) -> float:
        return f_beta(self.precision(), self.recall())

    def strict_f2(self) -> float:
        exact = sum(c.exact for c in self.counts.values())
        precision = exact / max(1, sum(c.found for c in self.counts.values()))
        recall = exact / max(1, sum(c.marked for c in self.counts.values()))
        return f_beta(precision, recall)

    def letter_f2(self) -> float:
        """Over letters and digits, kinds apart: what leaks, and what is lost."""
        hit, missed, false = self.letters["hit"], self.letters["missed"], self.letters["false"]
        return f_beta(hit / max(1, hit + false), hit / max(1, hit + missed))


def f_beta(precision: float, recall: float) -> float:
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


def dev_documents(file: Path) -> list[Document]:
    """The documents of a file, which lines of ``%%`` separate; half of them play among names that training holds back."""
    found: list[Document] = []
    for text in file.read_text("utf-8").split("\n%%\n"):
        if text.strip("%\n "):
            rng = random.Random(text)  # noqa: S311  # the same each time
            language = next((language for language, word in _LANGUAGE.items() if word.search(text)), "en")
            found.append(joined(expand(text.strip("\n"), Scene(rng, language, held_back=rng.random() < 0.5), rng)))
    return found


_LANGUAGE = {
    "de": re.compile(r"\b(?:der|die|das|ich|mein|und|wegen|Kündigung)\b"),
    "fr": re.compile(r"\b(?:le|les|vous|je|c|une|est)\b"),
    "it": re.compile(r"\b(?:il|nata|presenti|gentile)\b", re.IGNORECASE),
    "es": re.compile(r"\b(?:los|con|El|has|Hola|Remitente)\b"),
    "nl": re.compile(r"\b(?:van|te|is ziek|wonende)\b"),
}
"""Which language's names and addresses fill a dev document's slots: the first whose word it has."""


def measure(finder: NameFinder, documents: Iterable[Document]) -> Result:
    result = Result()
    for document in documents:
        text = document.text
        found = list(finder.find(text))
        marked = [span for span in document.spans if span[2] in ENTITIES]
        hidden = {at for f in found for at in range(f.start, f.end) if text[at].isalnum()}
        # Marks of other kinds (an e-mail address) are neither ours to find nor false when found.
        known = {at for start, end, _ in document.spans for at in range(start, end) if text[at].isalnum()}
        wanted = {at for start, end, _ in marked for at in range(start, end) if text[at].isalnum()}
        result.letters.update(hit=len(wanted & hidden), missed=len(wanted - hidden), false=len(hidden - known))
        result.tokens += sum(1 for _ in TOKEN.finditer(text))
        places = {(f.start, f.end, f.entity) for f in found}
        for start, end, entity in marked:
            counts = result.counts[entity]
            letters = {at for at in range(start, end) if text[at].isalnum()}
            counts.marked += 1
            counts.covered += letters <= hidden
            counts.exact += (start, end, entity) in places
            if not letters <= hidden:
                result.errors.append(f"MISS  {entity:15} {text[start:end]!r} in {_around(text, start, end)}")
        for finding in found:
            letters = {at for at in range(finding.start, finding.end) if text[at].isalnum()}
            if letters and not letters & wanted and letters & known:
                continue
            counts = result.counts[finding.entity]
            counts.found += 1
            counts.right += bool(letters & wanted)
            if not letters & wanted:
                place = _around(text, finding.start, finding.end)
                result.errors.append(
                    f"FALSE {finding.entity:15} {text[finding.start : finding.end]!r} {finding.score} in {place}"
                )
    return result


def _around(text: str, start: int, end: int) -> str:
    return repr(text[max(0, start - 30) : start] + "⟦" + text[start:end] + "⟧" + text[end : end + 20])


def table(result: Result) -> str:
    lines = [f"{'':16}{'marked':>7}{'covered':>9}{'exact':>7}{'found':>7}{'right':>7}"]
    for entity, c in result.counts.items():
        if c.marked or c.found:
            shares = f"{c.covered / max(1, c.marked):9.3f}{c.exact / max(1, c.marked):7.3f}{c.found:7}{c.right / max(1, c.found):7.3f}"
            lines.append(f"{entity:16}{c.marked:7}{shares}")
    lines.append(
        f"F2 {result.f2():.3f} (recall {result.recall():.3f}, precision {result.precision():.3f}), strict F2 {result.strict_f2():.3f}, "
        f"F2 of letters {result.letter_f2():.3f}; persons' recall {result.recall('PERSON'):.4f}; {result.tokens} tokens"
    )
    return "\n".join(lines)


__all__ = ["Result", "dev_documents", "f_beta", "measure", "table"]
