"""Making a task: seal its input, say who asks, and send the command that the orchestrator turns into a fact."""

from typing import Any

from pydantic import ValidationError

from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import SubmitTask
from agentos.contracts.envelope import Recorded, digest, encode_body
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.ids import new_id
from agentos.keyring import KeyRing
from services.gateway.packs import Packs
from services.gateway.problems import FieldError, Problem, from_validation
from services.gateway.state import Gateway

PURPOSE = "task.input"


class _Input(Contract):
    """Serialises the input as every payload is."""

    value: Any


async def command(keys: KeyRing, tenant: str, task: str, clear_input: Any, requester: Principal, **fields: Any) -> SubmitTask:
    """The command for task ``task``. Raises a 422 problem when a field does not fit the contract."""
    plaintext = encode_body(_Input(value=clear_input))[len(b'{"value":') : -1]
    await keys.create(tenant, task)
    sealed = await keys.seal(tenant, task, PURPOSE, plaintext)
    try:
        submitted = TaskSubmitted(input=sealed, input_digest=digest(plaintext), requester=requester, **fields)
    except ValidationError as bad:
        raise from_validation(bad.errors(include_input=False)) from None
    return SubmitTask(request=new_id(), tenant=tenant, task=submitted)


async def send(gateway: Gateway, task: str, made: SubmitTask, *, cause: Recorded | None = None) -> None:
    """Put the command on its stream: from then on the task will be, whatever crashes."""
    await gateway.bus.send("orchestrator.submit", (task,), made, tenant=made.tenant, cause=cause, correlation_id=task)


async def check_known(packs: Packs, task_type: str, pack: str | None) -> None:
    """Raises a 422 problem for a pack or type that no registered pack has. While none of its instances is alive the task waits for one, as
    it does where no pack was ever registered.
    """
    cards = await packs.registered()
    if not cards:
        return
    if pack is not None and all(card.pack != pack for card in cards):
        raise _unknown("pack", "unknown_pack", sorted(card.pack for card in cards))
    types = {str(kind) for card in cards if pack in (None, card.pack) for agent in card.agents for kind in agent.task_types}
    if types and task_type not in types:
        raise _unknown("type", "unknown_task_type", sorted(types))


def _unknown(field: str, code: str, known: list[str]) -> Problem:
    detail = f"no pack has this; known: {', '.join(known[:50])}"
    return Problem(422, code, f"{field}: {detail}", errors=[FieldError(field=field, detail=detail)])


__all__ = ["PURPOSE", "check_known", "command", "send"]
