"""Subject → handler: approvals, the kill switch and its drills."""

from agentos.bus import Bus, Route
from services.gates.approvals import Approvals
from services.gates.drill import Drills
from services.gates.kill import KillSwitches
from services.gates.settings import Settings


class Gates:
    """Handlers of the gates."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.approvals = Approvals(bus)
        self.kill = KillSwitches(bus, settings.kill_second_person_scopes)
        self.drills = Drills(bus)

    def routes(self) -> list[Route]:
        """The handler table."""
        return [*self.approvals.routes(), *self.kill.routes(), *self.drills.routes()]

    async def reconcile(self) -> None:
        """At start, make the bucket of kill switches what the log says."""
        await self.kill.reconcile()
