"""Who may do what at the edge is the rules' business (``agentos.api``). The edge must not wait for an answer at each request, so the rules are
asked once for every role and action, whenever a bundle begins to decide, and the answers stand in a bucket that the gateway follows."""

from typing import get_args

import structlog

from agentos.bus import Bus
from agentos.contracts.errors import AgentOSError, Conflict
from agentos.contracts.permissions import Permissions
from services.policy.active import ActivePolicy
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import Action, ApiQuestion, Asker

log = structlog.get_logger(__name__)

KEY = "roles"
ROLES = ("admin", "operator", "approver", "author", "viewer")
INDISPENSABLE = "policy.publish"
"""Where nobody may do this, nobody could ever mend the rules again."""


async def ask(evaluator: PolicyEvaluator, version: int) -> Permissions:
    """What the rules say of every role. Raises Unavailable when they do not answer."""
    roles: dict[str, tuple[str, ...]] = {}
    revision = evaluator.revision
    for role in ROLES:
        allowed: list[str] = []
        for action in get_args(Action):
            question = ApiQuestion(principal=Asker(kind="api_key", id="any", roles=(role,)), action=action)
            decision = await evaluator.decide(question)
            revision = decision.revision
            if decision.verdict == "allow":
                allowed.append(action)
        roles[role] = tuple(sorted(allowed))
    return Permissions(version=version, revision=revision, roles=roles)


class PermissionsTable:
    """Keeps the bucket in step with the bundle that decides."""

    def __init__(self, bus: Bus, active: ActivePolicy) -> None:
        self._bucket = bus.bucket("permissions")
        self._active = active

    async def run(self) -> None:
        """Write at once, and after every swap, for ever. What fails is logged and tried again with the next swap or start."""
        async for version in self._active.versions():
            try:
                await self.write(await ask(self._active, version))
            except AgentOSError as fault:
                log.warning("permissions_not_written", version=version, code=fault.code, detail=fault.detail)

    async def write(self, said: Permissions) -> bool:
        """Put the table where the gateway sees it; False when a newer bundle's stands there or it would lock everybody out."""
        if not any(INDISPENSABLE in actions for actions in said.roles.values()):
            log.error("permissions_would_lock_out", version=said.version, missing=INDISPENSABLE)
            return False
        value = said.model_dump_json().encode()
        while True:
            entry = await self._bucket.get(KEY)
            standing = None if entry is None or entry.value is None else Permissions.model_validate_json(entry.value)
            if standing is not None and (standing == said or standing.version > said.version):
                return standing == said
            try:
                await (self._bucket.create(KEY, value) if entry is None else self._bucket.update(KEY, value, entry.revision))
            except Conflict:
                continue  # another instance was faster: see what it wrote
            return True


__all__ = ["KEY", "PermissionsTable", "ask"]
