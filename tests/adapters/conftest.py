"""A loopback provider, and each adapter pointed at it; a server of given bytes, and the adapters of one provider pointed at that."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from adapters.anthropic import AnthropicAdapter
from adapters.gemini import GeminiAdapter
from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter
from adapters.port import ModelAdapter
from adapters.registry import from_environment
from agentos.contracts.model import ModelRequest, ModelResponse
from tests.loopback.provider import LoopbackProvider
from tests.loopback.raw import RawServer

REAL_PROVIDERS = ("openai", "anthropic", "gemini", "deepseek", "ollama")
KEY = "test-key-0123456789"

Complete = Callable[..., Awaitable[ModelResponse]]


@pytest.fixture
async def server() -> AsyncIterator[LoopbackProvider]:
    async with LoopbackProvider() as running:
        yield running


class Adapters(dict[str, ModelAdapter]):
    """Each adapter, switched on the way the router does it, on first use: SDK clients take long to build."""

    def __init__(self, server: LoopbackProvider) -> None:
        super().__init__()
        self._environ = {
            "openai": {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.openai_base_url},
            "anthropic": {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.base_url},
            "gemini": {"GEMINI_API_KEY": KEY, "GEMINI_BASE_URL": server.base_url},
            "deepseek": {"DEEPSEEK_API_KEY": KEY, "DEEPSEEK_BASE_URL": server.base_url},
            "ollama": {"OLLAMA_HOST": f"127.0.0.1:{server.port}"},
            "simulated": {},
        }

    def __missing__(self, provider: str) -> ModelAdapter:
        self[provider] = from_environment(self._environ[provider])[provider][0][1]
        return self[provider]


@pytest.fixture
async def adapters(server: LoopbackProvider) -> AsyncIterator[dict[str, ModelAdapter]]:
    built = Adapters(server)
    yield built
    for adapter in built.values():
        await adapter.close()


@pytest.fixture(params=REAL_PROVIDERS)
def adapter(request: pytest.FixtureRequest, adapters: dict[str, ModelAdapter]) -> ModelAdapter:
    """Each adapter that talks HTTP, in turn."""
    return adapters[request.param]


@pytest.fixture(params=[*REAL_PROVIDERS, "simulated"])
def any_adapter(request: pytest.FixtureRequest, adapters: dict[str, ModelAdapter]) -> ModelAdapter:
    """Each adapter in turn, the simulated one too."""
    return adapters[request.param]


@pytest.fixture
def complete() -> Complete:
    """One call with the arguments that seldom matter filled in."""

    async def call(
        adapter: ModelAdapter, request: ModelRequest, *, model: str = "model-1", timeout_s: float = 20
    ) -> ModelResponse:
        answer = await adapter.complete(request, model=model, timeout=timedelta(seconds=timeout_s), idempotency_key="call-1-a1")
        return answer.response

    return call


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with RawServer() as running:
        yield running


@pytest.fixture
async def claude(raw: RawServer) -> AsyncIterator[AnthropicAdapter]:
    built = AnthropicAdapter(api_key=KEY, base_url=f"http://127.0.0.1:{raw.port}")
    yield built
    await built.close()


@pytest.fixture
async def gemini(raw: RawServer) -> AsyncIterator[GeminiAdapter]:
    built = GeminiAdapter(api_key=KEY, base_url=f"http://127.0.0.1:{raw.port}")
    yield built
    await built.close()


class ByResponses(OpenAICompatibleAdapter):
    """A server that is asked by Responses."""

    def by_responses(self, request: ModelRequest, model: str) -> bool:
        return bool(request or model)


@pytest.fixture
async def compatible(raw: RawServer) -> AsyncIterator[OpenAICompatibleAdapter]:
    """Some server that is asked by chat completions."""
    built = OpenAICompatibleAdapter(Dialect(provider="house"), api_key="k", base_url=f"http://127.0.0.1:{raw.port}/v1")
    yield built
    await built.close()


@pytest.fixture
async def responses(raw: RawServer) -> AsyncIterator[OpenAICompatibleAdapter]:
    """Some server that is asked by Responses."""
    built = ByResponses(Dialect(provider="house"), api_key="k", base_url=f"http://127.0.0.1:{raw.port}/v1")
    yield built
    await built.close()
