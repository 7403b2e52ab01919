"""What the embedded evaluator leaves behind: nothing."""

import subprocess
import sys

import pytest

PROBE = """
import {entry}
from pathlib import Path
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle, read_bundle
from services.policy.trial import rules_in

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

shipped = read_bundle()
rules = {{rule for source in shipped.modules.values() for rule in rules_in(source)}}
evaluator = EmbeddedEvaluator(Bundle(shipped.modules, shipped.config | {{"modes": dict.fromkeys(sorted(rules), "monitor")}}))
asked = {{
    "tenant": "t", "task_type": "t", "pack": None, "requester": {{"kind": "api_key", "id": "i", "roles": []}}, "attempt": 0,
    "priority": "high", "labels": {{}}, "known_task_types": ["a"], "known_packs": ["b"], "kill": [],
}}
for _ in range(5):
    evaluator.answer("agentos/admission", asked)
before = pages()
for _ in range(20):
    evaluator.answer("agentos/admission", asked)
print((pages() - before) * 4096)
"""


@pytest.mark.parametrize("entry", ["services.policy.__main__", "agentos.cli.embedded"])
def test_decisions_leave_no_memory_behind_however_the_policy_engine_was_started(entry: str) -> None:
    """With the C++ runtime loaded before regopy, these twenty left 40 MB."""
    ran = subprocess.run([sys.executable, "-c", PROBE.format(entry=entry)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.splitlines()[-1]) < 8_000_000
