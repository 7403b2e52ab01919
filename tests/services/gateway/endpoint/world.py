"""The governed endpoint with the real policy and the real gates behind it, and a router by hand: it answers as the test says."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from agentos.bus import Bus, Route
from agentos.bus.provision import provision
from agentos.bus.server import NatsServer, load_passwords
from agentos.bus.topology import PROVISIONER
from agentos.contracts.base import Fault, Principal
from agentos.contracts.budgets import ModelCatalogue, UnitPrice
from agentos.contracts.envelope import Recorded, encode_body
from agentos.contracts.events.approval import ApprovalResolved
from agentos.contracts.events.call import AnswerStreamed, CallDecided, ModelCallRequested, ModelCallSettled
from agentos.contracts.ids import new_id
from agentos.contracts.model import Delta, ModelRequest, ModelResponse, TextDelta, TextPart, Usage, texts
from agentos.contracts.routing import Attempt
from agentos.contracts.subjects import EventSubject
from agentos.contracts.virtualkeys import VirtualKeyTerms
from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from services.gates.handlers import Gates
from services.gates.notifications.targets import Targets
from services.gates.settings import Settings as GatesSettings
from services.gateway.app import create_app, open_gateway
from services.gateway.server import serve_app
from services.gateway.settings import Settings
from services.gateway.state import Gateway
from services.policy.budgets.budgets import Budgets
from services.policy.embedded import EmbeddedEvaluator
from services.policy.handlers import Policy
from services.policy.questions import Decision, InspectionQuestion, ModelCallQuestion, Question
from tests.governance.analyser import InProcess

BY = Principal(kind="service", id="test")
TENANT = "default"
PRICE = UnitPrice(input_usd="0.000001", output_usd="0.000002")  # pyright: ignore[reportArgumentType] - pydantic reads decimals
CATALOGUE = ModelCatalogue(
    providers=("anthropic", "openai"),
    aliases={"fast": ("openai/gpt-fast",), "default": ("openai/gpt-fast",)},
    prices={"openai/gpt-fast": PRICE, "anthropic/claude-fast": PRICE},
)


class Failed(Exception):
    """The provider brings no answer."""

    def __init__(self, fault: Fault, **last: Any) -> None:
        super().__init__(fault.code)
        self.fault = fault
        self.last = last


@dataclass
class Turn:
    """One provider call, as the play sees it."""

    request: ModelRequest
    say: Callable[..., Awaitable[None]]
    stopped: asyncio.Event = field(default_factory=asyncio.Event)


Play = Callable[[Turn], Awaitable[ModelResponse]]


def answer(*parts: Any, **fields: Any) -> ModelResponse:
    found = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    usage = Usage(input_tokens=7, cache_read_tokens=2, cache_write_tokens=1, output_tokens=5, reasoning_tokens=3)
    given: dict[str, Any] = {"provider": "openai", "model": "gpt-fast", "finish_reason": "stop", "usage": usage, **fields}
    return ModelResponse(parts=found, **given)


async def echo(turn: Turn) -> ModelResponse:
    """Says what it was asked last, piece by piece."""
    said = texts(turn.request)[-1]
    for start in range(0, len(said), 5):
        await turn.say(TextDelta(text=said[start : start + 5]))
    return answer(said)


class HandRouter:
    """Carries out what is allowed, by ``play``; settles what is not."""

    def __init__(self, bus: Bus, keys: KeyRing) -> None:
        self.bus, self.keys = bus, keys
        self.play: Play = echo
        self.turns: list[Turn] = []
        self.abandoned: dict[str, str] = {}
        self._running: dict[str, Turn] = {}

    def routes(self) -> list[Route]:
        return [Route("call.decided", self.on_decided, concurrency=512), Route("approval.resolved", self.on_resolved)]

    async def on_decided(self, message: Recorded) -> None:
        decided = message.payload(CallDecided)
        if decided.verdict == "allow":
            await self.execute(message, decided)
        elif decided.verdict == "deny":
            await self.settle(message, decided, outcome="refused", reasons=decided.reasons, attempts=0)

    async def on_resolved(self, message: Recorded) -> None:
        resolved = message.payload(ApprovalResolved)
        subject = EventSubject.parse(message.subject)
        standing = await self.bus.get(f"evt.{subject.tenant}.call.{subject.id}.decided")
        assert standing is not None
        decided = standing.payload(CallDecided)
        if resolved.outcome == "approved":
            await self.execute(message, decided)
        else:
            await self.settle(message, decided, outcome="refused", reasons=(f"approval_{resolved.outcome}",), attempts=0)

    async def execute(self, message: Recorded, decided: CallDecided) -> None:
        subject = EventSubject.parse(message.subject)
        assert decided.redacted_request is not None
        assert decided.placeholders is not None
        key, seq = decided.placeholders.key, 0

        async def say(*deltas: Delta, skip: int = 0, attempt: int = 1) -> None:
            nonlocal seq
            seq += skip
            if not decided.stream:
                return
            written = b"[" + b",".join(delta.model_dump_json().encode() for delta in deltas) + b"]"
            sealed = await self.keys.seal(subject.tenant, key, AnswerStreamed.PURPOSE, written)
            tokens = (subject.tenant, decided.context.instance, subject.id)
            piece = AnswerStreamed(attempt=attempt, target="openai/gpt-5-mini", seq=seq, deltas=sealed)
            await self.bus.stream("call.streamed", tokens, piece, tenant=subject.tenant, cause=message)
            seq += 1

        turn = Turn(decided.redacted_request, say)
        self.turns.append(turn)
        self._running[subject.id] = turn
        playing, stopped = asyncio.create_task(self.play(turn)), asyncio.create_task(turn.stopped.wait())  # type: ignore[arg-type]
        try:
            await asyncio.wait({playing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                fault = Fault(code="abandoned", message="the client that waited for the answer went away")
                await self.settle(message, decided, outcome="cancelled", fault=fault)
                return
            try:
                response = playing.result()
            except Failed as failed:
                last = {
                    "number": 1,
                    "target": "openai/gpt-fast",
                    "started_at": message.meta.time,
                    "duration_ms": 1,
                    "outcome": "failed",
                }
                await self.settle(
                    message, decided, outcome="failed", fault=failed.fault, last=Attempt.model_validate(last | failed.last)
                )
                return
            sealed = await self.keys.seal_model(subject.tenant, key, "call.response", response)
            await self.settle(message, decided, outcome="completed", response=sealed, usage=response.usage)
        finally:
            del self._running[subject.id]
            await end(playing, stopped)

    async def settle(self, message: Recorded, decided: CallDecided, **fields: Any) -> None:
        subject = EventSubject.parse(message.subject)
        settled = ModelCallSettled.model_validate(
            {
                "context": decided.context, "attempts": 1, "provider": "openai", "model": decided.model,
                "placeholders": decided.placeholders, "inspect_first": decided.obligations.get("inspect") == "before", **fields,
            }
        )  # fmt: skip
        await self.bus.append("call.settled", subject.id, settled, tenant=subject.tenant, cause=message)

    async def follow(self) -> None:
        async with aclosing(self.bus.tail(("evt.*.call.*.abandoned",)).updates()) as updates:
            async for raw in updates:
                if raw is None:
                    continue
                recorded = await self.bus.decode(raw)
                id_ = EventSubject.parse(raw.subject).id
                self.abandoned[id_] = recorded.data.reason  # type: ignore[attr-defined]
                if id_ in self._running:
                    self._running[id_].stopped.set()


class Rules(EmbeddedEvaluator):
    """The shipped rules, and on demand a verdict of the test's own."""

    verdict: str | None = None
    reason = "rule.of_the_test"
    obligations: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed
    withhold = False
    asked: list[ModelCallQuestion] = []  # noqa: RUF012 - replaced by reset

    def reset(self) -> None:
        self.verdict, self.obligations, self.withhold, self.asked = None, {}, False, []

    async def decide(self, question: Question) -> Decision:
        decision = await super().decide(question)
        if isinstance(question, InspectionQuestion) and self.withhold:
            return decision.model_copy(update={"verdict": "deny", "reasons": ("inspection.withheld",)})
        if isinstance(question, ModelCallQuestion):
            self.asked.append(question)
            given = {**decision.obligations, **self.obligations}
            if self.verdict is not None:
                return decision.model_copy(update={"verdict": self.verdict, "reasons": (self.reason,), "obligations": given})
            return decision.model_copy(update={"obligations": given})
        return decision


