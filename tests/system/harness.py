"""The whole system as an operator runs it: a broker, eight service processes under a supervisor, and a provider on loopback.

Nothing here is a stand-in but the provider, which speaks the real wire format. A process that dies is started again, as systemd or a
container runtime would; ``down`` keeps it away until ``up``.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import SecretStr

from agentos.bus import BrokerSettings
from agentos.bus.provision import idle_consumers, provision
from agentos.bus.server import NatsServer, free_port, load_passwords, start_cluster
from agentos.bus.topology import PROVISIONER, streams
from agentos.contracts.envelope import CORRELATION, Recorded, decode
from agentos.contracts.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PACKS = Path(__file__).resolve().parent / "packs"
BUILT_IN = ROOT / "packs"
DELIVERY = BUILT_IN / "engineering" / "examples" / "issues.opened.json"
LONG_S = 240.0
"""A bound on liveness, never a measurement: far more than anything takes on a busy machine."""


class Process:
    """A program under supervision: its output goes to a file, and when it ends unasked it is started again."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.starts = 0
        self.exits: list[int] = []
        self.sessions: list[int] = []
        """The session of each start: what it started in turn belongs to it as well."""
        self._command = command
        self._environment = dict(environment)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = False

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None
        return self._process.pid

    async def up(self) -> None:
        """Start it, and keep it started."""
        self._wanted = True
        await self._start()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.name}")

    async def down(self, number: signal.Signals = signal.SIGKILL, patience_s: float = 20.0) -> None:
        """Stop it and keep it away. One that ignores SIGTERM for too long is killed; ``exits`` shows the signal then."""
        self._wanted = False
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            try:
                await asyncio.wait_for(self._process.wait(), patience_s)
            except TimeoutError:
                self._process.kill()
        if self._keeper is not None:
            await self._keeper

    def kill(self) -> None:
        """SIGKILL; the supervisor starts it again."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def killed(self) -> None:
        """SIGKILL, and it is gone; the supervisor starts it again."""
        process = self._process
        assert process is not None
        self.kill()
        await process.wait()

    def kill_family(self) -> None:
        """SIGKILL for it and every process below it, at once."""
        for pid in (*_descendants(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _start(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.starts += 1
        self.sessions.append(self._process.pid)

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            self.exits.append(await self._process.wait())
            if not self._wanted:
                return
            await asyncio.sleep(0.1)
            await self._start()


def _alive_in(sessions: set[int]) -> list[str]:
    """The command lines of what still runs in these sessions."""
    found: list[str] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended while we looked
        if int(session) in sessions and state != "Z":
            found.append(f"{folder.name} {command}")
    return found


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_descendants(child)]
    return found


@dataclass(frozen=True)
class Stored:
    """A message as the broker keeps it."""

    stream: str
    seq: int
    subject: str
    headers: dict[str, str]
    body: bytes
    time: str
    raw_headers: bytes = b""

    @property
    def recorded(self) -> Recorded:
        return decode(self.subject, self.headers, self.body, self.seq)


@dataclass(frozen=True)
class Choices:
    """What a test wants otherwise. ``extra`` is environment by service."""

    packs: tuple[Path, ...] = (BUILT_IN,)
    provider_url: str | None = None
    cluster: bool = False
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    duplicate_window_ms: int | None = None
    """How long the broker remembers message ids: short, where a test wants to be beyond it."""


class Topology:
    """The running system. Make it with ``running``."""

    def __init__(self, folder: Path, choices: Choices) -> None:
        self.data = folder / "data"
        self.choices = choices
        self.url = f"http://127.0.0.1:{free_port()}"
        self.brokers: list[NatsServer] = []
        self.services: dict[str, Process] = {}
        self.secret = secrets.token_hex(32)
        self._keepers: list[asyncio.Task[None]] = []
        self._brokers_wanted: set[str] = set()
        self._http: httpx.AsyncClient | None = None
        self._approver: dict[str, str] | None = None

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start everything (again) and wait until it is ready."""
        await self.start_brokers()
        await provision(self.admin, replicas=3 if self.choices.cluster else 1)
        if self.choices.duplicate_window_ms is not None:
            for stream in streams(1):
                if "duplicate_window" in stream or stream["name"] == "EVENTS":
                    config = stream | {"duplicate_window": self.choices.duplicate_window_ms * 1_000_000}
                    answer = await self.api(f"STREAM.UPDATE.{stream['name']}", config)
                    assert "error" not in answer, answer
        await self.start_services()
        await self.ready()

    async def start_brokers(self) -> None:
        passwords = load_passwords(self.data / "secrets")
        if self.brokers:
            await asyncio.gather(*(server.start() for server in self.brokers))
        elif self.choices.cluster:
            self.brokers = await start_cluster(self.data / "broker", passwords, sync_always=True)
        else:
            self.brokers = [NatsServer(self.data / "broker", passwords)]
            await self.brokers[0].start()
        self._brokers_wanted = {server.name for server in self.brokers}
        self._keepers = [asyncio.create_task(self._keep_broker(server)) for server in self.brokers]

    async def start_services(self) -> None:
        for name in SERVICES:
            if name not in self.services:
                log = self.data / "logs" / f"{name}.log"
                log.parent.mkdir(parents=True, exist_ok=True)
                command = [sys.executable, "-m", f"services.{name}"]
                self.services[name] = Process(name, command, self._environment(name), log)
            await self.services[name].up()

    async def stop(self) -> None:
        """Stop everything in order: services drain, the broker goes last."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        await asyncio.gather(*(each.down(signal.SIGTERM) for each in self.services.values()))
        await self.stop_brokers()

    async def assert_nothing_runs(self) -> None:
        """Of all that was ever started, hosts of killed runners included, nothing is left."""
        sessions = {session for process in self.services.values() for session in process.sessions}

        async def none_left() -> bool | None:
            return None if _alive_in(sessions) else True

        await self.until(f"every process has ended, but {_alive_in(sessions)}", none_left, 10)

    async def kill_brokers(self) -> None:
        """SIGKILL for every broker; they stay away until ``start_brokers``."""
        self._brokers_wanted.clear()
        await asyncio.gather(*(server.kill() for server in self.brokers))
        await asyncio.gather(*self._keepers)
        self._keepers = []

    async def stop_brokers(self) -> None:
        self._brokers_wanted.clear()
        await asyncio.gather(*(server.stop() for server in self.brokers))
        await asyncio.gather(*self._keepers)
        self._keepers = []

    async def _keep_broker(self, server: NatsServer) -> None:
        while True:
            assert server.process is not None
            await server.process.wait()
            if server.name not in self._brokers_wanted:
                return
            await asyncio.sleep(0.1)
            await server.start()

    def _environment(self, service: str) -> dict[str, str]:
        packs = json.dumps([str(path) for path in self.choices.packs])
        found = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AGENTOS_DATA": str(self.data),
            "AGENTOS_NATS_URL": self.broker_urls,
            "AGENTOS_NATS_PASSWORD_FILE": str(self.data / "secrets" / f"nats-{service}.password"),
            "AGENTOS_RUNNER_PACKS": packs,
            "AGENTOS_WORKER_PACKS": packs,
        }
        if service == "gateway":
            found |= {"AGENTOS_GATEWAY_PORT": self.url.rsplit(":", 1)[1], "TEST_WEBHOOK_SECRET": self.secret}
            found["AGENTOS_GATEWAY_SOURCES_FILE"] = str(self._sources())
        if service == "router" and self.choices.provider_url is not None:
            found |= {"OPENAI_API_KEY": "sk-loopback", "OPENAI_BASE_URL": self.choices.provider_url}
        return found | dict(self.choices.extra.get(service, {}))

    def _sources(self) -> Path:
        path = self.data / "sources.json"
        source = {"kind": "github", "secret_env": "TEST_WEBHOOK_SECRET", "events": {"issues.opened": "issue-triage"}}
        path.write_text(json.dumps({"github": source}))
        return path

    @property
    def broker_urls(self) -> str:
        """All servers, comma-separated."""
        return ",".join(server.url for server in self.brokers)

    @property
    def admin(self) -> BrokerSettings:
        """The provisioning user's settings."""
        passwords = load_passwords(self.data / "secrets")
        return BrokerSettings(url=self.broker_urls, user=PROVISIONER, password=SecretStr(passwords[PROVISIONER]))

    async def ready(self, without: frozenset[str] = frozenset()) -> None:
        """Wait until the gateway says so and every durable consumer is pulled (those of ``without`` excepted)."""
        last = "nothing"
        async with asyncio.timeout(LONG_S), httpx.AsyncClient(trust_env=False, timeout=60) as client:
            try:
                while True:
                    try:
                        answer = await client.get(f"{self.url}/readyz")
                        idle = [n for n in await idle_consumers(self.admin) if n.split("-", 1)[0] not in without]
                        last = f"{answer.text}; nobody reads {idle}"
                        if answer.status_code == 200 and not idle:
                            return
                    except (httpx.HTTPError, NatsError, OSError) as fault:
                        last = repr(fault)
                    await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                print(f"not ready: {last}")
                raise

    # --- as a sender and as an operator -------------------------------------------------------------------------------

    @property
    def http(self) -> httpx.AsyncClient:
        """A client with the first admin's key."""
        if self._http is None:
            key = (self.data / "secrets" / "admin.key").read_text().strip()
            headers = {"Authorization": f"Bearer {key}"}
            self._http = httpx.AsyncClient(base_url=f"{self.url}/api/v1", headers=headers, timeout=30, trust_env=False)
        return self._http

    async def patiently(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Ask as a good sender does: again, with the same content, on a lost connection, 5xx, 429 and 409 in flight."""
        async with asyncio.timeout(LONG_S):
            while True:
                try:
                    answer = await send()
                except httpx.TransportError:
                    await asyncio.sleep(0.2)
                    continue
                busy = answer.status_code == 409 and answer.json().get("code") == "idempotency_key_in_flight"
                if answer.status_code < 500 and answer.status_code != 429 and not busy:
                    return answer
                await asyncio.sleep(0.2)

    async def deliver(self, body: bytes) -> httpx.Response:
        """POST a delivery as GitHub signs it."""
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "issues",
            "X-GitHub-Delivery": secrets.token_hex(16),
            "X-Hub-Signature-256": "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest(),
        }
        return await self.patiently(lambda: self.http.post("/webhooks/github", content=body, headers=headers))

    async def submit(self, type_: str, input_: dict[str, Any], *, key: str | None = None, **fields: Any) -> str:
        """Make a task over the API; its id."""
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        body = {"type": type_, "input": input_, **fields}
        answer = await self.patiently(lambda: self.http.post("/tasks", json=body, headers=headers))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["task"])

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET JSON."""
        answer = await self.patiently(lambda: self.http.get(path, params=query))
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json())

    async def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """POST JSON."""
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        answer = await self.patiently(lambda: self.http.post(path, json=body, headers=headers))
        assert answer.status_code < 300, answer.text
        return cast("dict[str, Any]", answer.json())

    async def until(self, what: str, check: Callable[[], Awaitable[Any]], within_s: float = LONG_S) -> Any:
        """What ``check`` gives once it gives something. Fails, naming ``what``, when it never does."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if (found := await check()) is not None:
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"{what}: not within {within_s:.0f} s")

    async def settled(self, task: str, within_s: float = LONG_S, outcomes: int = 1) -> dict[str, Any]:
        """The task as the ledger tells it, once it has settled for the ``outcomes``-th time."""

        async def look() -> dict[str, Any] | None:
            answer = await self.patiently(lambda: self.http.get(f"/tasks/{task}"))
            if answer.status_code != 200 or not answer.json().get("outcome"):
                return None
            told = cast("dict[str, Any]", answer.json())
            return told if outcomes == 1 or len(told["attempts"]) >= outcomes else None

        return await self.until(f"task {task} settles", look, within_s)

    async def approval(self, task: str) -> dict[str, Any]:
        """The approval that the task waits for."""

        async def look() -> dict[str, Any] | None:
            items = (await self.get("/approvals", state="pending", task=task))["items"]
            return items[0] if items else None

        return await self.until(f"task {task} asks for approval", look)

    async def resolve(self, approval: str, outcome: str = "approved") -> None:
        """Answer it as an approver, who is somebody else than the admin that submits tasks."""
        if self._approver is None:
            made = await self.post("/keys", {"name": "the test's approver", "roles": ["approver"]}, key="approver")
            self._approver = {"Authorization": f"Bearer {made['key']}", "Idempotency-Key": secrets.token_hex(16)}
        shown = await self.get(f"/approvals/{approval}")
        body = {"outcome": outcome, "digest": shown["digest"], "comment": "by the test"}
        path, headers = f"/approvals/{approval}/resolve", self._approver
        answer = await self.patiently(lambda: self.http.post(path, json=body, headers=headers))
        assert answer.status_code == 200, answer.text

    # --- beneath ------------------------------------------------------------------------------------------------------

    async def stored(self, *streams: str) -> list[Stored]:
        """Every message of the streams (all, buckets included, when none is named), read from the broker itself."""
        async with _client(self.admin) as client:
            names = streams or tuple((await _api(client, "STREAM.NAMES", {}))["streams"])
            return [message for name in names for message in await _messages(client, name)]

    async def events(self, task: str | None = None) -> list[Recorded]:
        """Every event, or those of one task's handling, in stream order."""
        found = await self.stored("EVENTS")
        return [each.recorded for each in found if task is None or each.headers.get(CORRELATION) == task]

    async def dead_letters(self) -> list[Stored]:
        """What nobody could take. Left out is the broker's note that it deleted a message of a work queue, which is how an
        acknowledged one ends whose acknowledgement the consumer forgot in a crash."""
        return [m for m in await self.stored("DLQ") if b"Unacknowledged message was deleted" not in m.body]

    async def api(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """One JetStream API request as the provisioner."""
        async with _client(self.admin) as client:
            return await _api(client, what, body)

    def log_lines(self) -> list[tuple[str, dict[str, Any]]]:
        """Every line of every service's log: (service, parsed line). A line that is no JSON object fails the test."""
        found: list[tuple[str, dict[str, Any]]] = []
        for name in self.services:
            for line in (self.data / "logs" / f"{name}.log").read_text().splitlines():
                parsed = json.loads(line)
                assert isinstance(parsed, dict), f"{name}: {line}"
                found.append((name, cast("dict[str, Any]", parsed)))
        return found

    def logs_tail(self) -> str:
        """What went wrong lately, for a failed test's output."""
        lines = [
            f"{name}: {line[:600]}"
            for name in self.services
            for line in (self.data / "logs" / f"{name}.log").read_text(errors="replace").splitlines()
            if '"info"' not in line and '"debug"' not in line
        ]
        return "\n".join(lines[-40:])


@asynccontextmanager
async def running(folder: Path, choices: Choices | None = None, *, prepare: bool = False) -> AsyncGenerator[Topology]:
    """A topology with everything started (with ``prepare``, nothing yet). All of it is stopped at the end, whatever happens."""
    choices = choices or Choices()
    (folder / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
    topology = Topology(folder, choices)
    try:
        if not prepare:
            await topology.start()
        yield topology
    except BaseException:
        print(topology.logs_tail())
        raise
    finally:
        await topology.stop()


@asynccontextmanager
async def _client(settings: BrokerSettings) -> AsyncGenerator[Client]:
    client = await nats.connect(
        settings.servers, user=settings.user, password=settings.secret(), inbox_prefix=b"_INBOX_provisioner", connect_timeout=60
    )
    try:
        yield client
    finally:
        await client.close()


async def _api(client: Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await client.request(f"$JS.API.{what}", json.dumps(body).encode() if body else b"", timeout=60)
    return cast("dict[str, Any]", json.loads(reply.data))


async def _messages(client: Client, stream: str) -> list[Stored]:
    state = (await _api(client, f"STREAM.INFO.{stream}", {}))["state"]
    found: list[Stored] = []
    for start in range(state["first_seq"], state["last_seq"] + 1, 200):
        wanted = range(start, min(start + 200, state["last_seq"] + 1))
        answers = await asyncio.gather(*(_api(client, f"STREAM.MSG.GET.{stream}", {"seq": seq}) for seq in wanted))
        found += [_stored(stream, answer["message"]) for answer in answers if "message" in answer]
    return found


def _stored(stream: str, message: dict[str, Any]) -> Stored:
    raw = base64.b64decode(message.get("hdrs", ""))
    headers = {
        name.strip(): value.strip()
        for name, colon, value in (line.partition(":") for line in raw.decode("utf-8", "replace").split("\r\n"))
        if colon
    }
    body = base64.b64decode(message.get("data", ""))
    return Stored(stream, message["seq"], message["subject"], headers, body, message["time"], raw)
