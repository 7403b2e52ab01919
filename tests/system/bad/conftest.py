"""A system that is done wrong by packs and by providers. It ends with this folder: eight processes that idle cost the others their time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from agentos.bus.server import free_port
from tests.loopback.provider import LoopbackProvider
from tests.system.harness import PACKS, Choices, Topology, running


@dataclass
class Shared:
    """One topology for all tests of bad packs and bad providers: what one of them breaks, the next one feels."""

    system: Topology
    good: LoopbackProvider
    """Serves ``default``."""
    bad: LoopbackProvider
    """Serves ``deepseek/...``."""

    async def assert_serves(self) -> None:
        """A good task is done, now."""
        told = await self.system.settled(await self.system.submit("steady", {}))
        assert told["outcome"] == "completed", told
        assert told["result"]["length"] == 10


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """A system that stays up through every misdeed. Anthropic's address is one where nobody listens."""
    routing = tmp_path_factory.mktemp("routing") / "routing.yaml"
    # A breaker would spare the bad provider the next misdeed: here each is tried.
    routing.write_text("timeouts: {attempt_s: 1}\nbreaker: {consecutive: 1000, least: 1000, open_s: 0.05}\n")
    async with LoopbackProvider() as good, LoopbackProvider() as bad:
        router = {
            "DEEPSEEK_API_KEY": "sk-loopback",
            "DEEPSEEK_BASE_URL": bad.base_url,
            "ANTHROPIC_API_KEY": "sk-loopback",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{free_port()}",
            "AGENTOS_ROUTER_CONFIG": str(routing),
        }
        runner = {"AGENTOS_RUNNER_HANG_AFTER": "PT2S", "AGENTOS_RUNNER_SUSPEND_AFTER": "PT0.3S"}
        choices = Choices(packs=(PACKS,), provider_url=good.openai_base_url, extra={"router": router, "runner": runner})
        async with running(tmp_path_factory.mktemp("shared"), choices) as system:
            yield Shared(system, good, bad)
