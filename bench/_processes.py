"""The processes that a benchmark measures: `agentos up`, services on their own, the loopback provider. Loopback only."""

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import httpx
import nats
from nats.errors import Error as NatsError
from pydantic import SecretStr

from agentos.bus import BrokerSettings
from agentos.bus.provision import idle_consumers, provision
from agentos.bus.server import NatsServer, find_binary, free_port, load_passwords
from agentos.bus.topology import PROVISIONER, consumers

ROOT = Path(__file__).resolve().parents[1]
MODEL = "openai/gpt-5-mini"
"""What every benchmark calls; the loopback provider answers in its place."""
READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Installation:
    """Services that run in other processes. ``url`` is the gateway's, None where none runs."""

    data: Path
    broker_url: str
    pid: int
    seconds_to_ready: float
    url: str | None = None
    pids: tuple[int, ...] = ()
    """Where services run apart: the broker's process, then theirs."""

    def settings(self, user: str) -> BrokerSettings:
        """How ``user`` reaches the broker."""
        password = (self.data / "secrets" / f"nats-{user}.password").read_text().strip()
        return BrokerSettings(url=self.broker_url, user=user, password=SecretStr(password))

    @property
    def admin_headers(self) -> dict[str, str]:
        """What the API wants to see."""
        return {"Authorization": f"Bearer {(self.data / 'secrets' / 'admin.key').read_text().strip()}"}


@dataclass(frozen=True, slots=True)
class Provider:
    """The loopback provider, in its own process."""

    port: int
    record: Path

    @property
    def environment(self) -> dict[str, str]:
        """Switches the real OpenAI adapter on, towards the loopback provider."""
        return {"OPENAI_API_KEY": "loopback-0000", "OPENAI_BASE_URL": f"http://127.0.0.1:{self.port}/v1"}

    def events(self) -> list[dict[str, Any]]:
        """What it noted so far, with the monotonic clock in nanoseconds that the processes of a machine share."""
        lines = self.record.read_text().splitlines()
        return [cast("dict[str, Any]", json.loads(line)) for line in lines]


@asynccontextmanager
async def provider(folder: Path, *, latency_ms: int = 0, recorded: bool = False) -> AsyncGenerator[Provider]:
    """A provider that answers after ``latency_ms``."""
    record = folder / "provider.jsonl"
    record.touch()
    arguments = ["-m", "tests.loopback.provider", "--latency-ms", str(latency_ms)]
    if recorded:
        arguments += ["--record", str(record)]
    async with process(arguments, {}) as child:
        ready = await line(child, r"ready (\d+)", READY_WITHIN_S)
        yield Provider(int(ready[1]), record)


@asynccontextmanager
async def everything(folder: Path, environment: Mapping[str, str]) -> AsyncGenerator[Installation]:
    """`agentos up`: all services in one process, with a broker of its own."""
    port, began = free_port(), time.perf_counter()
    arguments = ["-m", "agentos.cli", "up", "--data", str(folder), "--port", str(port)]
    async with process(arguments, environment) as child:
        await line(child, r"ready.* at ", READY_WITHIN_S)
        seconds = time.perf_counter() - began
        broker = await line(child, r"broker\s+(nats://\S+)", READY_WITHIN_S)
        yield Installation(folder, broker[1], child.pid, seconds, f"http://127.0.0.1:{port}")


@asynccontextmanager
async def alone(folder: Path, names: tuple[str, ...], environment: Mapping[str, str]) -> AsyncGenerator[Installation]:
    """Some services, each in a process of its own, as in production."""
    server = NatsServer(folder / "broker", load_passwords(folder / "secrets"))
    began = time.perf_counter()
    await server.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        await provision(server.settings(PROVISIONER), replicas=1)
        assert server.process is not None
        port, pids = free_port(), [server.process.pid]
        for name in names:
            settings = {
                "AGENTOS_GATEWAY_PORT": str(port),
                "AGENTOS_NATS_URL": server.url,
                "AGENTOS_NATS_USER": name,
                "AGENTOS_NATS_PASSWORD": server.passwords[name],
                "AGENTOS_DATA": str(folder),
                "AGENTOS_LOG_LEVEL": "WARNING",
            }
            child = await stack.enter_async_context(process(["-m", f"services.{name}"], {**environment, **settings}))
            pids.append(child.pid)
        wanted = {each.name for each in consumers() if each.name.split("-")[0] in names}
        async with asyncio.timeout(READY_WITHIN_S):
            # Polling: nobody tells when a consumer is first pulled from.
            while wanted & set(await idle_consumers(server.settings(PROVISIONER))):
                await asyncio.sleep(0.05)
        url = f"http://127.0.0.1:{port}" if "gateway" in names else None
        if url is not None:
            await _answers(f"{url}/readyz")
        yield Installation(folder, server.url, pids[0], time.perf_counter() - began, url, tuple(pids))


async def _answers(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(READY_WITHIN_S):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def bare_broker(folder: Path) -> AsyncGenerator[str]:
    """A nats-server without users, for floors: its URL."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        find_binary(), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"nats://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                try:
                    client = await nats.connect(url, max_reconnect_attempts=0, error_cb=_quiet)
                except (OSError, NatsError):
                    await asyncio.sleep(0.02)
                else:
                    await client.close()
                    break
        yield url
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def talking(
    arguments: list[str], environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncGenerator[Callable[[str], Awaitable[str]]]:
    """A process that answers each line with a line."""
    async with process(arguments, environment, stdin=asyncio.subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        to, come = child.stdin, child.stdout

        async def ask(line: str) -> str:
            to.write(f"{line}\n".encode())
            await to.drain()
            async with asyncio.timeout(READY_WITHIN_S):
                if told := await come.readline():
                    return told.decode()
            raise RuntimeError(f"{' '.join(arguments)} ended without an answer")

        yield ask


@asynccontextmanager
async def process(
    arguments: list[str],
    environment: Mapping[str, str],
    *,
    stdin: int = asyncio.subprocess.DEVNULL,
    program: str = sys.executable,
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A process of the benchmark's, ended with it."""
    # What a developer's own shell has set for a provider or a service must not change what is measured.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AGENTOS_", "OPENAI_", "ANTHROPIC_"))
    }
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=ROOT,
        env={**inherited, "PYTHONUNBUFFERED": "1", **environment},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.communicate(), timeout=30)
            except TimeoutError:
                process.kill()
                await process.communicate()


async def line(process: asyncio.subprocess.Process, pattern: str, within_s: float) -> re.Match[str]:
    """The first line of its output that matches. Raises RuntimeError when the process ends before."""
    assert process.stdout is not None
    async with asyncio.timeout(within_s):
        async for said in process.stdout:
            if (found := re.search(pattern, said.decode())) is not None:
                return found
    raise RuntimeError(f"the process ended ({await process.wait()}) before it said {pattern!r}")


async def drained(process: asyncio.subprocess.Process) -> None:
    """Read away what it says, so that it never waits for a reader. Until cancelled, or until it ends."""
    assert process.stdout is not None
    while await process.stdout.read(65_536):
        pass


async def _quiet(_: Exception) -> None:
    """Nobody listens yet: tried again."""
