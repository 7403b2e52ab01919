"""Restoring placeholders in a stream, as it comes: nothing waits but what may still become a placeholder.

``Restorer`` is for text: in whatever pieces the text is fed, what comes out is ``restore`` of the whole. ``JsonRestorer`` is for text that
is JSON, such as a tool's arguments: the values are escaped as strings of JSON, and what comes out is ``restore_json_text`` of the whole.
"""

import json
import re

from agentos.sealing.placeholders import MOST_NESTED, PlaceholderVault
from agentos.sealing.writings import CONTEXT, LONGEST, undecided, writings

HELD_BACK = LONGEST + 1
"""Most characters that are ever held back: one placeholder, and the quote before it where it may be a number of JSON. In JSON a character
counts once, however it is escaped."""


class Restorer:
    """One stream of text. ``feed`` what comes, send on what it returns; ``flush`` at the end. Not for several threads."""

    def __init__(self, vault: PlaceholderVault) -> None:
        self._values = vault.values
        # What was sent on and may still decide what follows it, then what is held back: one text, as it came.
        self._text = ""
        self._sent = 0

    def feed(self, text: str) -> str:
        """What can be sent on now."""
        return self._restored(text, last=False)

    def flush(self) -> str:
        """The rest. The stream may go on afterwards, as another text."""
        rest = self._restored("", last=True)
        self._text, self._sent = "", 0
        return rest

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._text) - self._sent

    def _restored(self, text: str, *, last: bool) -> str:
        text = self._text + text
        position = self._sent
        end = len(text) if last else undecided(text, position)
        parts: list[str] = []
        for writing in writings(text, position):
            if writing.start >= end:
                break
            value = self._values.get(writing.name)
            if value is not None:
                parts += (text[position : writing.start], value)
                position = writing.end
        parts.append(text[position:end])
        first = max(0, end - CONTEXT)
        self._text, self._sent = text[first:], end - first
        return "".join(parts)


_OUTSIDE = re.compile(r'[^"]+')
_WITHIN = re.compile(r'[^"\\]+')
_CONTROL = re.compile(r"[\x00-\x1f]")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})')
_ESCAPE_BEGUN = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?)?)?\Z"
)
_NO_JSON = re.compile(r"[^\s{}\[\],:0-9.+\-eEtrufalsn]")


