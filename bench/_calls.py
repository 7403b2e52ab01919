"""A runner of the benchmark's own: it asks for model calls on the bus and awaits their settlements, as the runner does for packs."""

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.events.call import CallContext, ModelCallRequested
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.ids import call_id, new_id
from agentos.contracts.model import ModelRequest, user
from agentos.keyring import KeyRing
from agentos.sealing import MasterKey
from bench._processes import MODEL, Installation
from services.runner.answers import Answers

TENANT = "default"
CALLS_PER_TASK = 4

_SYSTEM = (
    "You read what people write to the maintainers of a software project. Say in two sentences what the reporter wants, which part "
    "of the product it concerns, and what a maintainer would have to ask before starting. Do not invent versions or error messages. "
) * 3


def request(number: int) -> ModelRequest:
    """About a kilobyte: an unchanging system prompt, and a text that no one has seen before with two pieces of personal data."""
    text = (
        f"Report {number}: since the upgrade on the {number % 28 + 1}th the nightly export of project {number * 7919 % 10_007} stops after "
        f"{number % 59 + 1} rows. Nothing is in the log except a warning about the cache. My colleague reader{number}@example.org sees "
        "the same on her machine, with the default settings and an empty profile. We tried the previous version and there it works. "
        f"You can reach me at +1 415 555 {number % 9000 + 1000} during the day if you need the export file itself."
    )
    return ModelRequest(model=MODEL, system=_SYSTEM, messages=(user(text),), max_output_tokens=200)


class Caller:
    """Safe to use from many coroutines. Every ``CALLS_PER_TASK`` calls belong to one task with its own data key."""

    def __init__(self, runner: Bus, answers: Answers, gateway: Bus, orchestrator: Bus, master: MasterKey) -> None:
        self._runner = runner
        self._orchestrator = orchestrator
        self._answers = answers
        self._makes = KeyRing(gateway, master)
        self._keys = KeyRing(runner, master)
        self._numbers = itertools.count()
        self._places: list[tuple[str, int]] = []

    async def prepare(self, calls: int) -> None:
        """Make the tasks of the next ``calls`` calls: their data keys and submissions exist before the clock runs."""
        tasks = [new_id() for _ in range(-(-calls // CALLS_PER_TASK))]
        for task in tasks:
            await self._makes.create(TENANT, task)
            submitted = TaskSubmitted(
                type="issue-triage",
                input=await self._makes.seal(TENANT, task, "task.input", b"{}"),
                input_digest=digest(b"{}"),
                requester=Principal(kind="api_key", id="bench"),
            )
            await self._orchestrator.append("task.submitted", task, submitted, tenant=TENANT, correlation_id=task)
        # A task makes its calls one after the other: those in flight together are of different tasks.
        self._places += [(task, step) for step in range(CALLS_PER_TASK) for task in tasks]

    async def call(self) -> Recorded:
        """One governed call: requested, decided, settled. The settlement."""
        task, step = self._places.pop(0)
        asked = request(next(self._numbers))
        context = CallContext(
            task=task, attempt=1, step=step, task_type="issue-triage", pack="engineering", agent="triage", untrusted=True,
            instance=self._runner.instance,
        )  # fmt: skip
        requested = ModelCallRequested(
            context=context,
            model=asked.model,
            request=await self._keys.seal_model(TENANT, task, "call.request", asked),
            digest=digest(asked.model_dump_json().encode()),
            max_output_tokens=asked.max_output_tokens,
        )
        name = call_id(task, step, 0)
        settled = self._answers.wait(f"evt.{TENANT}.call.{name}.settled")
        await self._runner.append("call.requested", name, requested, tenant=TENANT, correlation_id=task)
        return await settled


@asynccontextmanager
async def caller(installation: Installation) -> AsyncGenerator[Caller]:
    """A caller on its own connections, as one more instance of the runner."""
    master = MasterKey.load_or_create(installation.data / "secrets" / "master.key")
    runner = await Bus.connect(installation.settings("runner"), "runner")
    gateway = await Bus.connect(installation.settings("gateway"), "gateway")
    orchestrator = await Bus.connect(installation.settings("orchestrator"), "orchestrator")
    answers = Answers(runner, timedelta(seconds=2))
    await answers.start()
    try:
        yield Caller(runner, answers, gateway, orchestrator, master)
    finally:
        await answers.stop()
        await runner.drain()
        await gateway.drain()
        await orchestrator.drain()
