"""``python -m services.worker``."""

import sys

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.worker.app import run
from services.worker.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    sys.exit(run_process("worker", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level))
