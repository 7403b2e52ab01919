"""The broker goes away for a while: nothing is called, callers are told so, and afterwards everything goes on by itself."""

import asyncio
from collections import Counter
from pathlib import Path

from agentos.contracts.services import SERVICES
from tests.loopback.provider import LoopbackProvider
from tests.system.harness import DELIVERY, PACKS, Choices, running


async def test_without_a_broker_nothing_is_called_and_nothing_is_promised(tmp_path: Path) -> None:
    """What the provider was already asked may finish; its answer is kept, and no service has to be started again."""
    async with LoopbackProvider(latency=0.5) as provider:
        async with running(tmp_path, Choices(packs=(PACKS,), provider_url=provider.openai_base_url)) as system:
            tasks = await asyncio.gather(*(system.submit("steady", {}) for _ in range(10)))
            await asyncio.wait_for(provider.wait_for(requests=5), 120)
            await system.kill_brokers()
            await asyncio.wait_for(provider.wait_for(in_flight=0), 120)
            asked = len(provider.requests)

            ready = await system.http.get(f"{system.url}/readyz")
            assert (ready.status_code, ready.json()["checks"]["broker"]) == (503, "not connected")
            alive = await system.http.get(f"{system.url}/healthz")
            assert alive.status_code == 200
            refused = [
                await system.http.post("/tasks", json={"type": "steady", "input": {}}),
                await system.http.post("/kill", json={"scope": "global", "reason": "test"}),
                await system.http.post("/webhooks/github", content=DELIVERY.read_bytes()),
            ]
            for answer in refused:
                assert answer.status_code == 503
                assert answer.headers["content-type"].startswith("application/problem+json")
                assert "retry-after" in answer.headers
            # Longer than any publish is tried on its own (5 tries): what is held then must still not be lost.
            await asyncio.sleep(6)
            assert len(provider.requests) == asked, "nothing began after what was under way had ended"

            await system.start_brokers()
            told = await asyncio.gather(*(system.settled(task) for task in tasks))
            assert {each["outcome"] for each in told} == {"completed"}
            calls = Counter(request.headers["idempotency-key"].rpartition("-")[0] for request in provider.requests)
            assert Counter(calls.values()) == {1: 20}, "each of the two calls of each task was asked for once"
            assert {name: process.starts for name, process in system.services.items()} == dict.fromkeys(SERVICES, 1)
            assert (await system.post("/audit/verify", {}))["ok"]
