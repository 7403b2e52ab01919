"""Who may do what: a port, and the role table behind it that the policy bundle reads too (``agentos/contracts/roles.json``)."""

import json
from collections.abc import Iterable
from contextlib import aclosing
from functools import cache
from importlib.resources import files
from typing import Literal, Protocol, get_args

import structlog

from agentos.bus import Bus
from agentos.contracts.permissions import Permissions
from services.gateway.identity.callers import Caller

log = structlog.get_logger(__name__)

Action = Literal[
    "tasks.read", "tasks.submit", "tasks.cancel", "tasks.retry", "tasks.update",
    "approvals.read", "approvals.resolve", "approvals.delegate",
    "kill.read", "kill.engage", "kill.release", "kill.drill",
    "audit.read", "audit.export",
    "policy.read", "policy.publish",
    "privacy.erase", "privacy.export", "payloads.reveal",
    "cost.read", "budgets.read", "packs.read", "events.read",
    "agents.manage", "agents.control", "agents.heartbeat",
    "keys.manage", "users.read", "users.manage", "metrics.read", "deadletters.manage", "deadletters.adopt",
]  # fmt: skip
Access = Action | Literal["anyone", "signed-in"]
"""What a route asks of its callers."""
Role = Literal["admin", "operator", "approver", "author", "viewer"]

ACTIONS: tuple[Action, ...] = get_args(Action)
ROLES: tuple[Role, ...] = get_args(Role)


class Authorizer(Protocol):
    """Decides whether a caller may take an action. An error or an unknown role is a no."""

    async def allowed(self, caller: Caller, action: Action) -> bool: ...

    async def actions(self, caller: Caller) -> frozenset[str]:
        """All that a caller may do."""
        ...

    async def within(self, caller: Caller, roles: Iterable[str], scopes: Iterable[str] | None) -> bool:
        """Whether all that ``roles``, limited to ``scopes``, may do is the caller's own to give away."""
        ...


@cache
def role_table() -> dict[str, frozenset[str]]:
    """Actions by role. Raises ValueError when the file names an action or a role that this code does not know, or lacks one."""
    raw = json.loads(files("agentos.contracts").joinpath("roles.json").read_text(encoding="utf-8"))
    table = {role: frozenset(actions) for role, actions in raw["roles"].items()}
    strangers = {action for actions in table.values() for action in actions} ^ set(ACTIONS)
    if strangers or set(table) != set(ROLES) or set(raw["actions"]) != set(ACTIONS):
        raise ValueError(f"roles.json and the gateway's routes differ: {sorted(strangers) or sorted(set(table) ^ set(ROLES))}")
    return table


class RoleTable:
    """What policy says the active rules let each role do; until it has said so for the first time, the table that AgentOS ships."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("permissions")
        self._table = role_table()
        self._version = -1

    async def allowed(self, caller: Caller, action: Action) -> bool:
        """True when one of the caller's roles has the action and their own bounds leave it in."""
        return caller.covers(action) and action in self._of(caller.principal.roles)

    async def actions(self, caller: Caller) -> frozenset[str]:
        """What the caller's roles have and their own bounds leave in."""
        return frozenset(action for action in self._of(caller.principal.roles) if caller.covers(action))

    async def within(self, caller: Caller, roles: Iterable[str], scopes: Iterable[str] | None) -> bool:
        """True when nobody gets more than the caller has."""
        given = self._of(roles)
        return (given if scopes is None else given & frozenset(scopes)) <= await self.actions(caller)

    def _of(self, roles: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self._table.get(role, frozenset()) for role in roles))

    async def watch(self) -> None:
        """Follow what policy says, for ever. An entry that cannot be read leaves the last one standing."""
        async with aclosing(self._bucket.watch()) as entries:
            async for entry in entries:
                if entry is None or entry.value is None:
                    continue
                try:
                    said = Permissions.model_validate_json(entry.value)
                except ValueError:
                    log.error("permissions_unreadable", key=entry.key)
                    continue
                if said.version >= self._version:
                    self._version = said.version
                    self._table = {role: frozenset(actions) for role, actions in said.roles.items()}
                    log.info("permissions_changed", version=said.version, revision=said.revision)