class JsonRestorer:
    """One stream of JSON text. ``feed``, ``flush`` and ``held`` as ``Restorer`` has them.

    Strings are read without their escapes and written with those that they need, so a placeholder is known however it was escaped and
    a value may hold anything. A string that begins like JSON is read as JSON in turn, until something in it is none: nobody knows it before.
    What was put into it until then was escaped as for JSON. Outside of strings, where valid JSON has no placeholder, values are put in as
    they are.
    """

    def __init__(self, vault: PlaceholderVault, *, depth: int = 0) -> None:
        self._vault = vault
        self._depth = depth
        self._outside = Restorer(vault)
        self._objects: list[bool] = []
        self._last = ""
        # Within a string: what reads it, once it is known what it is; until then its beginning; and an escape that has begun.
        self._string: Restorer | JsonRestorer | None = None
        self._head: str | None = None
        self._escape = ""
        self._is_key = False
        self._is_json = True

    @property
    def held(self) -> int:
        """How many characters are held back, the quote of a string included."""
        within = len(self._head) + 1 if self._head is not None else self._string.held if self._string is not None else 0
        return self._outside.held + within

    def feed(self, text: str) -> str:
        """What can be sent on now."""
        parts: list[str] = []
        position = 0
        if self._escape:
            text, self._escape = self._escape + text, ""
        while position < len(text):
            if not self._is_json:
                parts.append(self._outside.feed(text[position:]))
                break
            if self._head is None and self._string is None:
                position = self._read_outside(text, position, parts)
            else:
                position = self._read_string(text, position, parts)
        return "".join(parts)

    def flush(self) -> str:
        """The rest."""
        parts: list[str] = []
        if self._escape:
            # Broken off within an escape: as it came.
            if self._depth:
                self._leave(parts)
                parts.append(self._outside.feed(self._escape))
            else:
                self._take(self._escape, parts)
            self._escape = ""
        if self._head is not None:
            self._begin(parts)
        if self._string is not None:
            parts.append(_escaped(self._string.flush()))
            self._string = None
        parts.append(self._outside.flush())
        return "".join(parts)

    def _read_outside(self, text: str, position: int, parts: list[str]) -> int:
        if text[position] == '"':
            parts.append(self._outside.flush())
            self._is_key = self._last == "{" or (self._last == "," and bool(self._objects) and self._objects[-1])
            self._head, self._last = "", '"'
            return position + 1
        match = _OUTSIDE.match(text, position)
        structure = match[0] if match is not None else ""
        if self._depth and (
            _NO_JSON.search(structure) or (not self._objects and self._last in ("}", "]") and structure.strip())
        ):
            self._is_json = False
            return position
        for character in structure:
            if character in "{[":
                self._objects.append(character == "{")
            elif character in "}]" and self._objects:
                self._objects.pop()
            if not character.isspace():
                self._last = character
        parts.append(self._outside.feed(structure))
        return position + len(structure)

    def _read_string(self, text: str, position: int, parts: list[str]) -> int:
        character = text[position]
        if character == '"':
            self._close(parts)
            return position + 1
        if character != "\\":
            match = _WITHIN.match(text, position)
            run = match[0] if match is not None else character
            bare = _CONTROL.search(run) if self._depth else None
            if bare is not None:
                run = run[: bare.start()]
            self._take(run, parts)
            if bare is not None:
                self._leave(parts)
            return position + len(run)
        if _ESCAPE_BEGUN.match(text, position) is not None:
            self._escape = text[position:]
            return len(text)
        match = _ESCAPE.match(text, position)
        if match is None and self._depth:
            self._leave(parts)
            return position
        # What is no escape in JSON means itself.
        self._take(json.loads(f'"{match[0]}"') if match is not None else character, parts)
        return position + (len(match[0]) if match is not None else 1)

    def _leave(self, parts: list[str]) -> None:
        """In a string that only began like JSON: what follows is text, and what is held back is looked at with it."""
        self._is_json = False
        if isinstance(self._string, JsonRestorer):
            parts.append(_escaped(self._string.flush()))
        elif self._string is not None:
            self._outside = self._string
        if self._head is not None:
            parts.append(self._outside.feed(f'"{self._head}'))
        self._string = self._head = None

    def _take(self, run: str, parts: list[str]) -> None:
        """The next characters of the string, without escapes."""
        if self._string is not None:
            parts.append(_escaped(self._string.feed(run)))
            return
        self._head = (self._head or "") + run
        if self._is_key or not self._may_be_number(self._head):
            self._begin(parts)

    def _begin(self, parts: list[str]) -> None:
        head, self._head = self._head or "", None
        reads_json = not self._is_key and self._depth + 1 < MOST_NESTED and head.lstrip()[:1] in ("{", "[")
        self._string = JsonRestorer(self._vault, depth=self._depth + 1) if reads_json else Restorer(self._vault)
        parts += ('"', _escaped(self._string.feed(head)))

    def _close(self, parts: list[str]) -> None:
        if self._head is not None:
            number = None if self._is_key else self._number(self._head)
            if number is not None:
                self._head = None
                parts.append(number)
                return
            self._begin(parts)
        if self._string is not None:
            parts += (_escaped(self._string.flush()), '"')
        self._string = None

    def _may_be_number(self, head: str) -> bool:
        return len(head) <= LONGEST and (undecided(head) == 0 or self._number(head) is not None)

    def _number(self, head: str) -> str | None:
        writing = next(writings(head), None) if len(head) <= LONGEST else None
        if writing is None or (writing.start, writing.end) != (0, len(head)) or not writing.name.startswith("NUMBER_"):
            return None
        return self._vault.values.get(writing.name)


def _escaped(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate can only be written as an escape.
        return json.dumps(text)[1:-1]
    return json.dumps(text, ensure_ascii=False)[1:-1]


__all__ = ["HELD_BACK", "JsonRestorer", "Restorer"]
