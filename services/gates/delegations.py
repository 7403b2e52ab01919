"""Delegations: subject → handler, and the shell around the domain. The log is the truth, bucket ``delegations`` what others list."""

from datetime import UTC, datetime

from agentos.bus import Bus, Route
from agentos.contracts.commands import Answer, DelegateApprovals, RevokeDelegation
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Refused
from agentos.contracts.events.approval import DelegationGranted
from services.gates.answers import answer_command, refusal
from services.gates.domain import delegations as domain


class Delegations:
    """Handlers of the gates for delegations."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket = bus.bucket("delegations")

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("gates.delegate", self.on_delegate), Route("gates.undelegate", self.on_undelegate)]

    async def on_delegate(self, message: Recorded) -> None:
        """A person lends another their powers: the fact, then the list."""
        command = message.payload(DelegateApprovals)
        id_ = message.subject.rsplit(".", 1)[-1]
        standing = await self._bus.get(f"evt.{command.tenant}.delegation.{id_}.granted")
        try:
            granted = standing.payload(DelegationGranted) if standing is not None else domain.grant(command, datetime.now(UTC))
        except Refused as refused:
            await answer_command(self._bus, message, refusal(refused))
            return
        if standing is None:
            await self._bus.append("delegation.granted", id_, granted, tenant=command.tenant, cause=message, correlation_id=id_)
        if await self._bus.get(f"evt.{command.tenant}.delegation.{id_}.revoked") is None:
            await self._bucket.put(f"{command.tenant}.{id_}", granted.model_dump_json().encode())
        await answer_command(self._bus, message, Answer(ok=True, data=granted.model_dump(mode="json")))

    async def on_undelegate(self, message: Recorded) -> None:
        """Take a delegation back: the fact first, for it is what answers are checked against."""
        command = message.payload(RevokeDelegation)
        events = await self._bus.load(command.tenant, "delegation", command.delegation)
        try:
            if not any(event.meta.causation_id == message.meta.event_id for event in events):
                revoked = domain.revoke([event.data for event in events], command)
                await self._bus.append(
                    "delegation.revoked",
                    command.delegation,
                    revoked,
                    tenant=command.tenant,
                    cause=message,
                    correlation_id=command.delegation,
                )
        except Refused as refused:
            await answer_command(self._bus, message, refusal(refused))
            return
        await self._bucket.delete(f"{command.tenant}.{command.delegation}")
        await answer_command(self._bus, message, Answer(ok=True, data={"delegation": command.delegation}))

    async def reconcile(self) -> None:
        """At start, strike off the list what has ended."""
        now = datetime.now(UTC)
        for entry in await self._bucket.entries():
            try:
                over = DelegationGranted.model_validate_json(entry.value or b"").until <= now
            except ValueError:
                over = True
            if over:
                await self._bucket.delete(entry.key)
