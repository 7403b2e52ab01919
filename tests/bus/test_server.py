"""The server that `agentos up` and the tests start."""

from pathlib import Path

from agentos.bus.server import USERS, load_passwords


def test_a_password_never_looks_like_a_number_to_the_servers_parser_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    """nats-server parses a variable as a configuration value: one that begins with "-" or is all digits stops its start."""
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        passwords = load_passwords(folder)
        assert set(passwords) == set(USERS)
        assert all(password[0].isalpha() for password in passwords.values())
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert load_passwords(folder) == passwords
