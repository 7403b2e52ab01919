"""A lean HTTP/1.1 client for load: what it costs itself is the same for everyone that is measured, and small.

    python -m bench._load

Reads one JSON line a run (see ``Run``) and answers with one JSON line of milliseconds. It runs in a process of its own.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from typing import Any

_NUMBERS = itertools.count()
_SYSTEM = (
    "You read what people write to the maintainers of a software project. Say in two sentences what the reporter wants, which part "
    "of the product it concerns, and what a maintainer would have to ask before starting. Do not invent versions or error messages. "
)


@dataclass(frozen=True, slots=True)
class Run:
    """``calls`` requests with ``in_flight`` at once."""

    port: int
    model: str
    key: str
    calls: int
    in_flight: int
    stream: bool
    salt: str = ""
    """Makes the texts of this run unlike those of all others: nobody may have seen them before."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds of each call, to its first byte of content and to its end, and of the whole run."""

    first_ms: list[float]
    whole_ms: list[float]
    seconds: float


def body(run: Run, number: int) -> bytes:
    """About half a kilobyte with two pieces of personal data."""
    text = (
        f"Report {run.salt}-{number}: since the upgrade on the {number % 28 + 1}th the nightly export of project {number * 7919 % 10_007} "
        f"stops after {number % 59 + 1} rows. My colleague reader{number}{run.salt}@example.org sees the same on her machine. "
        f"You can reach me at +1 415 555 {number % 9000 + 1000} during the day."
    )
    asked: dict[str, Any] = {
        "model": run.model,
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}],
        "max_tokens": 200,
        "stream": run.stream,
    }
    return json.dumps(asked).encode()


class Connection:
    """One keep-alive connection; a request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> "Connection":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def call(self, run: Run, number: int) -> tuple[float, float]:
        """Milliseconds to the first content and to the end. Raises RuntimeError for anything but a 200 with content."""
        sent = body(run, number)
        began = time.perf_counter()
        self._writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % (run.key.encode(), len(sent)) + sent
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head[:16]:
            raise RuntimeError(f"{head[:200]!r} {await self._reader.read(500)!r}")
        first = 0.0
        got = bytearray()
        async for piece in self._pieces(head):
            got += piece
            if not first and b'"content"' in got and b"word0" in got:
                first = time.perf_counter()
        ended = time.perf_counter()
        if not first:
            raise RuntimeError(f"no content came: {bytes(got[:500])!r}")
        return (first - began) * 1000, (ended - began) * 1000

    async def _pieces(self, head: bytes) -> AsyncGenerator[bytes]:
        if b"transfer-encoding: chunked" in head:
            while size := int((await self._reader.readline()).strip() or b"0", 16):
                yield (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readline()
            return
        left = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        while left:
            piece = await self._reader.read(min(left, 65_536))
            left -= len(piece)
            yield piece


async def load(run: Run) -> Taken:
    """One run."""
    connections = [await Connection.to(run.port) for _ in range(run.in_flight)]
    firsts: list[float] = []
    wholes: list[float] = []
    left = iter(range(run.calls))

    async def one(connection: Connection) -> None:
        for _ in left:
            first, whole = await connection.call(run, next(_NUMBERS))
            firsts.append(first)
            wholes.append(whole)

    began = time.perf_counter()
    try:
        async with asyncio.timeout(240):
            await asyncio.gather(*map(one, connections))
    finally:
        for connection in connections:
            connection.close()
    return Taken(firsts, wholes, time.perf_counter() - began)


def main() -> None:
    """Runs, until the input ends."""
    for line in sys.stdin:
        print(json.dumps(asdict(asyncio.run(load(Run(**json.loads(line)))))), flush=True)


if __name__ == "__main__":
    main()
