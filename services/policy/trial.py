"""Trying a bundle out in a process of its own, before it may decide: rules that crash or loop take nothing with them.

``try_out`` starts ``python -m services.policy.trial``, hands it the bundle, and kills it, with whatever it started, at the deadline.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentos.contracts.errors import Unavailable
from services.policy.apart import ask_apart
from services.policy.bundles import BundleFault, SignedBundle, write_folder
from services.policy.embedded import EmbeddedEvaluator
from services.policy.tables import Case, cases_of, judged, read_tables

DEADLINE = timedelta(seconds=120)
"""The shipped bundle with all its cases takes some ten seconds, and has taken 28 where others had half of the processor."""
SLOWEST_MS = 50.0
"""What the slowest of the probes may take. The shipped rules take half a millisecond."""
_TRIES = 3
_MORE_TRIES_S = 2.0
"""Seconds. Where a processor is lent to others, what they use counts as ours: a few tries may all be slow, those of seconds are not."""
_PROBE_ONLY = "--probe-only"

_RULE = re.compile(r'"rule":\s*"([^"]+)"')


async def try_out(signed: SignedBundle, *, deadline: timedelta = DEADLINE, own_tests: bool = True) -> None:
    """Returns when the bundle compiles, answers every probe, and passes its own cases and tests. Raises BundleFault saying what does not.

    Without ``own_tests`` it is compiled and probed only, which takes half a second instead of some: for rules that another instance
    has tried already. Rego tests are run where there is an ``opa`` on the path; tables of cases always.
    """
    said = await ask_apart(
        "services.policy.trial", [] if own_tests else [_PROBE_ONLY], signed.model_dump_json().encode(), deadline
    )
    try:
        verdict: dict[str, str] = json.loads(said)
    except ValueError:
        raise BundleFault("The rules ended the process that tried them.", code="bundle.uncompilable") from None
    if verdict:
        raise BundleFault(verdict["detail"], code=verdict["code"])


def rules_in(source: str) -> list[str]:
    """The ids of the rules that a module's text names, in its order."""
    return list(dict.fromkeys(_RULE.findall(source)))


def examine(signed: SignedBundle, *, own_tests: bool = True) -> None:
    """The trial itself, in this process. Raises BundleFault."""
    try:
        evaluator = EmbeddedEvaluator(signed.bundle)
    except Unavailable as bad:
        raise BundleFault(bad.detail, code="bundle.uncompilable") from None
    _check_modes(signed)
    _probe(evaluator)
    if not own_tests:
        return
    _run_cases(signed)
    opa = shutil.which("opa")
    if opa is not None and any(name.endswith("_test.rego") for name in signed.tests):
        _run_tests(signed, opa)


def _check_modes(signed: SignedBundle) -> None:
    """A mode for a rule that does not exist is a slip of the pen, and one that would not be obeyed an illusion."""
    modes = signed.config.get("modes", {})
    if not isinstance(modes, dict) or not all(mode in ("enforce", "monitor") for mode in modes.values()):  # pyright: ignore[reportUnknownVariableType] - JSON
        raise BundleFault("config.modes must give each rule it names enforce or monitor.", code="bundle.bad_mode")
    known = {rule for source in signed.modules.values() for rule in rules_in(source)} | _trigger_rules(signed)
    if unknown := sorted(set(map(str, modes)) - known):  # pyright: ignore[reportUnknownArgumentType] - JSON
        raise BundleFault(f"config.modes names rules that do not exist: {', '.join(unknown)}.", code="bundle.bad_mode")


def _trigger_rules(signed: SignedBundle) -> set[str]:
    """Each trigger is a rule of its own, and has its name from the configuration."""
    match signed.config.get("kill"):
        case {"triggers": [*triggers]}:
            return {f"trigger.{trigger['name']}" for trigger in triggers if isinstance(trigger, dict) and "name" in trigger}
        case _:
            return set()


def _probe(evaluator: EmbeddedEvaluator) -> None:
    """Every question that the shipped tables know must be answered, whatever the answer, and soon."""
    for case in cases_of(read_tables()):
        if case.question is not None:
            until, tries, took_ms = time.monotonic() + _MORE_TRIES_S, 0, float("inf")
            while took_ms > SLOWEST_MS and (tries < _TRIES or time.monotonic() < until):
                took_ms, tries = min(took_ms, _answer(evaluator, case)), tries + 1
            if took_ms > SLOWEST_MS:
                raise BundleFault(f"{case.package} takes {took_ms:.0f} ms for one answer.", code="bundle.too_slow")


def _answer(evaluator: EmbeddedEvaluator, case: Case) -> float:
    """Milliseconds of computing: how busy the machine is must not decide about a bundle."""
    began = time.process_time()
    try:
        evaluator.answer(case.package, case.asked)
    except Unavailable as bad:
        raise BundleFault(f"{case.package} does not answer ({case.note}): {bad.detail}", code="bundle.undefined") from None
    return (time.process_time() - began) * 1000


def _run_cases(signed: SignedBundle) -> None:
    try:
        for case, faults in judged(signed.bundle, cases_of(signed.tables)):
            if faults:
                raise BundleFault(f"{case.package}: {case.note}: {'; '.join(faults)[:500]}", code="bundle.case_failed")
    except Unavailable as bad:
        raise BundleFault(bad.detail, code="bundle.case_failed") from None


def _run_tests(signed: SignedBundle, opa: str) -> None:
    with tempfile.TemporaryDirectory(prefix="agentos-bundle-") as name:
        write_folder(signed, Path(name))
        # One test asks all cases; OPA's own bound of 5 s for it would be one on the machine. Whoever tries a bundle out has a deadline.
        ran = subprocess.run([opa, "test", "--timeout", "10m", name], capture_output=True, text=True, check=False)  # noqa: S603 - the operator's program
    if ran.returncode != 0:
        failed = [line for line in (ran.stdout + ran.stderr).splitlines() if "FAIL" in line or "error" in line]
        raise BundleFault(f"The bundle's own tests fail: {'; '.join(failed)[:500]}", code="bundle.tests_failed")


def main() -> None:
    """The child: a bundle on standard input, ``{}`` or the fault on standard output."""
    # The interpreter prints what it does not understand, wherever it likes.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signed = SignedBundle.model_validate_json(sys.stdin.buffer.read())
    verdict: dict[str, Any] = {}
    try:
        examine(signed, own_tests=_PROBE_ONLY not in sys.argv)
    except BundleFault as fault:
        verdict = {"code": fault.code, "detail": fault.detail}
    with answer:
        answer.write(json.dumps(verdict))


if __name__ == "__main__":
    main()


__all__ = ["DEADLINE", "examine", "rules_in", "try_out"]
