"""The word that whoever sent a command waits for."""

from agentos.bus import Bus
from agentos.contracts.commands import Answer
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError


async def answer_command(bus: Bus, message: Recorded, answer: Answer) -> None:
    """Answer the command ``message``: the last token of its subject is where its sender waits."""
    request = message.subject.rsplit(".", 1)[-1]
    await bus.send("gates.answer", (request,), answer, tenant=message.meta.tenant, cause=message)


def refusal(refused: AgentOSError) -> Answer:
    """A no, with what the sender may want to look at."""
    return Answer(ok=False, code=refused.code, detail=refused.detail, data=refused.fields or None)
