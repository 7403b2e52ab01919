"""Every benchmark but the console's, one after the other, each in a process of its own: ``python -m bench``."""

import subprocess
import sys

from bench._processes import ROOT

EVERY = (
    "bus",
    "budgets",
    "governed_call",
    "policy_path",
    "endpoint",
    "router_day",
    "kill_switch",
    "embedded",
    "redaction",
    "ledger_rebuild",
)
LONGEST_S = 300


def main() -> int:
    """The number of those that failed."""
    failed = 0
    for name in EVERY:
        print(f"--- {name}", flush=True)
        failed += (
            subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=ROOT, timeout=LONGEST_S, check=False).returncode != 0
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
