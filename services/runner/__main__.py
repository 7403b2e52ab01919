"""``python -m services.runner``."""

import sys

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.runner.app import run
from services.runner.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    sys.exit(run_process("runner", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level))
