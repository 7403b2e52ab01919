"""Who may do what at the edge is what the active rules say: a bundle that is swapped in changes it at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agentos.contracts.base import Principal
from agentos.contracts.permissions import Permissions
from agentos.ending import end
from services.gateway.authorizer import Action, RoleTable, role_table
from services.gateway.identity.callers import Caller
from services.policy.active import ActivePolicy
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle, read_bundle
from services.policy.permissions import KEY, PermissionsTable, ask
from tests.conftest import Broker
from tests.governance.scenario import until


def without(role: str, *actions: str) -> EmbeddedEvaluator:
    """The shipped rules, but for some actions of a role."""
    shipped = read_bundle()
    config: dict[str, Any] = dict(shipped.config)
    config["roles"] = {**config["roles"], role: [one for one in config["roles"][role] if one not in actions]}
    return EmbeddedEvaluator(Bundle(shipped.modules, config))


class Edge:
    """A gateway's authorizer and a policy's table over one broker."""

    def __init__(self, table: RoleTable, active: ActivePolicy, permissions: PermissionsTable) -> None:
        self.table, self.active, self.permissions = table, active, permissions

    async def may(self, role: str, action: Action) -> bool:
        return await self.table.allowed(Caller(Principal(kind="api_key", id="k", roles=(role,)), "t", "k"), action)

    async def turns(self, role: str, action: Action, to: bool) -> None:
        async def look() -> bool | None:
            return True if await self.may(role, action) == to else None

        await until(look)


@pytest.fixture
async def edge(broker: Broker) -> AsyncIterator[Callable[[], Awaitable[Edge]]]:
    tasks: list[asyncio.Task[None]] = []

    async def made() -> Edge:
        policy, gateway = await broker.connect("policy"), await broker.connect("gateway")
        active = ActivePolicy(EmbeddedEvaluator())
        table, permissions = RoleTable(gateway), PermissionsTable(policy, active)
        tasks.extend([asyncio.create_task(table.watch()), asyncio.create_task(permissions.run())])
        return Edge(table, active, permissions)

    yield made
    await end(*tasks)


async def test_the_shipped_rules_say_what_the_shipped_table_says() -> None:
    said = await ask(ActivePolicy(EmbeddedEvaluator()), 0)
    assert {role: frozenset(actions) for role, actions in said.roles.items()} == role_table()


async def test_a_bundle_that_is_swapped_in_takes_a_permission_away_and_the_next_gives_it_back(
    edge: Callable[[], Awaitable[Edge]],
) -> None:
    made = await edge()
    assert await made.may("author", "tasks.submit")
    made.active.swap(without("author", "tasks.submit"), 2)
    await made.turns("author", "tasks.submit", to=False)
    assert await made.may("author", "tasks.read")
    made.active.swap(EmbeddedEvaluator(), 3)
    await made.turns("author", "tasks.submit", to=True)


async def test_rules_that_would_lock_everybody_out_of_mending_them_change_nothing(edge: Callable[[], Awaitable[Edge]]) -> None:
    made = await edge()
    made.active.swap(without("admin", "policy.publish"), 2)
    assert not await made.permissions.write(await ask(made.active, 2))
    assert await made.may("admin", "policy.publish")


async def test_an_instance_that_is_behind_does_not_put_back_what_a_newer_bundle_says(
    edge: Callable[[], Awaitable[Edge]],
) -> None:
    made = await edge()
    newer = await ask(without("viewer", "audit.read"), 7)
    assert await made.permissions.write(newer)
    assert not await made.permissions.write(await ask(EmbeddedEvaluator(), 6))
    await made.turns("viewer", "audit.read", to=False)


async def test_an_entry_that_cannot_be_read_leaves_the_last_one_standing(
    edge: Callable[[], Awaitable[Edge]], broker: Broker
) -> None:
    made = await edge()
    made.active.swap(without("viewer", "audit.read"), 2)
    await made.turns("viewer", "audit.read", to=False)
    bucket = (await broker.connect("policy")).bucket("permissions")
    await bucket.put(KEY, b"no table")
    after = Permissions(version=3, revision="r", roles={"viewer": ("kill.read",)})
    await bucket.put(KEY, after.model_dump_json().encode())
    await made.turns("viewer", "tasks.read", to=False)
    assert not await made.may("viewer", "audit.read")
