"""A long text in windows, so that it takes its turn among others and no single look at it takes long.

Windows are cut at seams (the end of a paragraph, a line, a sentence, a word) and overlap, so that whatever stands across a seam is seen whole
by one of them; a find belongs to the window that it begins in. Where the windows lie depends on the text before them alone: a text
that grows at its end keeps its windows, and they are not analysed again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.policy.findings import Finding, resolve
from services.policy.redacting.finding import Analysis
from services.policy.redacting.segments import Segment
from services.policy.secret_patterns import PRIVATE_KEY_BEGIN, PRIVATE_KEY_END

WINDOW = 32 * 1024
"""Characters of one window, overlaps not counted: some 30 ms of work."""
OVERLAP = 2 * 1024
"""Characters that a window sees beyond each of its ends: more than anything but a private key has, and those are seen to apart."""

_SEAMS = ("\n\n", "\n", ". ", " ")


@dataclass(frozen=True, slots=True)
class Window:
    """What to look at, where that begins in the text, and the part of the text whose finds count."""

    segment: Segment
    offset: int
    start: int
    end: int


def windows(segment: Segment) -> list[Window]:
    """The windows of a segment; one, which is the segment, unless it is long."""
    text = segment.text
    if len(text) <= WINDOW + OVERLAP:
        return [Window(segment, 0, 0, len(text))]
    made: list[Window] = []
    start = 0
    while start < len(text):
        end = _seam(text, start)
        first = max(0, start - OVERLAP)
        made.append(Window(replace(segment, text=text[first : end + OVERLAP]), first, start, end))
        start = end
    return made


def _seam(text: str, start: int) -> int:
    end = start + WINDOW
    if end + OVERLAP >= len(text):
        return len(text)
    for seam in _SEAMS:
        place = text.rfind(seam, end - WINDOW // 4, end)
        if place >= 0:
            return place + len(seam)
    return end


def together(segment: Segment, parts: Sequence[Window], analyses: Sequence[Analysis]) -> Analysis:
    """The analysis of a segment from those of its windows."""
    if len(parts) == 1:
        return analyses[0]
    found: list[Finding] = []
    end = 0
    overlapping = False
    for window, analysis in zip(parts, analyses, strict=True):
        for f in analysis.findings:
            start = f.start + window.offset
            if window.start <= start < window.end:
                overlapping = overlapping or start < end
                end = f.end + window.offset
                found.append(Finding(start, end, f.entity, f.stem, f.score))
    keys = tuple(_private_keys(segment.text))
    labels = sorted({label for analysis in analyses for label in analysis.labels})
    return Analysis(resolve((*found, *keys)) if keys or overlapping else tuple(found), tuple(labels))


def _private_keys(text: str) -> Iterator[Finding]:
    """Private keys may be longer than the overlap; one without its end goes on to the end of the text."""
    position = 0
    while (begin := PRIVATE_KEY_BEGIN.search(text, position)) is not None:
        end = PRIVATE_KEY_END.search(text, begin.end())
        position = len(text) if end is None else end.end()
        yield Finding(begin.start(), position, "PRIVATE_KEY", "SECRET", 1.0)


__all__ = ["OVERLAP", "WINDOW", "Window", "together", "windows"]
