"""The word that whoever sent a command waits for."""

from agentos.bus import Bus
from agentos.contracts.commands import Answer
from agentos.contracts.envelope import Recorded


async def answer_command(bus: Bus, message: Recorded, answer: Answer) -> None:
    """Answer the command ``message``: the last token of its subject is where its sender waits."""
    request = message.subject.rsplit(".", 1)[-1]
    await bus.send("gates.answer", (request,), answer, tenant=message.meta.tenant, cause=message)
