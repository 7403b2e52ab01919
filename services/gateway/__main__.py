"""``python -m services.gateway``: the service as a process of its own, configured by the environment."""

import asyncio
import os
import sys

from agentos.bus import BrokerSettings
from agentos.contracts.errors import AgentOSError
from agentos.telemetry import configure_logging, configure_tracing
from services.gateway.app import run
from services.gateway.settings import GatewaySettings
from services.gateway.webhooks.sources import BadSources


def main() -> None:
    """Run until told to stop. Exit code 1 and one line when the configuration is refused."""
    configure_logging(os.environ.get("AGENTOS_LOG_LEVEL", "INFO"))
    configure_tracing("gateway")
    try:
        asyncio.run(run(GatewaySettings(), BrokerSettings()))
    except (AgentOSError, BadSources, OSError) as refused:
        sys.exit(f"the gateway does not start: {refused}")


if __name__ == "__main__":
    main()
