"""``python -m services.gates``."""

import sys

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.gates.app import run
from services.gates.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    sys.exit(run_process("gates", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level))
