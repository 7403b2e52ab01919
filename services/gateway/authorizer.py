"""Who may do what: a port, and the role table behind it that the policy bundle reads too (``agentos/contracts/roles.json``)."""

import json
from functools import cache
from importlib.resources import files
from typing import Literal, Protocol, get_args

from agentos.contracts.base import Principal

Action = Literal[
    "tasks.read", "tasks.submit", "tasks.cancel", "tasks.retry",
    "approvals.read", "approvals.resolve", "approvals.delegate",
    "kill.read", "kill.engage", "kill.release", "kill.drill",
    "audit.read", "audit.export",
    "policy.read", "policy.publish",
    "privacy.erase", "privacy.export", "payloads.reveal",
    "cost.read", "budgets.read", "packs.read", "events.read",
    "keys.manage", "metrics.read",
]  # fmt: skip
Role = Literal["admin", "operator", "approver", "author", "viewer"]

ACTIONS: tuple[Action, ...] = get_args(Action)
ROLES: tuple[Role, ...] = get_args(Role)


class Authorizer(Protocol):
    """Decides whether a principal may take an action. An error or an unknown role is a no."""

    async def allowed(self, principal: Principal, action: Action) -> bool: ...


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
    """The authorizer that reads the role table."""

    async def allowed(self, principal: Principal, action: Action) -> bool:
        """True when one of the principal's roles has the action."""
        table = role_table()
        return any(action in table.get(role, frozenset()) for role in principal.roles)
