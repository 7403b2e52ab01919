"""``python -m services.router``."""

import sys

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.router.app import run
from services.router.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    sys.exit(run_process("router", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level))
