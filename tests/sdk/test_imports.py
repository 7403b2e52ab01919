"""A pack author's machine needs little."""

import subprocess
import sys
from pathlib import Path


def test_the_sdk_and_its_harness_import_nothing_of_the_platform_s_services() -> None:
    root = Path(__file__).resolve().parents[2]
    code = "import sys; sys.path.insert(0, sys.argv[1]); import agentos.sdk.testing; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    found = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.split()
    assert not {"nats", "faststream", "structlog", "cryptography", "services", "httpx", "opentelemetry"} & set(found)
