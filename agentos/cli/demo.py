"""`agentos demo`: the main job, end to end, on real parts and real input, with its real output on the screen.

Everything is in a data folder of its own and on free ports; all that was started is stopped again.
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from agentos.bus import Bus
from agentos.bus.server import free_port
from agentos.cli.embedded import Choices, Installation, installation
from agentos.contracts.events.call import CallDecided, ModelCallRequested
from agentos.contracts.model import ModelRequest, texts
from agentos.keyring import KeyRing
from agentos.loop import run
from agentos.sealing import MasterKey
from agentos.telemetry import configure_logging, configure_tracing

DELIVERY = Path(__file__).resolve().parents[2] / "packs" / "engineering" / "examples" / "issues.opened.json"
PLANTED = ("alice.liddell@example.com", "+1 415 555 0132", "4111 1111 1111 1111")
"""The personal data in the delivery, to be looked for wherever it must not be."""

TOLD: Mapping[str, str] = {
    "delivery.received": "webhook verified, never seen before",
    "task.submitted": "task exists; its input is sealed under a key of its own",
    "task.queued": "asks to be admitted",
    "task.decided": "policy on the task",
    "task.routed": "router chose a pack",
    "task.started": "runner started the pack in its sandbox",
    "call.requested": "pack asks for a model call",
    "call.decided": "policy on the model call; personal data redacted",
    "call.settled": "model answered",
    "tool.requested": "pack asks for a tool call",
    "tool.decided": "policy on the tool call",
    "approval.requested": "waits for a person",
    "approval.answered": "a person answered",
    "approval.ruled": "policy on the answer",
    "approval.resolved": "the answer counts",
    "task.suspended": "the pack is put away: no memory, no message held",
    "task.resumed": "goes on from its recorded steps",
    "tool.settled": "tool ran",
    "task.ended": "pack finished",
    "task.settled": "task settled",
    "audit.checkpointed": "audit chain signed",
}


class DemoFailed(Exception):
    """Something that the demo promises did not happen."""


@dataclass(slots=True)
class Stage:
    """What the acts of the demo share."""

    console: Console
    client: httpx.AsyncClient
    running: Installation
    secret: bytes
    data: Path
    body: bytes

    async def deliver(self, body: bytes) -> httpx.Response:
        """POST a delivery, signed as GitHub signs it (HMAC-SHA256 over the raw body)."""
        signature = "sha256=" + hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "issues",
            "X-GitHub-Delivery": secrets.token_hex(16),
            "X-Hub-Signature-256": signature,
            "User-Agent": "GitHub-Hookshot/demo",
        }
        return await self.client.post("/api/v1/webhooks/github", content=body, headers=headers)

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET JSON from the API."""
        answer = await self.client.get(f"/api/v1/{path}", params=query)
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json())

    async def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """POST JSON to the API, as the administrator or as whose key it is."""
        headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
        answer = await self.client.post(f"/api/v1/{path}", json=body, headers=headers)
        if answer.is_error:
            raise DemoFailed(f"POST {path}: {answer.status_code} {answer.text}")
        return cast("dict[str, Any]", answer.json())

    def act(self, number: int, title: str) -> None:
        """Head a part of the demo."""
        self.console.print()
        self.console.rule(f"[bold]{number}  {title}", align="left")


def demo(data: Path) -> int:
    """Run the demo in ``data``, which is emptied first. The process's exit code."""
    console = Console(highlight=False, width=min(Console().width, 150))
    _empty(data)
    logs = data / "logs"
    logs.mkdir(parents=True)
    with (logs / "agentos.log").open("a", buffering=1) as stream:
        configure_logging("INFO", stream)
        configure_tracing("embedded")
        began = time.monotonic()
        try:
            run(_play(console, data))
        except DemoFailed as failed:
            console.print(f"[red]the demo failed:[/red] {failed}")
            console.print(f"logs: {logs / 'agentos.log'}")
            return 1
    console.print()
    console.print(
        f"[green]done[/green] in {time.monotonic() - began:.1f} s; everything that was started is stopped. Files: {data}"
    )
    return 0


def _empty(data: Path) -> None:
    """Start from nothing, but delete only what an earlier demo made."""
    marker = data / ".agentos-demo"
    if data.exists() and any(data.iterdir()):
        if not marker.exists():
            raise SystemExit(f"{data} is not empty and was not made by the demo; name another folder with --data")
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    marker.touch()


