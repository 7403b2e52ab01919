"""What the suites of the whole system share."""

from collections.abc import AsyncIterator

import pytest

from tests.loopback.provider import LoopbackProvider


@pytest.fixture
async def provider() -> AsyncIterator[LoopbackProvider]:
    """A model provider on loopback, in this process."""
    async with LoopbackProvider() as server:
        yield server
