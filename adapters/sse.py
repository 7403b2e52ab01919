"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream), from bytes as they come.

Read liberally: lines end in LF, CRLF or CR, wherever the network cut them; the space after the colon may be missing, and so may the
blank line after the last event. Our own and not the SDKs': theirs decode each line to text and validate each event as one of their
models, which costs more than everything else that is done with a token.
"""

from collections.abc import Iterator

__all__ = ["EventStream", "TooLong"]

_LONGEST_EVENT = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class TooLong(Exception):
    """One event is longer than any provider's: it is not kept in memory."""


class EventStream:
    """The events of one stream, in order, as pairs of name (empty where the event has none) and data."""

    __slots__ = ("_after_cr", "_begun", "_data", "_name", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._begun = False
        self._after_cr = False
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The events that ``chunk`` completes. Raises ``TooLong``."""
        if not self._begun:
            chunk = self._without_bom(chunk)
        if self._after_cr and chunk:
            # The second half of a CRLF that was cut in two.
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\n" not in chunk and b"\r" not in chunk:
            self._rest += chunk
            self._bounded(len(self._rest))
            return
        if self._rest:
            chunk = bytes(self._rest) + chunk
            self._rest.clear()
        self._after_cr = chunk[-1:] == b"\r"
        # Of bytes, splitlines knows just these three ends of a line.
        lines = chunk.splitlines()
        if chunk[-1:] not in (b"\n", b"\r"):
            self._rest += lines.pop()
        for line in lines:
            if line:
                self._take(line)
            elif (event := self._dispatch()) is not None:
                yield event

    def end(self) -> Iterator[tuple[bytes, bytes]]:
        """The last event, of a stream that ended without a blank line."""
        if self._rest:
            self._take(bytes(self._rest))
            self._rest.clear()
        if (event := self._dispatch()) is not None:
            yield event

    def _without_bom(self, chunk: bytes) -> bytes:
        if len(self._rest) + len(chunk) < len(_BOM) and _BOM.startswith(bytes(self._rest) + chunk):
            return chunk
        self._begun = True
        whole = bytes(self._rest) + chunk
        self._rest.clear()
        return whole.removeprefix(_BOM)

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._keep(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()
        elif line.startswith(b"error:"):
            # A field of its own for errors, as llama.cpp's server has sent them.
            self._name = b"error"
            self._keep(line[6:].strip())
        elif line.startswith(b'{"error"'):
            # A server behind a gateway, which had a stream of events to break off and did not know.
            self._name = b"error"
            self._keep(line)
        elif line == b"data":
            self._data.append(b"")
        # A comment (a ping), an id, a retry time, or a field that nobody knows.

    def _keep(self, value: bytes) -> None:
        self._data.append(value)
        self._size += len(value)
        self._bounded(self._size)

    def _dispatch(self) -> tuple[bytes, bytes] | None:
        name, data = self._name, self._data
        if not data:
            self._name = b""
            return None
        self._name, self._data, self._size = b"", [], 0
        return name, data[0] if len(data) == 1 else b"\n".join(data)

    def _bounded(self, size: int) -> None:
        if size > _LONGEST_EVENT:
            raise TooLong
