import pytest

from tests.governance.analyser import InProcess


@pytest.fixture(scope="session")
def pool() -> InProcess:
    return InProcess()