async def _play(console: Console, data: Path) -> None:
    secret = secrets.token_hex(32)
    secret_file = data / "secrets" / "github.webhook"
    secret_file.parent.mkdir(mode=0o700)
    secret_file.touch(mode=0o600)
    secret_file.write_text(secret)
    sources = data / "sources.json"
    source = {"kind": "github", "secret_file": str(secret_file), "events": {"issues.opened": "issue-triage"}}
    sources.write_text(json.dumps({"github": source}, indent=2))
    simulated = not any(name.endswith("_API_KEY") and os.environ.get(name) for name in os.environ)

    if os.environ.pop("GITHUB_TOKEN", None) is not None:
        console.print("[yellow]GITHUB_TOKEN is set aside: the demo writes replies to its outbox and sends nothing[/yellow]")
    console.print("[bold]AgentOS[/bold]: a signed webhook becomes one governed, durable, audited task")
    if simulated:
        console.print(
            "[yellow]no provider key is set: the model is SIMULATED (a deterministic stand-in that reads its input)[/yellow]"
        )
    began = time.monotonic()
    async with installation(
        Choices(data=data, port=free_port(), sources_file=sources, checkpoint_every=timedelta(seconds=2))
    ) as running:
        console.print(f"broker, 8 services and gateway ready in {time.monotonic() - began:.1f} s at {running.url}")
        key = running.admin_key_file.read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30, trust_env=False) as client:
            stage = Stage(console, client, running, secret.encode(), data, DELIVERY.read_bytes())
            task = await _webhook(stage)
            await _prompts(stage, task)
            await _approval(stage, task)
            await _duplicate(stage, task)
            await _kill(stage)
            await _account(stage)
            await _search_log(stage)
    _grep(console, data)


# --- the acts ---------------------------------------------------------------------------------------------------------


async def _webhook(stage: Stage) -> str:
    stage.act(1, "GitHub delivers issues.opened, signed; the body holds an email address, a phone number and a card number")
    issue = cast("dict[str, Any]", json.loads(stage.body))["issue"]
    stage.console.print(Panel(Text(f"{issue['title']}\n\n{issue['body']}"), title="the issue as it came", border_style="dim"))
    async with _timeline(stage) as lines:
        answer = await stage.deliver(stage.body)
        if answer.status_code != 202:
            raise DemoFailed(f"the delivery was answered {answer.status_code}: {answer.text}")
        task: str = answer.json()["task"]
        stage.console.print(f"POST /api/v1/webhooks/github → {answer.status_code}, task {task}")
        await _show_until(stage, lines, task, "task.suspended", "task.settled")
    return task


