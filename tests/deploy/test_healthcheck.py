"""The image's health check, against a real broker: a service that pulls is healthy, one that does not is not."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from agentos.bus import Route
from agentos.contracts.envelope import Recorded

HEALTHCHECK = Path(__file__).resolve().parents[2] / "deploy" / "healthcheck.py"


async def check(service: str, broker: Any) -> tuple[int | None, str]:
    """Run the check as the container would: as the service, with its own password and nothing else."""
    settings = broker.settings(service)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HEALTHCHECK.parents[1]),
        "AGENTOS_SERVICE": service,
        "AGENTOS_NATS_URL": settings.url,
        "AGENTOS_NATS_USER": settings.user,
        "AGENTOS_NATS_PASSWORD": settings.secret(),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HEALTHCHECK), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def take(_: Recorded) -> None:
    """A handler with nothing to do."""


async def test_a_service_is_healthy_while_it_waits_for_messages(broker: Any) -> None:
    bus = await broker.connect("gates")
    bus.consume([Route("checkpoint.decided", take)])
    await bus.start()
    status, said = await check("gates", broker)
    assert status == 0, said


async def test_a_service_that_is_not_there_is_not_healthy(broker: Any) -> None:
    # The check has its own bound, which the engine outlasts by asking again; so does this test on a busy machine.
    async with asyncio.timeout(120):
        while "no answer" in (told := await check("router", broker))[1]:
            pass
    status, said = told
    assert status == 1
    assert "router: no pull waits" in said


async def test_without_a_broker_the_check_says_so_in_one_line(broker: Any) -> None:
    await broker.server.stop()
    status, said = await check("ledger", broker)
    assert status == 1
    assert said.count("\n") == 1, said
