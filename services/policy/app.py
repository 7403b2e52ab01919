"""The composition root of the policy service."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from agentos.bus import BrokerSettings, Bus
from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from agentos.service import serve
from services.policy.active import ActivePolicy
from services.policy.analysis import AnalysisPool
from services.policy.backtesting import Asked
from services.policy.budgets.budgets import Budgets
from services.policy.budgets.sweeping import Sweeper
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle, PolicyEvaluator, read_bundle
from services.policy.handlers import Policy
from services.policy.permissions import PermissionsTable
from services.policy.publishing import Bundles
from services.policy.settings import Settings
from services.policy.signing import trusted_by
from services.policy.triggers import Triggers


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``."""
    master = MasterKey.load_or_create(settings.master_key)
    trusted = await asyncio.to_thread(trusted_by, settings.trusted_keys, settings.trusted_keys_file, settings.signing_key)

    async def make(bundle: Bundle) -> PolicyEvaluator:
        return await _evaluator(settings, bundle)

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        evaluator = ActivePolicy(await make(read_bundle()))
        bundles = Bundles(bus, evaluator, make, trusted)
        await bundles.start()
        kill = KillSwitch(bus)
        await kill.start()
        pool = AnalysisPool(settings.analysis_workers)
        budgets = Budgets(bus, evaluator)
        policy = Policy(bus, evaluator, pool, KeyRing(bus, master), kill, budgets)
        beside = [
            _beside("policy-bundles", bundles.follow()),
            _beside("virtual-keys", policy.virtual_keys.follow()),
            _beside("agents", policy.agents.follow()),
            _beside("triggers", Triggers(bus, evaluator).run()),
            _beside("budget-sweeper", Sweeper(bus, budgets).run()),
            _beside("permissions", PermissionsTable(bus, evaluator).run()),
            # So that the first call does not wait for a process to start.
            _beside("analysis-warm-up", pool.warm_up()),
        ]
        try:
            bus.consume([*policy.routes(), *bundles.routes(), *Asked(bus, evaluator).routes()])
            await bus.start()
            await stop.wait()
        finally:
            await end(*beside)
            await bus.drain()
            await kill.stop()
            await budgets.close()
            await pool.close()
            await evaluator.close()

    await serve("policy", broker, body, stop)


def _beside(name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work, name=name)


async def _evaluator(settings: Settings, bundle: Bundle) -> PolicyEvaluator:
    if settings.opa_url is None:
        return await asyncio.to_thread(EmbeddedEvaluator, bundle)
    # Imported here: the client and its HTTP stack are needed only where an OPA server is configured.
    from services.policy.opa import OpaEvaluator

    return await OpaEvaluator.connect(settings.opa_url, bundle, answer_within=timedelta(milliseconds=settings.opa_timeout_ms))
