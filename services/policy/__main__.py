"""``python -m services.policy``."""

import sys

from agentos.bus import BrokerSettings
from agentos.service import run_process
from services.policy.app import run
from services.policy.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    sys.exit(run_process("policy", lambda stop: run(settings, BrokerSettings(), stop), settings.log_level))
