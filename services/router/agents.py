"""Agents: subject → handler for what people do to them. The log is the truth, bucket ``agents`` what the others follow."""

from agentos.bus import Bus, Route
from agentos.contracts.agents import AgentRecord, agent_id
from agentos.contracts.commands import Answer, ControlAgent, ControlPack, RegisterAgent, UnregisterAgent, UpdateAgent
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NotFound, Refused
from agentos.contracts.events.agent import AgentChanged
from agentos.contracts.packs import PackCard
from agentos.contracts.subjects import EventSubject
from services.router.domain import agents as domain
from services.router.domain.agents import Command


class AgentRegistry:
    """Handlers of the router for agents."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket = bus.bucket("agents")
        self._packs = bus.bucket("packs")

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("router.register", self.on_command),
            Route("router.update", self.on_command),
            Route("router.control", self.on_command),
            Route("router.unregister", self.on_command),
            Route("router.control-pack", self.on_pack),
        ]

    async def on_command(self, message: Recorded) -> None:
        """Decide, write the fact, show it, answer. Who comes second with the same revision decides anew."""
        command = message.data
        if not isinstance(command, RegisterAgent | UpdateAgent | ControlAgent | UnregisterAgent):
            raise TypeError(f"unexpected {type(command).__name__}")
        try:
            record = await self._do(message, command)
        except (Refused, NotFound) as refused:
            await self._answer(message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        await self._answer(message, Answer(ok=True, data=record.model_dump(mode="json")))

    async def on_pack(self, message: Recorded) -> None:
        """Change each of the pack's agents: the command is kept until all of them are, whatever stops a router in between."""
        command = message.payload(ControlPack)
        names = await self._agents_of(command.tenant, command.pack)
        changed: list[str] = []
        refused: Refused | None = None
        for name in names:
            one = ControlAgent(
                tenant=command.tenant,
                pack=command.pack,
                agent=name,
                action=command.action,
                reason=command.reason,
                by=command.by,
            )
            try:
                await self._do(message, one)
            except Refused as stands:
                refused = stands  # it is so already, or was taken off meanwhile
            else:
                changed.append(name)
        if changed:
            answer = Answer(ok=True, data={"changed": changed})
        elif refused is not None:
            answer = Answer(ok=False, code=refused.code, detail=refused.detail)
        else:
            detail = f"no installed pack is called {command.pack}, and nobody has registered an agent of it"
            answer = Answer(ok=False, code="not_found", detail=detail)
        await self._answer(message, answer)

    async def _agents_of(self, tenant: str, pack: str) -> list[str]:
        """Those that the pack declares and those registered under its name, without those that were taken off."""
        entry = await self._packs.get(pack)
        named = (
            {agent.name for agent in PackCard.model_validate_json(entry.value).agents}
            if entry is not None and entry.value
            else set[str]()
        )
        for kept in await self._bucket.entries(f"{tenant}."):
            record = AgentRecord.model_validate_json(kept.value or b"")
            if record.pack == pack:
                named = named - {record.agent} if record.state == "unregistered" else named | {record.agent}
        return sorted(named)

    async def _do(self, message: Recorded, command: Command) -> AgentRecord:
        while True:
            try:
                return await self._change(message, command)
            except Conflict:
                continue  # another change was faster: see what it made of the agent

    async def _change(self, message: Recorded, command: Command) -> AgentRecord:
        id_ = agent_id(command.pack, command.agent)
        standing: AgentRecord | None = None
        mine: AgentRecord | None = None
        for event in sorted(await self._bus.load(command.tenant, "agent", id_), key=_ordinal):
            standing = domain.evolve(standing, event.payload(AgentChanged), command.tenant, _ordinal(event), event.meta.time)
            if event.meta.causation_id == message.meta.event_id:
                mine = standing
        if mine is None:
            changed = domain.decide(standing, command, hosted=await self._hosted(command))
            revision = 1 if standing is None else standing.revision + 1
            await self._bus.append(
                "agent.changed", id_, changed, ordinal=revision, tenant=command.tenant, cause=message, correlation_id=id_
            )
            mine = standing = domain.evolve(standing, changed, command.tenant, revision, message.meta.time)
        assert standing is not None, "what this message has changed stands"  # noqa: S101 - an invariant
        await self._show(f"{command.tenant}.{id_}", standing)
        return mine

    async def _show(self, key: str, record: AgentRecord) -> None:
        """Make the bucket say at least this: a later change that is there already stays."""
        value = record.model_dump_json().encode()
        while True:
            present = await self._bucket.get(key)
            try:
                if present is None or present.value is None:
                    await self._bucket.create(key, value)
                elif AgentRecord.model_validate_json(present.value).revision < record.revision:
                    await self._bucket.update(key, value, present.revision)
            except Conflict:
                continue
            return

    async def _hosted(self, command: Command) -> bool:
        entry = await self._packs.get(command.pack)
        if entry is None or not entry.value:
            return False
        return any(agent.name == command.agent for agent in PackCard.model_validate_json(entry.value).agents)

    async def _answer(self, message: Recorded, answer: Answer) -> None:
        request = message.subject.rsplit(".", 1)[-1]
        await self._bus.send("router.answer", (request,), answer, tenant=message.meta.tenant, cause=message)


def _ordinal(event: Recorded) -> int:
    return int(EventSubject.parse(event.subject).ordinal or 0)