async def _prompts(stage: Stage, task: str) -> None:
    stage.act(2, "The prompt as the pack wrote it, and as the provider received it")
    broker = stage.running.broker
    bus = await Bus.connect(broker.settings("gateway"), "gateway")
    try:
        keys = KeyRing(bus, MasterKey.load_or_create(stage.data.resolve() / "secrets" / "master.key"))
        calls = await stage.get(f"tasks/{task}")
        call = next(each["id"] for each in calls["calls"] if each["kind"] == "model")
        requested = await bus.get(f"evt.default.call.{call}.requested")
        decided = await bus.get(f"evt.default.call.{call}.decided")
        if requested is None or decided is None:
            raise DemoFailed("the model call is not in the log")
        asked, ruled = requested.payload(ModelCallRequested), decided.payload(CallDecided)
        clear = await keys.open_model("default", "call.request", asked.request, ModelRequest)
    finally:
        await bus.drain()
    if ruled.redacted_request is None:
        raise DemoFailed("the decision holds no redacted request")
    sent = "\n".join(texts(ruled.redacted_request))
    survived = [value for value in PLANTED if value in sent]
    if survived:
        raise DemoFailed(f"{len(survived)} planted values reached the provider")
    placeholders = [entity.placeholder for entity in ruled.entities]
    wanted = [line for line in texts(clear)[-1].splitlines() if line.strip()]
    left = _marked("\n".join(wanted), PLANTED, "bold red")
    right = _marked(
        "\n".join(line for line in texts(ruled.redacted_request)[-1].splitlines() if line.strip()), placeholders, "bold green"
    )
    half = max(40, (stage.console.width - 4) // 2)
    stage.console.print(
        Columns(
            [
                Panel(left, title="pack wrote (sealed in the log)", width=half, border_style="red"),
                Panel(right, title="provider received", width=half, border_style="green"),
            ]
        )
    )
    stage.console.print(
        f"policy: {ruled.verdict}, rules {', '.join(ruled.rules)}, bundle {ruled.bundle[:12]}; found "
        + ", ".join(f"{entity.entity} → {entity.placeholder}" for entity in ruled.entities)
    )


async def _approval(stage: Stage, task: str) -> None:
    stage.act(3, "Posting the reply is held: a person decides")
    waiting = (await stage.get("approvals", state="pending"))["items"]
    if len(waiting) != 1:
        raise DemoFailed(f"expected one pending approval, found {len(waiting)}")
    approval = waiting[0]
    stage.console.print(
        f"{approval['summary']}\nheld because: {', '.join(approval['reasons'])}; expires {approval['expires_at']}"
    )
    async with _timeline(stage) as lines:
        answer = {"outcome": "approved", "digest": approval["digest"], "comment": "reads well"}
        await stage.post(f"approvals/{approval['id']}/resolve", answer)
        stage.console.print("POST /api/v1/approvals/…/resolve → approved")
        await _show_until(stage, lines, task, "task.settled")
    outcome = await _settled(stage, task)
    if outcome["outcome"] != "completed":
        raise DemoFailed(f"the task ended {outcome['outcome']}: {outcome.get('fault_message')}")
    outbox = sorted((stage.data / "outbox").glob("*.md"))
    if len(outbox) != 1:
        raise DemoFailed(f"expected one reply in the outbox, found {len(outbox)}")
    title = f"outbox/{outbox[0].name[:40]}…  (not sent: GITHUB_TOKEN is not set)"
    stage.console.print(Panel(Text(outbox[0].read_text().strip()), title=title, border_style="cyan"))


async def _duplicate(stage: Stage, task: str) -> None:
    stage.act(4, "GitHub delivers the same thing again")
    answer = await stage.deliver(stage.body)
    told = answer.json()
    count = len((await stage.get("tasks"))["items"])
    stage.console.print(f"POST /api/v1/webhooks/github → {answer.status_code} {json.dumps(told)}; tasks in all: {count}")
    if told.get("task") != task or count != 1:
        raise DemoFailed("the same delivery made a second task")


async def _kill(stage: Stage) -> None:
    stage.act(5, "Kill switch: nothing starts any more")
    switch = (await stage.post("kill", {"scope": "global", "reason": "demo: suspicious replies"}))["id"]
    stage.console.print(f"POST /api/v1/kill → engaged, switch {switch}")
    other = json.loads(stage.body)
    other["issue"]["number"] += 1
    answer = await stage.deliver(json.dumps(other).encode())
    refused = await _settled(stage, answer.json()["task"])
    stage.console.print(
        f"the next delivery's task: [bold red]{refused['outcome']}[/bold red] ({'; '.join(refused['reasons'])})"
    )
    if refused["outcome"] != "refused":
        raise DemoFailed(f"under the kill switch the task ended {refused['outcome']}")
    stopped = await stage.post(f"kill/{switch}/release", {"reason": "demo: looked into it"})
    stage.console.print(f"POST /api/v1/kill/…/release → {stopped['status']}: a global switch takes a second person")
    second = (await stage.post("keys", {"name": "second-person", "roles": ["operator"]}))["key"]
    agreed = {"request": stopped["request"], "reason": "demo: looked as well"}
    await stage.post(f"kill/{switch}/confirm", agreed, key=second)
    left = (await stage.get("kill"))["items"]
    stage.console.print(f"POST /api/v1/kill/…/confirm → released; engaged switches: {len(left)}")
    if left:
        raise DemoFailed("the kill switch is still engaged")


async def _account(stage: Stage) -> None:
    stage.act(6, "What it cost, and whether the log is whole")
    cost = await stage.get("costs", by="model")
    for row in cost["groups"]:
        note = " (simulated: no money was spent)" if row.get("simulated_attempts") else ""
        stage.console.print(
            f"model {row.get('model')}: {row['calls']} call(s), {row['input_tokens']} tokens in, "
            f"{row['output_tokens']} out, {row['cost_usd']} USD{note}"
        )
    verdict = await stage.post("audit/verify", {})
    mark = "[green]intact[/green]" if verdict["ok"] else "[red]BROKEN[/red]"
    stage.console.print(f"audit chain: {mark}, {verdict['events']} events, {verdict['checkpoints']} signed checkpoint(s)")
    if not verdict["ok"]:
        raise DemoFailed(f"the audit chain is broken: {verdict['problems']}")


async def _search_log(stage: Stage) -> None:
    """Look for the planted personal data in every event as it was written: the broker compresses its files."""
    bus = await Bus.connect(stage.running.broker.settings("ledger"), "ledger")
    count, found = 0, 0
    try:
        async with aclosing(bus.tail(("evt.>",), start="first").updates()) as updates:
            async for raw in updates:
                if raw is None:
                    break
                whole = f"{raw.subject} {dict(raw.headers)} ".encode() + raw.body
                count, found = count + 1, found + sum(value.encode() in whole for value in PLANTED)
    finally:
        await bus.drain()
    if found:
        raise DemoFailed(f"{found} planted values stand in clear in the log")
    stage.console.print(f"personal data in clear in {count} events of the log: [green]none[/green]")


def _grep(console: Console, data: Path) -> None:
    """Look for the planted personal data in every file that the run left, the outbox excepted: that is where it belongs."""
    files = [path for path in data.rglob("*") if path.is_file() and "outbox" not in path.parts]
    found = [f"{value!r} in {path}" for path in files for value in PLANTED if value.encode() in path.read_bytes()]
    if found:
        raise DemoFailed("personal data at rest: " + "; ".join(found))
    console.print(f"personal data in clear in {len(files)} files (broker store, SQL, logs): [green]none[/green]")


# --- watching ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _timeline(stage: Stage) -> AsyncGenerator[AsyncGenerator[dict[str, Any]]]:
    """The live events of the API (Server-Sent Events), already connected when the context is entered."""
    async with stage.client.stream("GET", "/api/v1/events/stream", timeout=None) as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        yield _events(lines)


async def _events(lines: Any) -> AsyncGenerator[dict[str, Any]]:
    async for line in lines:
        if line.startswith("data: "):
            yield json.loads(line[6:])


async def _show_until(stage: Stage, events: AsyncGenerator[dict[str, Any]], task: str, *last: str) -> None:
    """Print the task's events as they come, until one of ``last``. Raises DemoFailed after a minute without it."""
    began = time.monotonic()
    async with aclosing(events), asyncio.timeout(60):
        async for event in events:
            if event["correlation_id"] != task:
                continue
            kind, data = event["type"], event["data"]
            stage.console.print(
                f"  [dim]{(time.monotonic() - began) * 1000:6.0f} ms[/dim]  {kind:<20} {TOLD.get(kind, '')} {_detail(kind, data)}"
            )
            if kind in last:
                return


def _detail(kind: str, data: dict[str, Any]) -> str:
    match kind:
        case "task.decided" | "call.decided" | "tool.decided" | "approval.ruled":
            colour = {"allow": "green", "hold": "yellow"}.get(data["verdict"], "red")
            return f"→ [{colour}]{data['verdict']}[/{colour}] ({', '.join(data['rules'] or data['reasons'])})"
        case "task.routed":
            return f"→ {data['pack']}/{data['agent']}"
        case "call.settled":
            label = " [yellow]SIMULATED[/yellow]" if data["simulated"] else ""
            return f"→ {data['outcome']}, {data['provider']}/{data['model']}{label}"
        case "tool.settled" | "task.ended" | "task.settled" | "approval.resolved":
            return f"→ {data['outcome']}"
        case _:
            return ""


async def _settled(stage: Stage, task: str) -> dict[str, Any]:
    """The task once it has settled, as the ledger tells it."""
    for _ in range(200):
        answer = await stage.client.get(f"/api/v1/tasks/{task}")
        if answer.status_code == 200 and answer.json().get("outcome"):
            return cast("dict[str, Any]", answer.json())
        await asyncio.sleep(0.05)
    raise DemoFailed(f"task {task} did not settle within 10 s")


def _marked(text: str, values: list[str] | tuple[str, ...], style: str) -> Text:
    shown = Text(text)
    for value in values:
        shown.highlight_words([value], style)
    return shown