HELD = {
    "approver_roles": ["approver"],
    "quorum": 1,
    "expires_after_s": 600,
    "escalation": [],
    "editable": True,
    "four_eyes": True,
}


@dataclass
class World:
    server: NatsServer
    gateway: Gateway
    router: HandRouter
    rules: Rules
    policy: Policy
    http: httpx.AsyncClient
    url: str
    log: Bus
    """To read what stands in the log."""
    gates_bus: Bus
    keys: dict[str, str] = field(default_factory=dict)

    async def key(self, **terms: Any) -> str:
        """A virtual key that policy and gateway know of."""
        return (await self.key_and_record(**terms))[1]

    async def key_and_record(self, **terms: Any) -> tuple[Any, str]:
        given = VirtualKeyTerms.model_validate({"pack": "support", **terms})
        keys = self.gateway.endpoint.virtual_keys
        record, key = await keys.create(new_id().replace("-", ""), "test", TENANT, given, BY)
        while keys.table.known(record.id) is None or self.policy.virtual_keys.known(record.id) is None:
            await asyncio.sleep(0.01)
        return record, key

    async def resolve(self, approval: str, outcome: str = "approved") -> None:
        """As an approver would, over the API."""
        if "approver" not in self.keys:
            _, self.keys["approver"] = await self.gateway.api_keys.create(
                new_id().replace("-", ""), "ann", ("approver",), TENANT, BY
            )
        headers = {"Authorization": f"Bearer {self.keys['approver']}"}
        digest = (await self.fact("approval", approval, "requested")).data.digest  # type: ignore[attr-defined]
        said = await self.http.post(
            f"/api/v1/approvals/{approval}/resolve",
            headers=headers,
            json={"outcome": outcome, "digest": digest},
        )
        assert said.status_code < 300, said.text

    async def fact(self, aggregate: str, id_: str, fact: str) -> Recorded:
        """Once it stands in the log."""
        while (found := await self.log.get(f"evt.{TENANT}.{aggregate}.{id_}.{fact}")) is None:
            await asyncio.sleep(0.01)
        return found

    async def log_calls(self, key: str) -> list[str]:
        """The ids of the calls that came in with a key."""
        found: list[str] = []
        async with aclosing(self.log.tail(("evt.*.call.*.received",), start="first").updates()) as updates:
            async for raw in updates:
                if raw is None:
                    break
                recorded = await self.log.decode(raw)
                if recorded.payload(ModelCallRequested).context.api_key == key:
                    found.append(EventSubject.parse(raw.subject).id)
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.01)


