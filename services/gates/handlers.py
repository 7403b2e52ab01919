"""Subject → handler: approvals and the kill switch."""

from agentos.bus import Bus, Route
from services.gates.approvals import Approvals
from services.gates.kill import KillSwitches


class Gates:
    """Handlers of the gates."""

    def __init__(self, bus: Bus) -> None:
        self.approvals = Approvals(bus)
        self.kill = KillSwitches(bus)

    def routes(self) -> list[Route]:
        """The handler table."""
        return [*self.approvals.routes(), *self.kill.routes()]

    async def reconcile(self) -> None:
        """At start, make the bucket of kill switches what the log says."""
        await self.kill.reconcile()
