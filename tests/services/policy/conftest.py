"""A real OPA server for the tests that are marked ``opa``."""

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentos.bus.server import free_port
from services.policy.evaluator import BUNDLE
from tests.opa import opa_binary


@contextmanager
def running_opa(log: Path) -> Generator[str, None, None]:
    """An OPA server without rules; gives its URL and stops it at the end."""
    url = f"http://127.0.0.1:{free_port()}"
    address = url.removeprefix("http://")
    command = [opa_binary(), "run", "--server", "--addr", address, "--skip-version-check", "--log-level", "error"]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            for _ in range(2_000):
                if process.poll() is not None:
                    pytest.fail(f"OPA stopped: {log.read_text()[-500:]}")
                try:
                    with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
                        if answer.status == 200:
                            break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.05)
            else:
                pytest.fail("OPA did not become ready")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def opa_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for the whole session; each evaluator loads its own rules into it."""
    with running_opa(tmp_path_factory.mktemp("opa") / "opa.log") as url:
        yield url


@pytest.fixture
def empty_opa(tmp_path: Path) -> Iterator[str]:
    """A server of this test's own."""
    with running_opa(tmp_path / "opa.log") as url:
        yield url


BundleOf = Callable[..., Path]


@pytest.fixture
def bundle_of(tmp_path: Path) -> BundleOf:
    """Makes a folder with the shipped bundle, some of its files replaced by name (None: left out)."""

    def make(**replaced: str | None) -> Path:
        folder = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
        shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("*_test.rego"))
        for name, content in replaced.items():
            file = folder / name.replace("__", ".")
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(content, "utf-8")
        return folder

    return make
