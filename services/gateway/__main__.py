"""``python -m services.gateway``."""

import sys

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.gateway.app import run
from services.gateway.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    sys.exit(run_process("gateway", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level))
