"""One world for all tests of a module: each has keys of its own and leaves the rules and the router as it found them."""

from collections.abc import AsyncIterator, Iterator

import anthropic
import openai
import pytest
import pytest_asyncio

from tests.services.gateway.endpoint.world import World, echo, opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(tmp_path_factory.mktemp("endpoint")) as world:
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    yield shared
    shared.rules.reset()
    shared.router.play = echo
    shared.router.turns.clear()


@pytest_asyncio.fixture(loop_scope="module")
async def client(world: World) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's SDK, pointed here and otherwise as it comes, but for its retries."""
    async with openai.AsyncOpenAI(api_key=await world.key(), base_url=f"{world.url}/v1", max_retries=0) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def claude(world: World) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Anthropic's SDK, as above."""
    async with anthropic.AsyncAnthropic(api_key=await world.key(), base_url=world.url, max_retries=0) as made:
        yield made
