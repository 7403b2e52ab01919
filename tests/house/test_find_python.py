"""scripts/find-python: takes a Python that can carry AgentOS, and says what to do when there is none."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "find-python"


def find(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", SCRIPT], env={"PATH": f"{path}:/usr/bin:/bin", **environment}, capture_output=True, text=True, check=False
    )


def stand_in(folder: Path, name: str, script: str) -> None:
    """An executable that shadows the machine's own of that name."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def shadow_all(folder: Path) -> None:
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        stand_in(folder, name, "exit 127")


def test_a_shim_whose_version_is_not_there_is_passed_over(tmp_path: Path) -> None:
    shadow_all(tmp_path)
    stand_in(tmp_path, "python3.12", f'exec {sys.executable} "$@"')
    found = find(tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == str(tmp_path / "python3.12")


def test_without_any_python_it_says_what_to_install(tmp_path: Path) -> None:
    shadow_all(tmp_path)
    found = find(tmp_path)
    assert found.returncode == 1
    assert "needs Python 3.11 or newer" in found.stderr
    assert "apt-get install python3" in found.stderr
    assert found.stdout == ""


def test_a_named_python_is_taken_or_refused_but_never_replaced(tmp_path: Path) -> None:
    named = find(tmp_path, PYTHON=sys.executable)
    assert os.path.realpath(named.stdout.strip()) == os.path.realpath(sys.executable)
    stand_in(tmp_path, "old", "exit 1")
    refused = find(tmp_path, PYTHON=str(tmp_path / "old"))
    assert refused.returncode == 1
    assert str(tmp_path / "old") in refused.stderr
