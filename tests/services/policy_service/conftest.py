"""Fixtures of the policy service's suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentos.sealing import MasterKey
from tests.conftest import Broker
from tests.governance.analyser import InProcess
from tests.services.policy_service.site import Site


@pytest.fixture(scope="module")
def pool() -> InProcess:
    return InProcess()


@pytest.fixture
async def site(broker: Broker, tmp_path: Path, pool: InProcess) -> AsyncIterator[Site]:
    made = Site(broker, MasterKey.load_or_create(tmp_path / "keys" / "master.key"), pool)
    await made.start()
    yield made
    await made.stop()
