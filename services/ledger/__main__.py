"""``python -m services.ledger`` serves; ``python -m services.ledger rebuild`` folds everything again and ends."""

import asyncio
import signal
import sys

import structlog

from agentos.bus import BrokerSettings
from agentos.contracts.errors import AgentOSError
from agentos.telemetry import configure_logging, configure_tracing
from services.ledger.app import rebuild, run
from services.ledger.keys import UnsafeKey
from services.ledger.settings import Settings

log = structlog.get_logger(__name__)


async def _serve() -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(Settings(), BrokerSettings(), stop)
    return 0


async def _rebuild() -> int:
    rebuilt = await rebuild(Settings(), BrokerSettings())
    log.info("ledger_rebuilt", position=rebuilt.position, undecodable=rebuilt.undecodable, same_chain=rebuilt.same_chain)
    if not rebuilt.same_chain:
        log.error("chain_differs", detail="the stream no longer hashes to what the ledger had recorded: it was changed")
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """The exit code: 0 when stopped in order, 1 when the ledger had to stop, 2 for a wrong command."""
    if arguments not in ([], ["rebuild"]):
        sys.stderr.write("usage: python -m services.ledger [rebuild]\n")
        return 2
    configure_logging(Settings().log_level)
    configure_tracing("ledger")
    try:
        return asyncio.run(_rebuild() if arguments else _serve())
    except (AgentOSError, UnsafeKey, ConnectionError) as fault:
        log.error("ledger_stopped", fault=str(fault))  # noqa: TRY400 - the message says what to do; a traceback would bury it
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
