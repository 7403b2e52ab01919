"""One hostile pack in a real host, and all that it must not reach: a listener for connections, a secret, a neighbour's file."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentos.packhost.listener import Tried
from agentos.packhost.process import Died, EffectFrame, EndedFrame, HostOptions, LogFrame, PackHost, RestFrame
from agentos.sdk import Pack

HOSTILE = Path(__file__).parent / "packs" / "hostile"


@dataclass
class Site:
    """What a hostile pack is told of, and what came of it."""

    x: dict[str, Any]
    connections: list[str] = field(default_factory=list[str])

    def untouched(self) -> bool:
        """Whether nobody knocked and every file is as it was."""
        folder = Path(self.x["secret"]).parent
        names = sorted(path.name for path in folder.iterdir())
        content = Path(self.x["secret"]).read_text(), Path(self.x["neighbour"]).read_text()
        mode = Path(self.x["secret"]).stat().st_mode & 0o777
        return not self.connections and content == ("secret", "neighbour's") and names == ["master.key"] and mode == 0o600


@asynccontextmanager
async def site_in(folder: Path) -> AsyncGenerator[Site]:
    secrets, neighbour, store = folder / "secrets", folder / "packs" / "neighbour", folder / "nats"
    for each in (secrets, neighbour, store):
        each.mkdir(parents=True)
    (secrets / "master.key").write_text("secret")
    (secrets / "master.key").chmod(0o600)
    (neighbour / "data.txt").write_text("neighbour's")
    (store / "stream.blk").write_text("stored")
    x = {"secret": str(secrets / "master.key"), "neighbour": str(neighbour / "data.txt"), "store": str(store)}
    site = Site({**x, "unix": str(folder / "s"), "abstract": folder.name, "marker": str(folder / "marker")})

    def knock(where: str) -> Any:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            site.connections.append(where)
            writer.close()

        return connected

    inet = await asyncio.start_server(knock("inet"), "127.0.0.1", 0)
    port = inet.sockets[0].getsockname()[1]
    named = await asyncio.start_unix_server(knock("unix"), site.x["unix"])
    abstract = await asyncio.start_unix_server(knock("abstract"), "\0" + site.x["abstract"])
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", port))
    datagrams.setblocking(False)
    site.x |= {"port": port, "provider": f"http://127.0.0.1:{port}/v1"}
    try:
        yield site
        with contextlib.suppress(BlockingIOError):
            site.connections.append(f"datagram {datagrams.recv(100)!r}")
    finally:
        datagrams.close()
        for server in (inet, named, abstract):
            server.close()
            await server.wait_closed()


@dataclass
class Outcome:
    """How a run ended, and what was tried by it and by nobody."""

    ended: EndedFrame | Died
    tried: list[Tried]
    unclaimed: list[Tried]
    printed: list[str]


async def run(
    x: dict[str, Any], pack: Path = HOSTILE, *, hang_after: timedelta = timedelta(seconds=60), **options: Any
) -> Outcome:
    """Run the pack's agent once in a host of its own, which counts as hung only after longer than a busy machine makes it wait."""
    printed: list[str] = []
    unclaimed: list[Tried] = []
    tried: list[Tried] = []
    host = await PackHost.start(
        Pack.load(pack),
        HostOptions(mode="agents", hang_after=hang_after, **options),
        lambda _, line: printed.append(line),
        unclaimed.append,
    )
    heard: asyncio.Queue[EffectFrame | RestFrame | EndedFrame | LogFrame | Died | Tried] = asyncio.Queue()
    task = {"id": "t", "type": "main", "attempt": 1}
    host.begin(1, {"t": "agent", "agent": "main", "task": task, "input": x}, heard.put_nowait)
    try:
        while True:
            match await heard.get():
                case Tried() as one:
                    tried.append(one)
                case EndedFrame() | Died() as ended:
                    return Outcome(ended, tried, unclaimed, printed)
                case _:
                    pass
    finally:
        await host.stop()
