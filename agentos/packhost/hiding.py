"""Keeps personal data out of what a pack says of itself: faults, logs, questions to people."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agentos.sealing.sweeping import hidden


@dataclass(frozen=True, slots=True)
class Hider:
    """Takes personal data out of a text that is to be kept in clear.

    Values that the redactor found in this task become their placeholders, where they are no part of a longer word. Beyond
    those, whatever has the shape of an email address or of a long number is blotted out: a pack may quote its input before
    any model call has shown it to the redactor.
    """

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """Value → placeholder with brackets."""

    def __call__(self, text: str) -> str:
        for value in sorted(self.values, key=len, reverse=True):
            placeholder = self.values[value]
            text = hidden(text, value, placeholder[1:].partition("_")[0], placeholder)
        return _ID_OR_LONG_NUMBER.sub(lambda found: found["id"] or "<…>", _EMAIL.sub("<…>", text))


_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+")
_ID_OR_LONG_NUMBER = re.compile(r"(?P<id>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)|\+?\d(?:[ ().-]{0,2}\d){6,}")
"""Our own ids have digits enough for a telephone number, and a fault must name the task or the switch that it speaks of."""
