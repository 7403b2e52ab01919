"""The composition root of the policy service."""

import asyncio
from datetime import timedelta

from agentos.bus import BrokerSettings, Bus
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from agentos.service import serve
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import PolicyEvaluator
from services.policy.handlers import Policy
from services.policy.redaction import Redactor
from services.policy.settings import Settings
from services.policy.triggers import Triggers


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``."""
    master = MasterKey.load_or_create(settings.master_key)
    redactor = await asyncio.to_thread(Redactor)
    evaluator = await _evaluator(settings)

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        kill = KillSwitch(bus)
        await kill.start()
        policy = Policy(bus, evaluator, redactor, KeyRing(bus, master), kill)
        triggers = asyncio.create_task(Triggers(bus, evaluator).run(), name="triggers")
        try:
            bus.consume(policy.routes())
            await bus.start()
            await stop.wait()
        finally:
            triggers.cancel()
            await asyncio.gather(triggers, return_exceptions=True)
            await bus.drain()
            await kill.stop()
            policy.close()
            await evaluator.close()

    await serve("policy", broker, body, stop)


async def _evaluator(settings: Settings) -> PolicyEvaluator:
    if settings.opa_url is None:
        return EmbeddedEvaluator()
    # Imported here: the client and its HTTP stack are needed only where an OPA server is configured.
    from services.policy.opa import OpaEvaluator

    return await OpaEvaluator.connect(settings.opa_url, answer_within=timedelta(milliseconds=settings.opa_timeout_ms))