SETTINGS: dict[str, Any] = {
    "hold_wait": timedelta(seconds=0.5),
    "hold_retry_after": timedelta(seconds=1),
    "stream_begin_after": timedelta(seconds=2),
    "stream_ping": timedelta(seconds=0.2),
}


@asynccontextmanager
async def opened(folder: Path, **settings_of_the_gateway: Any) -> AsyncGenerator[World]:
    """A world of its own."""
    server = NatsServer(folder / "broker", load_passwords(folder / "secrets"))
    await server.start()
    buses: list[Bus] = []

    async def connect(name: str) -> Bus:
        bus = await Bus.connect(server.settings(name), name)
        buses.append(bus)
        return bus

    try:
        await provision(server.settings(PROVISIONER), replicas=1)
        settings = Settings(port=0, data=folder / "data", **{**SETTINGS, **settings_of_the_gateway})
        master = MasterKey.load_or_create(settings.master_key)
        router_bus, policy_bus, gates_bus = await connect("router"), await connect("policy"), await connect("gates")
        await router_bus.bucket("models").put("catalogue", encode_body(CATALOGUE))
        router = HandRouter(router_bus, KeyRing(router_bus, master))
        router_bus.consume(router.routes())
        rules = Rules()
        rules.reset()
        kill = KillSwitch(policy_bus)
        await kill.start()
        budgets = Budgets(policy_bus, rules)
        policy = Policy(policy_bus, rules, InProcess(), KeyRing(policy_bus, master), kill, budgets)
        policy_bus.consume(policy.routes())
        gates = Gates(gates_bus, GatesSettings(kill_second_person_scopes=frozenset()), Targets())
        await gates.reconcile()
        gates_bus.consume(gates.routes())
        beside = [
            asyncio.create_task(router.follow()),
            asyncio.create_task(policy.virtual_keys.follow()),
            asyncio.create_task(policy.agents.follow()),
        ]
        try:
            await asyncio.gather(router_bus.start(), policy_bus.start(), gates_bus.start())
            async with (
                open_gateway(settings, await connect("gateway")) as gateway,
                serve_app(create_app(gateway), "127.0.0.1", 0, timedelta(seconds=2), gateway.draining.set) as served,
                httpx.AsyncClient(base_url=served.url, timeout=60, trust_env=False) as client,
            ):
                await policy.virtual_keys.ready()
                log = await connect("ledger")
                yield World(server, gateway, router, rules, policy, client, served.url, log, gates_bus)
        finally:
            await end(*beside)
            await kill.stop()
            await budgets.close()
            await rules.close()
            for bus in buses:
                await bus.drain()
            await gates.close()
    finally:
        await server.stop()
