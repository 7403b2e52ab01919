"""What the suites of the deciding services share: payloads, and small parts on a real bus."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from agentos.bus import Bus
from agentos.contracts.base import Contract, Principal, Sealed, Verdict
from agentos.contracts.channels import BY_NAME
from agentos.contracts.commands import Answer
from agentos.contracts.envelope import Meta, Recorded, digest
from agentos.contracts.events.approval import ApprovalRequested
from agentos.contracts.events.call import CallContext, CallDecided
from agentos.contracts.events.kill import KillScope
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.ids import new_id
from agentos.contracts.model import ModelRequest, user
from agentos.contracts.subjects import fill
from agentos.killswitch import KillEntry

T = TypeVar("T")

TENANT = "default"
OPERATOR = Principal(kind="api_key", id="ops", roles=("operator",))
APPROVER = Principal(kind="api_key", id="anna", roles=("approver",))
SEALED = Sealed(key="t1", purpose="task.input", nonce=b"n" * 12, ciphertext=b"c" * 16)


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """The first true value of ``look``. The suite's time-out ends a wait for what never comes."""
    while True:
        if found := await look():
            return found
        await asyncio.sleep(0.02)


async def event(bus: Bus, subject: str) -> Recorded:
    """The event on ``subject``, as soon as it stands."""
    return await until(lambda: bus.get(f"evt.{TENANT}.{subject}"))


async def answer(gateway: Bus, service: str, request: str) -> Answer:
    """What ``service`` answered to a request."""
    tail = gateway.tail((f"ans.{service}.{request}",), stream="ANSWERS", start="first").updates()
    try:
        async for raw in tail:
            if raw is not None:
                return (await gateway.decode(raw)).payload(Answer)
    finally:
        await tail.aclose()
    raise AssertionError("the connection was closed")


def message(
    channel: str, tokens: tuple[str, ...], payload: Contract, *, correlation_id: str | None = None, deliveries: int = 1
) -> Recorded:
    """A delivery as the bus hands it to a handler; handing the same one over twice is a redelivery."""
    row = BY_NAME[channel]
    subject, id_ = fill(row.pattern, *tokens), new_id()
    meta = Meta(id_, row.schema, TENANT, correlation_id or tokens[-1], id_, datetime.now(UTC))
    return Recorded(subject, row, meta, payload, 0, deliveries)


def submission(**fields: Any) -> TaskSubmitted:
    """A task with nothing special but ``fields``."""
    return TaskSubmitted.model_validate(
        {"type": "triage", "input": SEALED, "input_digest": "d", "requester": OPERATOR} | fields
    )


def context(task: str = "t1", *, attempt: int = 1, step: int = 1, pack: str = "engineering") -> CallContext:
    """A call's owner."""
    return CallContext(
        task=task, attempt=attempt, step=step, task_type="triage", pack=pack, agent="a", untrusted=True, instance="r1"
    )


def decision(verdict: Verdict = "allow", *, task: str = "t1", model: str = "openai/gpt-5-mini", **fields: Any) -> CallDecided:
    """The verdict on a model call of ``task``."""
    request = ModelRequest(model=model, messages=(user("Hello <EMAIL_1>"),))
    return CallDecided.model_validate(
        {
            "context": context(task),
            "kind": "model",
            "verdict": verdict,
            "reasons": ("because",),
            "rules": ("r",),
            "bundle": "b",
            "digest": digest(b"the request"),
            "model": model,
            "redacted_request": request,
            "placeholders": SEALED.model_copy(update={"key": "family", "purpose": "placeholders"}),
        }
        | fields
    )


def approval(task: str = "t1", **fields: Any) -> ApprovalRequested:
    """An open approval."""
    return ApprovalRequested.model_validate(
        {
            "context": context(task),
            "kind": "tool",
            "target": "github.comment",
            "requester": OPERATOR,
            "summary": "s",
            "preview": {},
            "reasons": (),
            "digest": "d",
            "approver_roles": ("approver",),
            "expires_at": datetime(2099, 1, 1, tzinfo=UTC),
        }
        | fields
    )


def switch(
    scope: KillScope = "global", target: str = "*", *, id_: str = "k1", tenant: str = TENANT, **fields: Any
) -> KillEntry:
    """An engaged switch."""
    said = {"switch": id_, "tenant": tenant, "scope": scope, "target": target, "reason": "a test", "by": OPERATOR}
    return KillEntry.model_validate(said | {"engaged_at": datetime(2026, 1, 1, tzinfo=UTC)} | fields)


async def engage(gates: Bus, entry: KillEntry) -> None:
    """Put a switch where the services see it."""
    await gates.bucket("kill").put(entry.switch, entry.model_dump_json().encode())
