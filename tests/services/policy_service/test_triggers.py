"""Triggers on a real broker: what happened is counted by every instance, too much of it engages a switch once."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from agentos.bus import Bus
from agentos.contracts.commands import ReleaseKill
from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.events.kill import KillEngaged, KillReleased, KillTightened
from agentos.contracts.model import Cost
from agentos.ending import end
from services.gates.handlers import Gates
from services.gates.settings import Settings
from services.policy import triggers as shell
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import BUNDLE, read_bundle
from services.policy.triggers import Triggers
from tests.conftest import Broker
from tests.governance.scenario import OPERATOR, TENANT, context, decision, event, until

SPEND = {
    "name": "spend", "scope": "pack", "metric": "spend_usd", "window": "5m", "limit": 5, "mode": "drain", "cool_down_s": 3600,
}  # fmt: skip
ERRORS = {
    "name": "errors", "scope": "provider", "metric": "error_rate", "window": "1m", "limit": 0.5, "min_count": 10, "mode": "halt",
    "cool_down_s": 3600,
}  # fmt: skip
DENIALS = {
    "name": "denials", "scope": "tenant", "metric": "denial_rate", "window": "1m", "limit": 0.9, "min_count": 10, "mode": "halt",
    "cool_down_s": 3600,
}  # fmt: skip


class Site:
    """Gates, and instances of the triggers over rules of a test's own."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.tasks: list[asyncio.Task[None]] = []
        self.number = 0

    async def start(self, *triggers: dict[str, Any], **modes: str) -> "Site":
        shutil.copytree(BUNDLE, self.folder, ignore=shutil.ignore_patterns("*_test.rego"))
        data = json.loads((BUNDLE / "data.json").read_text())
        data["config"] |= {"kill": {"triggers": triggers}, "modes": {f"trigger.{name}": mode for name, mode in modes.items()}}
        (self.folder / "data.json").write_text(json.dumps(data))
        self.router = await self.broker.connect("router")
        self.gates = await self.broker.connect("gates")
        gates = Gates(self.gates, Settings())
        self.gates.consume(gates.routes())
        await self.gates.start()
        return self

    async def watch(self) -> Bus:
        """One more instance of the policy."""
        bus = await self.broker.connect("policy")
        self.policy = bus
        self.tasks.append(asyncio.create_task(Triggers(bus, EmbeddedEvaluator(read_bundle(self.folder))).run()))
        return bus

    async def settle(self, outcome: str = "completed", usd: str = "0", *, pack: str = "engineering", many: int = 1) -> None:
        for _ in range(many):
            self.number += 1
            settled = ModelCallSettled.model_validate(
                {
                    "context": context(pack=pack),
                    "outcome": outcome,
                    "attempts": 1,
                    "provider": "openai",
                    "model": "gpt-5-mini",
                    "cost": Cost.model_validate({"usd": usd, "priced": True}),
                }
            )
            await self.router.append("call.settled", f"c{self.number}", settled, tenant=TENANT, correlation_id="t1")

    async def switches(self) -> list[KillEngaged]:
        found = [await self.gates.load(TENANT, "kill", key) for key in await self.gates.bucket("kill").keys()]
        return [one.data for events in found for one in events if isinstance(one.data, KillEngaged)]


@pytest.fixture
async def site(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(shell, "_ASK_EVERY_S", 0.1)
    made = Site(broker, tmp_path / "rules")
    yield made
    await end(*made.tasks)


async def test_spend_that_reaches_its_limit_engages_one_switch_from_three_instances(site: Site) -> None:
    await site.start(SPEND)
    for _ in range(3):
        await site.watch()
    await site.settle(usd="1.25", many=3)
    await site.settle(usd="1.25", pack="sales", many=3)
    await asyncio.sleep(0.5)
    assert await site.switches() == []
    await site.settle(usd="1.25")
    (engaged,) = await until(site.switches)
    assert (engaged.scope, engaged.target, engaged.mode, engaged.trigger) == ("pack", "engineering", "drain", "spend")
    assert engaged.by.id == "policy"
    assert "spend_usd of pack engineering is at its limit within 5m" in engaged.reason
    await site.settle(usd="9")
    await asyncio.sleep(0.5)
    assert len(await site.switches()) == 1


async def test_a_trigger_on_monitor_engages_nothing_and_tells_once_what_it_would_have_done(site: Site) -> None:
    def told() -> float:
        return REGISTRY.get_sample_value("agentos_kill_trips_monitored_total", {"rule": "trigger.spend"}) or 0.0

    async def said() -> bool:
        return told() > before

    before = told()
    await site.start(SPEND, SPEND | {"name": "more", "limit": 50}, spend="monitor")
    await site.watch()
    await site.settle(usd="9")
    await until(said)
    await site.settle(usd="50")
    (engaged,) = await until(site.switches)
    assert (engaged.trigger, told()) == ("more", before + 1)


async def test_an_instance_that_starts_later_counts_what_happened_before(site: Site) -> None:
    await site.start(SPEND)
    await site.settle(usd="2.5", many=2)
    await site.watch()
    assert (await until(site.switches))[0].trigger == "spend"


async def test_errors_count_once_there_are_enough_calls_and_cancellations_do_not(site: Site) -> None:
    await site.start(ERRORS)
    await site.watch()
    await site.settle("failed", many=9)
    await site.settle("cancelled", many=9)
    await site.settle("refused", many=9)
    await asyncio.sleep(0.5)
    assert await site.switches() == []
    await site.settle("failed")
    (engaged,) = await until(site.switches)
    assert (engaged.scope, engaged.target, engaged.mode) == ("provider", "openai", "halt")


async def test_what_a_kill_switch_denies_does_not_count_as_a_denial(site: Site) -> None:
    await site.start(DENIALS)
    policy = await site.watch()
    for number in range(20):
        denied = decision("deny", reasons=("kill_switch", "the kill switch k1 stops everything"))
        await policy.append("call.decided", f"k{number}", denied, tenant=TENANT, correlation_id="t1")
    await asyncio.sleep(0.5)
    assert await site.switches() == []
    for number in range(10):
        await policy.append("call.decided", f"d{number}", decision("deny"), tenant=TENANT, correlation_id="t1")
    assert (await until(site.switches))[0].scope == "tenant"


async def test_on_probation_fresh_evidence_tightens_the_switch_and_old_evidence_does_not(site: Site) -> None:
    await site.start(SPEND | {"cool_down_s": 1})
    await site.watch()
    await site.settle(usd="9")
    await until(site.switches)
    (switch,) = await site.gates.bucket("kill").keys()
    gateway = await site.broker.connect("gateway")
    ease = ReleaseKill(tenant=TENANT, switch=switch, stage="probation", reason="looked into it", by=OPERATOR)
    await gateway.send("gates.release", ("r1",), ease, tenant=TENANT)
    await event(gateway, f"kill.{switch}.eased.1")
    await asyncio.sleep(1.5)
    await site.settle(usd="1")
    await asyncio.sleep(1.5)
    assert await gateway.get(f"evt.{TENANT}.kill.{switch}.tightened.1") is None
    await site.settle(usd="9")
    assert (await event(gateway, f"kill.{switch}.tightened.1")).payload(KillTightened).trigger == "spend"
    assert len(await site.switches()) == 1
    assert not [one for one in await gateway.load(TENANT, "kill", switch) if isinstance(one.data, KillReleased)]
