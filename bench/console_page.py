"""How quick the console's page is in a real browser: event stored to drawn, a long timeline, a page that stays open.

    python -m bench.console_page [events of the open page] [of those a second]

`agentos up` with the simulated model and Chromium on the same machine, one clock. Two hundred events a second for a day are 17 million: an
open page gets a million of them, thousands a second. The broker and the gateway are not part of that: frames like the gateway's are given to
the page's own socket handler; what they make stale is fetched from the gateway.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from tests.installed import ROOT, installation, make_key

CONSOLE = ROOT / "ops-console"


def main() -> None:
    given = sys.argv[1:]
    chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if chromium is None or not (CONSOLE / "dist" / "index.html").is_file():
        print("not measured: Chromium (scripts/install-browser) or the built console (make console) is missing")
        return
    with tempfile.TemporaryDirectory(prefix="agentos-page-") as name:
        out = Path(name) / "figures"
        packs = json.dumps([str(ROOT / "packs"), str(ROOT / "bench" / "packs")])
        with installation(Path(name), AGENTOS_RUNNER_PACKS=packs, AGENTOS_WORKER_PACKS=packs) as (url, key):
            grace = {"username": "grace", "name": "Grace H.", "password": "a long enough password"}
            httpx.post(f"{url}/api/v1/auth/setup", json=grace, timeout=60, trust_env=False).raise_for_status()
            environment = os.environ | {
                "AGENTOS_URL": url, "AGENTOS_KEY": key, "AGENTOS_SENDER_KEY": make_key(url, key, "issue tracker", "operator"),
                "CHROMIUM": chromium, "BENCH_OUT": str(out), "BENCH_EVENTS": given[0] if given else "1000000",
                "BENCH_RATE": given[1] if len(given) > 1 else "8000",
            }  # fmt: skip
            command = ["npx", "playwright", "test", "--config", "bench/playwright.config.ts"]
            ran = subprocess.run(command, cwd=CONSOLE, env=environment, capture_output=True, text=True, check=False)
        for line in out.read_text().splitlines() if out.exists() else []:
            figures = json.loads(line)
            print(f"{figures.pop('what')}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
        if ran.returncode != 0:
            raise SystemExit(ran.stdout[-4_000:])


if __name__ == "__main__":
    main()
