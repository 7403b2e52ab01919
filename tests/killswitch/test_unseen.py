"""A router that cannot see the kill switch starts nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agentos.bus import BrokerSettings, Bus
from agentos.contracts.envelope import digest
from agentos.contracts.events.call import CallContext, ModelCallRequested, ModelCallSettled
from agentos.contracts.ids import call_id, new_id
from agentos.contracts.model import ModelRequest, user
from agentos.keyring import KeyRing
from agentos.sealing import MasterKey
from services.policy import app as policy
from services.policy.settings import Settings as PolicySettings
from services.router import app as router
from services.router.settings import Settings as RouterSettings
from services.runner.answers import Answers
from tests.conftest import Broker
from tests.governance.scenario import submission
from tests.loopback.provider import LoopbackProvider, Status


@asynccontextmanager
async def _services(data: Path, settings: dict[str, BrokerSettings]) -> AsyncGenerator[None]:
    """Policy and router, as they run in production but for the process."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(policy.run(PolicySettings(data=data), settings["policy"], stop)),
        asyncio.create_task(router.run(RouterSettings(data=data), settings["router"], stop)),
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def _request(runner: Bus, keys: KeyRing, task: str) -> str:
    """A model call of ``task``; the subject of its settlement."""
    asked = ModelRequest(model="openai/gpt-5-mini", messages=(user("Say something."),))
    context = CallContext(
        task=task, attempt=1, step=0, task_type="ask", pack="asker", agent="ask", untrusted=False, instance=runner.instance
    )
    requested = ModelCallRequested(
        context=context,
        model=asked.model,
        request=await keys.seal_model("default", task, "call.request", asked),
        digest=digest(asked.model_dump_json().encode()),
        max_output_tokens=asked.max_output_tokens,
    )
    name = call_id(task, 0, 0)
    await runner.append("call.requested", name, requested, tenant="default", correlation_id=task)
    return f"evt.default.call.{name}.settled"


async def test_without_the_broker_no_provider_call_starts_and_the_waiting_one_is_made_when_it_is_back(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider asks for a second try; before it is due the router loses sight of the switch."""
    async with LoopbackProvider() as provider:
        monkeypatch.setenv("OPENAI_API_KEY", "loopback-0000")
        monkeypatch.setenv("OPENAI_BASE_URL", provider.openai_base_url)
        provider.script(Status(503, {"retry-after": "3"}))
        runner, gateway = await broker.connect("runner"), await broker.connect("gateway")
        master = MasterKey.load_or_create(tmp_path / "secrets" / "master.key")
        answers = Answers(runner, timedelta(seconds=1))
        await answers.start()
        async with _services(tmp_path, {name: broker.settings(name) for name in ("policy", "router")}):
            task = new_id()
            await KeyRing(gateway, master).create("default", task)
            orchestrator = await broker.connect("orchestrator")
            await orchestrator.append("task.submitted", task, submission(), tenant="default", correlation_id=task)
            subject = await _request(runner, KeyRing(runner, master), task)
            settled = answers.wait(subject)
            await provider.wait_for(requests=1)
            # The failed attempt is on record, so the router now waits for the second.
            await _stands(runner, subject.replace("settled", "attempted.1"))
            await broker.server.kill()
            await asyncio.sleep(5)
            assert len(provider.requests) == 1, "a provider call began while the kill switch could not be seen"
            await broker.server.start()
            async with asyncio.timeout(120):
                ended = (await settled).payload(ModelCallSettled)
        await answers.stop()
    assert ended.outcome == "completed"
    assert ended.attempts == 2
    assert len(provider.requests) == 2


async def _stands(bus: Bus, subject: str) -> None:
    """Wait until a fact stands on ``subject``."""
    async with asyncio.timeout(120):
        while await bus.get(subject) is None:
            await asyncio.sleep(0.02)
