"""Accounts and sessions from the command line."""

from typing import Any

from tests.cli.test_cli import agentos, run
from tests.services.gateway.identity.people import OTHER, PASSWORD, Browser

__all__ = ["run"]


async def test_somebody_is_given_an_account_other_roles_another_password_and_is_let_out(edge: Any, run: Any) -> None:
    made = await run(
        "user", "create", "Grace", "--role", "operator", "--keep-password", "--password-stdin", "--json", stdin=PASSWORD + "\n"
    )
    assert made.code == 0, made.err
    assert PASSWORD not in made.out
    listed = await run("user", "list")
    assert "grace" in listed.out
    assert "may sign in" in listed.out
    async with Browser(edge.url, **{"User-Agent": "a browser"}) as grace:
        assert (await grace.login("grace")).status_code == 200
        [session] = (await run("session", "list", "--json")).json()["items"]
        assert (session["username"], session["agent"]) == ("grace", "a browser")
        assert "is over" in (await run("session", "revoke", session["id"])).out
        assert (await grace.refresh()).status_code == 401
        assert (await run("user", "roles", "grace", "--role", "viewer")).code == 0
        assert (await run("user", "password", "GRACE", "--password-stdin", stdin=OTHER + "\n")).code == 0
        user = (await grace.login("grace", OTHER)).json()["user"]
        assert (user["roles"], user["must_change"]) == (["viewer"], True)
        assert (await run("user", "disable", "grace")).code == 0
        assert (await grace.login("grace", OTHER)).status_code == 401
        assert "disabled" in (await run("user", "list")).out
        assert (await run("user", "enable", user["id"])).code == 0
        assert (await grace.login("grace", OTHER)).status_code == 200


async def test_what_is_wrong_with_a_person_is_said(edge: Any, run: Any) -> None:
    weak = await run("user", "create", "grace", "--role", "viewer", "--password-stdin", stdin="short\n")
    assert weak.code == 1
    assert "at least 12 characters" in weak.err
    unknown = await run("user", "disable", "nobody")
    assert unknown.code == 1
    assert "nobody of your tenant" in unknown.err


async def test_a_key_with_scopes_and_an_end_says_so(edge: Any, run: Any) -> None:
    made = (await run("key", "create", "ci", "--role", "admin", "--scope", "tasks.read", "--expires", "1h", "--json")).json()
    assert (made["scopes"], made["expires_at"] > made["created_at"]) == (["tasks.read"], True)
    refused = await agentos("pack", "list", url=edge.url, AGENTOS_API_KEY=made["key"])
    assert refused.code == 1
    assert "scopes" in refused.err
    assert "tasks.read" in (await run("key", "list")).out
