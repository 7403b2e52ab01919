"""Subject → handler: approvals, votes, deadlines, delegations, kill switches, drills and notifications."""

from agentos.bus import Bus, Route
from agentos.contracts.envelope import Recorded
from services.gates.approvals import Approvals
from services.gates.deadlines import Deadlines
from services.gates.delegations import Delegations
from services.gates.drill import Drills
from services.gates.kill import KillSwitches
from services.gates.notifications import Notifications
from services.gates.notifications.targets import Targets
from services.gates.records import ApprovalRecords
from services.gates.settings import Settings
from services.gates.votes import Votes


class Gates:
    """Handlers of the gates."""

    def __init__(self, bus: Bus, settings: Settings, targets: Targets | None = None) -> None:
        records = ApprovalRecords(bus)
        self.kill = KillSwitches(bus, settings.kill_second_person_scopes)
        self.deadlines = Deadlines(bus, records, self.kill)
        self.approvals = Approvals(bus, records, self.deadlines)
        self.votes = Votes(bus, records)
        self.delegations = Delegations(bus)
        self.drills = Drills(bus)
        self.notifications = Notifications(bus, targets or Targets())

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            *self.approvals.routes(),
            *self.votes.routes(),
            *self.deadlines.routes(),
            *self.delegations.routes(),
            *self.kill.routes(),
            *self.drills.routes(),
            *self.notifications.routes(),
            Route("kill.engaged", self.on_switched),
            Route("kill.released", self.on_switched),
        ]

    async def on_switched(self, message: Recorded) -> None:
        """A switch is engaged or released: clocks stop or go on, and people are told."""
        await self.deadlines.on_changed(message)
        await self.notifications.on_fact(message)

    async def reconcile(self) -> None:
        """At start, make the buckets what the log says."""
        await self.kill.reconcile()
        await self.delegations.reconcile()

    async def close(self) -> None:
        """Let go of connections."""
        await self.notifications.close()
