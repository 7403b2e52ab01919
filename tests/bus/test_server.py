"""The server that `agentos up` and the tests start."""

import socket
from pathlib import Path

import pytest

from agentos.bus import server
from agentos.bus.server import USERS, free_port, load_passwords


def test_a_password_never_looks_like_a_number_to_the_servers_parser_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    """nats-server parses a variable as a configuration value: one that begins with "-" or is all digits stops its start."""
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        passwords = load_passwords(folder)
        assert set(passwords) == set(USERS)
        assert all(password[0].isalpha() for password in passwords.values())
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert load_passwords(folder) == passwords


def test_a_free_port_is_none_that_an_outgoing_connection_may_be_given() -> None:
    """Such a one was taken between the question and the server's start."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [free_port() for _ in range(50)]
    assert all(10_000 <= port < first for port in ports)
    assert len(set(ports)) > 1
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", ports[0]))


def test_where_outgoing_connections_have_all_ports_one_of_those_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text("1024\t65535\n")
    monkeypatch.setattr(server, "_EPHEMERAL", tmp_path / "range")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))
