"""``python -m services.ledger`` serves; ``python -m services.ledger rebuild`` folds everything again and ends."""

import asyncio
import sys

import structlog

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.ledger.app import rebuild, run
from services.ledger.settings import Settings

log = structlog.get_logger(__name__)


class ChainDiffers(Exception):
    """The rebuilt chain is not the one that was recorded before: the stream was changed."""


def main(arguments: list[str]) -> int:
    """The exit code: 0 when stopped in order, 1 when the ledger had to stop, 2 for a wrong command."""
    settings = Settings()

    async def again(stop: asyncio.Event) -> None:
        rebuilt = await rebuild(settings, BrokerSettings(), stop)
        log.info("ledger_rebuilt", position=rebuilt.position, undecodable=rebuilt.undecodable, same_chain=rebuilt.same_chain)
        if not rebuilt.same_chain:
            raise ChainDiffers("the stream no longer hashes to what the ledger had recorded: it was changed")

    match arguments:
        case []:
            return run_process("ledger", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level)
        case ["rebuild"]:
            return run_process("ledger", again, settings.log_level)
        case _:
            sys.stderr.write("usage: python -m services.ledger [rebuild]\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
