"""``python -m services.orchestrator``."""

import sys

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.orchestrator.app import run
from services.orchestrator.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    sys.exit(run_process("orchestrator", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level))
