"""How quick the console's page is in a real browser: event stored to painted, a long timeline, a page that stays open.

    python -m bench.console_page [seconds open] [events a second]

`agentos up` with the simulated model and Chromium on the same machine, one clock. Of an open console the broker and the gateway are not
part: frames like the gateway's are given to the page's own socket handler, as many a second as told; what they make stale is fetched.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

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
        with installation(Path(name)) as (url, key):
            environment = os.environ | {
                "AGENTOS_URL": url, "AGENTOS_KEY": key, "AGENTOS_SENDER_KEY": make_key(url, key, "issue tracker", "operator"),
                "CHROMIUM": chromium, "BENCH_OUT": str(out), "BENCH_SOAK_S": given[0] if given else "60",
                "BENCH_RATE": given[1] if len(given) > 1 else "5000",
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
