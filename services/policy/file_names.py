"""Whose paper a file is: ``claims/2025-10/Murugappan_dental.pdf``. Programs name files after things, people name papers after people."""

import re
from collections.abc import Callable, Iterator, Sequence

from services.policy.findings import Finding

_SCORE = 0.5
_PAPER = re.compile(r"\.(?:pdf|docx?|odt|rtf|xlsx?|csv|pptx?|jpe?g|png|heic|tiff?|msg|eml|vcf)(?![\w.])", re.IGNORECASE)
_LONGEST = 80
"""Characters of a name before its kind."""
_BEGINS = re.compile(r"[^/\\\"'<>|:*?\n\t=]*$")
_WORD = r"[A-ZÀ-Þ][a-zà-ÿ'’]{1,24}(?:-[A-ZÀ-Þ][a-zà-ÿ]{1,24})?"
_RUN = re.compile(rf"(?<![^\W_]){_WORD}(?:[ _]{_WORD}){{0,3}}(?![^\W_])")
_ONE = re.compile(_WORD)


def file_names(
    text: str, found: Sequence[Finding], *, is_name: Callable[[str], bool], ordinary: Callable[[str], bool]
) -> Iterator[Finding]:
    """In order; none overlaps one of ``found``. ``is_name``: whether people are called so; ``ordinary``: whether a word is one."""
    taken: set[int] | None = None
    for paper in _PAPER.finditer(text):
        end = paper.start()
        begins = _BEGINS.search(text, max(0, end - _LONGEST), end)
        begin = begins.start() if begins else end
        if text[max(0, begin - 1) : begin] not in ("/", "\\"):
            # In a sentence a name of a file begins after its last blank.
            begin += text[begin:end].rfind(" ") + 1
        for run in _RUN.finditer(text, begin, end):
            words = list(_ONE.finditer(text, *run.span()))
            if not any(is_name(part) for word in words for part in word[0].split("-")):
                continue
            if taken is None:
                taken = {place for each in found for place in range(each.start, each.end)}
            for word in words:
                if not ordinary(word[0]) and taken.isdisjoint(range(*word.span())):
                    yield Finding(*word.span(), "PERSON", "PERSON", _SCORE)


__all__ = ["file_names"]
