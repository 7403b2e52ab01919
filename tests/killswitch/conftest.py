"""A whole installation in this process, two small packs, and a real provider on loopback that answers only when it is told to."""

import asyncio
import io
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from agentos.bus import Bus
from agentos.bus.server import free_port
from agentos.cli.embedded import Choices, Installation, installation
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import ModelCallSettled
from tests.loopback.provider import Answer, LoopbackProvider, Stall

MANIFEST = """
name: {name}
version: "1.0.0"
description: Asks the model that its input names.
agents:
  - {{name: ask, entry: "ask:ask", task_types: [{name}-task], timeout_s: 60}}
"""
AGENT = '''"""Asks once."""

from typing import Any

from agentos.sdk import Context


async def ask(ctx: Context, input: dict[str, Any]) -> str:
    return (await ctx.model(input["prompt"], model=input["model"])).text
'''
OPENAI, DEEPSEEK = "openai/gpt-5-mini", "deepseek/deepseek-v4-flash"


@dataclass
class System:
    """What runs, and how a test asks for things and sees what came of them."""

    running: Installation
    provider: LoopbackProvider
    notes: io.StringIO
    client: httpx.AsyncClient
    buses: list[Bus] = field(default_factory=list[Bus])

    def hold(self) -> None:
        """From now on the provider keeps every call until its client goes away."""
        self.provider.always(Stall())

    def answer(self) -> None:
        """From now on the provider answers."""
        self.provider.always(Answer())

    async def submit(self, *, pack: str = "asker", model: str = OPENAI) -> str:
        """A task that makes one model call."""
        body = {"type": f"{pack}-task", "input": {"prompt": "Say something.", "model": model}}
        answer = await self.client.post("/api/v1/tasks", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["task"])

    async def engage(self, scope: str, target: str = "*", mode: str = "halt") -> str:
        """Engage a switch; its id."""
        body = {"scope": scope, "target": target, "mode": mode, "reason": "a test says so"}
        answer = await self.client.post("/api/v1/kill", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def release(self, switch: str, **body: Any) -> None:
        """Take a switch back, with a second person where one is needed."""
        answer = await self.client.post(f"/api/v1/kill/{switch}/release", json={"reason": "a test says so"} | body)
        assert answer.status_code == 200, answer.text
        if answer.json()["status"] != "requested":
            return
        made = await self.client.post("/api/v1/keys", json={"name": f"second-{switch}", "roles": ["operator"]})
        second = {"Authorization": f"Bearer {made.json()['key']}"}
        agreed = {"request": answer.json()["request"], "reason": "so do I"}
        answer = await self.client.post(f"/api/v1/kill/{switch}/confirm", json=agreed, headers=second)
        assert answer.status_code == 200, answer.text

    async def switch(self, switch: str) -> dict[str, Any]:
        """A switch as the API shows it."""
        answer = await self.client.get(f"/api/v1/kill/{switch}")
        assert answer.status_code == 200, answer.text
        return cast("dict[str, Any]", answer.json())

    async def drill(self, rounds: int) -> dict[str, Any]:
        """What a drill comes to."""
        answer = await self.client.post("/api/v1/kill/drills", json={"rounds": rounds, "reason": "a test says so"})
        assert answer.status_code == 201, answer.text
        return cast("dict[str, Any]", answer.json())

    async def ended(self, task: str) -> dict[str, Any]:
        """The task as the API shows it, once it has an outcome."""
        async with asyncio.timeout(120):
            while True:
                answer = await self.client.get(f"/api/v1/tasks/{task}")
                if answer.status_code == 200 and answer.json()["outcome"]:
                    return cast("dict[str, Any]", answer.json())
                await asyncio.sleep(0.05)

    async def history(self) -> list[Recorded]:
        """Every event so far."""
        bus = await Bus.connect(self.running.broker.settings("ledger"), "ledger")
        try:
            events: list[Recorded] = []
            async with aclosing(bus.tail(("evt.>",), start="first").updates()) as updates:
                async for raw in updates:
                    if raw is None:
                        return events
                    events.append(await bus.decode(raw))
            raise AssertionError("the broker went away")
        finally:
            await bus.drain()

    async def settlements(self) -> dict[str, ModelCallSettled]:
        """How each task's model call was settled."""
        return {e.data.context.task: e.data for e in await self.history() if isinstance(e.data, ModelCallSettled)}

    def starts_ns(self) -> list[int]:
        """When each provider call arrived, on the monotonic clock."""
        notes = [json.loads(line) for line in self.notes.getvalue().splitlines()]
        return [note["monotonic_ns"] for note in notes if note["event"] == "request"]

    async def stored_ns(self, switch: str) -> int:
        """When the broker stored the switch's entry, on the same clock."""
        bus = await Bus.connect(self.running.broker.settings("gates"), "gates")
        try:
            entry = await bus.bucket("kill").get(switch)
            assert entry is not None
            return int(entry.created.timestamp() * 1e9) - (time.time_ns() - time.monotonic_ns())
        finally:
            await bus.drain()


@pytest.fixture
async def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """Ready to take tasks; the provider holds every call."""
    packs = tmp_path / "packs"
    for name in ("asker", "other"):
        (packs / name).mkdir(parents=True)
        (packs / name / "pack.yaml").write_text(MANIFEST.format(name=name))
        (packs / name / "ask.py").write_text(AGENT)
    for variable in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith("AGENTOS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AGENTOS_RUNNER_PACKS", json.dumps([str(packs)]))
    notes = io.StringIO()
    async with LoopbackProvider(record=notes) as provider:
        monkeypatch.setenv("OPENAI_API_KEY", "loopback-0000")
        monkeypatch.setenv("OPENAI_BASE_URL", provider.openai_base_url)
        monkeypatch.setenv("DEEPSEEK_API_KEY", "loopback-0000")
        monkeypatch.setenv("DEEPSEEK_BASE_URL", provider.base_url)
        async with installation(Choices(data=tmp_path / "data", port=free_port())) as running:
            headers = {"Authorization": f"Bearer {running.admin_key_file.read_text().strip()}"}
            async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60, trust_env=False) as client:
                made = System(running, provider, notes, client)
                made.hold()
                yield made
                # Whatever the provider still holds would keep the services from leaving for as long as they are patient.
                await made.engage("global")
