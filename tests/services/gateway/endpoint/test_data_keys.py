"""Data keys made ahead: each is given out once, and whoever waits for a block waits for the same one."""

import asyncio
from pathlib import Path

import pytest

from agentos.contracts.errors import RetryLater
from agentos.keyring import KeyRing
from agentos.sealing import MasterKey
from agentos.sealing.blocks import BLOCK_KEYS, place_of
from services.gateway.endpoint.data_keys import DataKeys
from tests.conftest import Broker

TENANT = "default"


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    return MasterKey.load_or_create(tmp_path / "keys" / "master.key")


async def test_many_calls_at_once_get_a_key_each_and_the_broker_has_it_before_they_do(
    broker: Broker, master: MasterKey
) -> None:
    data_keys = DataKeys(KeyRing(await broker.connect("gateway"), master))
    policy = KeyRing(await broker.connect("policy"), master)

    async def call() -> str:
        name = await data_keys.take(TENANT)
        assert len(await policy.data_key(TENANT, name)) == 32
        return name

    names = await asyncio.gather(*(call() for _ in range(3 * BLOCK_KEYS)))
    assert len(set(names)) == len(names)
    assert 3 <= len({place_of(name).entry for name in names}) <= 4
    others = await data_keys.take("other")
    assert place_of(others).entry not in {place_of(name).entry for name in names}
    await data_keys.close()


async def test_a_call_that_is_given_up_does_not_take_the_block_from_the_others(broker: Broker, master: MasterKey) -> None:
    data_keys = DataKeys(KeyRing(await broker.connect("gateway"), master))
    one, two = (asyncio.create_task(data_keys.take(TENANT)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert place_of(await two).nth == 0
    await data_keys.close()


class Away(KeyRing):
    """A key ring whose broker does not answer, until it does."""

    away = True

    async def make_block(self, tenant: str) -> list[tuple[str, bytes]]:
        if self.away:
            raise RetryLater("the broker did not acknowledge", code="broker_unavailable")
        return await super().make_block(tenant)


async def test_without_the_broker_there_is_no_key_and_once_it_is_back_there_is(broker: Broker, master: MasterKey) -> None:
    keys = Away(await broker.connect("gateway"), master)
    data_keys = DataKeys(keys)
    for _ in range(2):
        with pytest.raises(RetryLater):
            await data_keys.take(TENANT)
    keys.away = False
    names = [await data_keys.take(TENANT) for _ in range(BLOCK_KEYS // 2)]
    keys.away = True
    names += [await data_keys.take(TENANT) for _ in range(BLOCK_KEYS // 2)]
    assert len(set(names)) == BLOCK_KEYS, "what was made ahead is given out as long as there is any"
    with pytest.raises(RetryLater):
        await data_keys.take(TENANT)
    await data_keys.close()
