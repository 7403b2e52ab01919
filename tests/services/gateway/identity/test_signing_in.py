"""Signing in over HTTP and a real broker: what opens, what does not, and what the log says of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.services.gateway.identity.people import CSRF, OTHER, PASSWORD, Browser, facts, person
from tests.services.gateway.test_webhooks_http import problem


@pytest.fixture
async def ada(edge: Any) -> AsyncIterator[Browser]:
    """The first administrator, signed in."""
    async with Browser(edge.url) as browser:
        assert (await browser.http.get("/api/v1/auth/setup")).json() == {
            "needed": True,
            "proof": "none",
            "provider": None,
            "returning": False,
        }
        made = await browser.set_up()
        assert made.status_code == 201, made.text
        yield browser


async def test_the_first_administrator_is_made_once_from_this_machine_and_is_signed_in(edge: Any, ada: Browser) -> None:
    me = (await ada.ask("GET", "auth/me")).json()
    assert (me["kind"], me["username"], me["roles"], me["must_change"]) == ("user", "ada", ["admin"], False)
    assert "users.manage" in me["actions"]
    assert (await ada.ask("GET", "tasks")).status_code == 200
    assert (await ada.http.get("/api/v1/auth/setup")).json() == {
        "needed": False,
        "proof": "key",
        "provider": None,
        "returning": True,
    }
    assert problem(await ada.set_up("eve")) == (409, "setup_done")
    assert [each["change"] for each in await facts(edge, "user", "changed")] == ["created"]
    assert [each["method"] for each in await facts(edge, "session", "opened")] == ["setup"]


async def test_of_many_first_administrators_at_once_one_is_made(edge: Any) -> None:
    async with Browser(edge.url) as browser:
        made = await asyncio.gather(*(browser.set_up(f"ada{number}") for number in range(5)))
    assert sorted(answer.status_code for answer in made) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-For": "203.0.113.9"}, (401, "setup_proof_missing")),
        ({"Host": "evil.example"}, (401, "setup_proof_missing")),
        ({"Origin": "https://evil.example"}, (403, "cross_site")),
        ({"Sec-Fetch-Site": "cross-site"}, (403, "cross_site")),
        ({"Content-Type": "text/plain"}, (415, "not_json_type")),
    ],
)
async def test_the_first_administrator_needs_proof_that_no_foreign_page_or_proxy_can_give(
    edge: Any, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    body = json.dumps({"username": "eve", "name": "Eve", "password": PASSWORD})
    async with httpx.AsyncClient(base_url=edge.url, timeout=60) as client:
        answer = await client.post("/api/v1/auth/setup", content=body, headers={"Content-Type": "application/json"} | headers)
    assert problem(answer) == expected


async def test_the_first_admin_key_is_proof_from_anywhere_and_another_key_is_none(edge: Any) -> None:
    async with Browser(edge.url, **{"X-Forwarded-For": "203.0.113.9"}) as far:
        assert (await far.http.get("/api/v1/auth/setup")).json()["proof"] == "key"
        assert problem(await far.set_up(token="aos_admin_" + "x" * 43)) == (401, "key_unknown")
        assert problem(await far.set_up(token=await edge.key("operator"))) == (403, "forbidden")
        assert problem(await far.set_up(token=await edge.key("admin", tenant="other"))) == (403, "forbidden")
        assert (await far.set_up(token=edge.admin_key)).status_code == 201


async def test_a_weak_password_is_refused_with_what_is_wrong(edge: Any) -> None:
    async with Browser(edge.url) as browser:
        for password in ("short", "password1234567", "aaaaaaaaaaaaaa", "1234567890123", "ada lovelace12"):
            answer = await browser.set_up("ada.lovelace", password, name="ada lovelace")
            assert problem(answer) == (422, "weak_password"), password
            assert password not in answer.text


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(edge: Any, ada: Browser) -> None:
    async with Browser(edge.url) as browser:
        wrong, unknown = await browser.login(password=OTHER), await browser.login("nobody")
    assert problem(wrong) == problem(unknown) == (401, "wrong_credentials")
    assert wrong.json() | {"instance": ""} == unknown.json() | {"instance": ""}
    refused = await facts(edge, "signin", "refused")
    assert [(each["reason"], each["user"] is None) for each in refused] == [("credentials", False), ("credentials", True)]
    assert "127.0.0.1" not in json.dumps(refused), "where it came from is sealed"


async def test_an_account_is_locked_after_failures_in_a_row_whether_it_exists_or_not(edge: Any, ada: Browser) -> None:
    async with Browser(edge.url) as browser:
        for name in ("ada", "nobody"):
            answers = [await browser.login(name, OTHER) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [401] * 6
            locked = await browser.login(name)
            assert problem(locked) == (429, "sign_in_locked")
            assert 1 <= int(locked.headers["retry-after"]) <= 30
    assert {each["reason"] for each in await facts(edge, "signin", "refused")} == {"credentials", "locked"}
    assert [each["failures"] for each in await facts(edge, "signin", "refused") if each["reason"] == "locked"] == [6, 6]


async def test_a_thousand_guesses_at_once_are_no_more_than_the_free_ones(edge: Any, ada: Browser) -> None:
    async with Browser(edge.url) as browser:
        answers = await asyncio.gather(*(browser.login(password=OTHER) for _ in range(20)))
    looked_at = [answer for answer in answers if answer.status_code == 401]
    assert len(looked_at) <= 6
    assert all(answer.status_code in (401, 429) for answer in answers)


async def test_an_administrator_who_sets_the_password_opens_the_lock(edge: Any, ada: Browser) -> None:
    bob = await person(edge, ada, "bob", "operator")
    id_ = (await bob.ask("GET", "auth/me")).json()["id"]
    async with bob:
        for _ in range(6):
            await bob.login("bob", OTHER)
        assert problem(await bob.login("bob")) == (429, "sign_in_locked")
        assert (await ada.ask("POST", f"users/{id_}/password", json={"password": OTHER})).status_code == 200
        assert problem(await bob.ask("GET", "tasks")) == (401, "session_over")
        answer = await bob.login("bob", OTHER)
        assert answer.json()["user"]["must_change"] is True
        assert problem(await bob.ask("GET", "tasks")) == (403, "password_change_required")
        assert problem(await bob.ask("GET", "sessions?all=true")) == (403, "forbidden")
        same = await bob.ask("POST", "auth/password", json={"password": OTHER, "new_password": OTHER})
        assert problem(same) == (422, "weak_password")
        wrong = await bob.ask("POST", "auth/password", json={"password": PASSWORD, "new_password": PASSWORD})
        assert problem(wrong) == (403, "wrong_password")
        assert (await bob.ask("POST", "auth/password", json={"password": OTHER, "new_password": PASSWORD})).status_code == 200
        assert (await bob.ask("GET", "tasks")).status_code == 200
    changes = [each["change"] for each in await facts(edge, "user", "changed")]
    assert changes == ["created", "created", "password_set", "password_changed"]


async def test_the_cookie_is_out_of_scripts_reach_and_of_other_sites_and_paths(edge: Any, ada: Browser) -> None:
    answer = await ada.login()
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/api/v1/auth"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 600
    assert ada.cookie not in answer.text


async def test_a_refresh_token_is_exchanged_and_the_answer_may_be_asked_for_again_for_a_moment(edge: Any, ada: Browser) -> None:
    first = ada.cookie
    assert (await ada.refresh()).status_code == 200
    second = ada.cookie
    assert second != first
    ada.cookie = first
    assert (await ada.refresh()).status_code == 200
    assert ada.cookie == second, "the same exchange gives the same token"
    two = await asyncio.gather(ada.refresh(), ada.refresh())
    assert [answer.status_code for answer in two] == [200, 200]


async def test_a_refresh_token_that_was_exchanged_before_ends_the_session_for_both(edge: Any, ada: Browser) -> None:
    stolen = ada.cookie
    await ada.refresh()
    await ada.refresh()
    async with Browser(edge.url) as thief:
        thief.cookie = stolen
        assert problem(await thief.refresh()) == (401, "session_over")
    assert problem(await ada.ask("GET", "tasks")) == (401, "session_over")
    refused = await ada.refresh()
    assert problem(refused) == (401, "session_over")
    assert "Max-Age=0" in refused.headers["set-cookie"]
    assert [each["reason"] for each in await facts(edge, "session", "closed")] == ["reused"]


async def test_a_made_up_refresh_token_ends_nobodys_session(edge: Any, ada: Browser) -> None:
    session = (await ada.ask("GET", "auth/me")).json()["session"]
    async with Browser(edge.url) as forger:
        for made_up in (
            f"aosr_{session}_0_{'x' * 43}",
            f"aosr_{session}_7_{'x' * 43}",
            "aosr_x_0_y",
            "garbage",
            f"aosr_none_0_{'x' * 43}",
        ):
            forger.cookie = made_up
            assert problem(await forger.refresh()) == (401, "session_over")
            assert (await forger.logout()).status_code == 200
    assert (await ada.ask("GET", "tasks")).status_code == 200


async def test_cookies_count_only_with_the_header_and_from_our_own_pages(edge: Any, ada: Browser) -> None:
    for path in ("refresh", "logout"):
        assert problem(await ada.http.post(f"/api/v1/auth/{path}")) == (403, "csrf_header_missing")
        for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}):
            assert problem(await ada.http.post(f"/api/v1/auth/{path}", headers=CSRF | foreign)) == (403, "cross_site")
    own = {"Origin": edge.url, "Sec-Fetch-Site": "same-origin"}
    assert (await ada.http.post("/api/v1/auth/refresh", headers=CSRF | own)).status_code == 200
    assert problem(await ada.login(Origin="https://evil.example")) == (403, "cross_site")


async def test_a_logout_ends_the_session_at_once_and_again_is_the_same(edge: Any, ada: Browser) -> None:
    assert (await ada.logout()).status_code == 200
    assert problem(await ada.ask("GET", "tasks")) == (401, "session_over")
    assert problem(await ada.refresh()) == (401, "session_missing")
    assert (await ada.logout()).status_code == 200
    assert [each["reason"] for each in await facts(edge, "session", "closed")] == ["logout"]


async def test_roles_that_change_hold_at_once_and_a_disabled_account_is_out(edge: Any, ada: Browser) -> None:
    bob = await person(edge, ada, "bob", "viewer")
    id_ = (await bob.ask("GET", "auth/me")).json()["id"]
    async with bob:
        kill = {"scope": "pack", "target": "p", "reason": "x y"}
        assert problem(await bob.ask("POST", "kill", json=kill)) == (403, "forbidden")
        await ada.ask("PATCH", f"users/{id_}", json={"roles": ["operator"]})
        assert (await bob.ask("POST", "kill", json=kill)).status_code == 201
        gone = await ada.ask("PATCH", f"users/{id_}", json={"disabled": True})
        assert gone.json()["sessions"] == 0
        assert problem(await bob.ask("GET", "tasks")) == (401, "session_over")
        assert problem(await bob.refresh()) == (401, "session_over")
        assert problem(await bob.login("bob")) == (401, "wrong_credentials")
        await ada.ask("PATCH", f"users/{id_}", json={"disabled": False})
        assert problem(await bob.ask("GET", "tasks")) == (401, "session_over")
        assert (await bob.login("bob")).status_code == 200
    changes = [(each["change"], each["by"]["kind"]) for each in await facts(edge, "user", "changed")]
    assert changes[2:] == [("updated", "user"), ("disabled", "user"), ("enabled", "user")]


async def test_a_deleted_account_opens_nothing_is_forgotten_and_its_name_is_free_again(edge: Any, ada: Browser) -> None:
    bob = await person(edge, ada, "bob", "viewer")
    id_ = (await bob.ask("GET", "auth/me")).json()["id"]
    async with bob:
        assert (await ada.ask("DELETE", f"users/{id_}")).json() == {"id": id_}
        assert problem(await bob.ask("GET", "tasks")) == (401, "session_over")
        assert problem(await bob.refresh()) == (401, "session_over")
        assert problem(await bob.login("bob")) == (401, "wrong_credentials")
    assert [each["username"] for each in (await ada.ask("GET", "users")).json()["items"]] == ["ada"]
    known = (await ada.ask("GET", "users/names")).json()["items"]
    assert [each["username"] for each in known if each["kind"] == "user"] == ["ada"]
    assert [each["name"] for each in known if each["kind"] == "api_key"] == ["first admin"]
    assert problem(await ada.ask("DELETE", f"users/{id_}")) == (404, "not_found")
    assert [each["reason"] for each in await facts(edge, "session", "closed")] == ["deleted"]
    assert (await facts(edge, "user", "changed"))[-1]["change"] == "deleted"
    async with await person(edge, ada, "bob", "viewer") as again:
        assert (await again.ask("GET", "auth/me")).json()["username"] == "bob"


async def test_the_last_administrator_stays_one(edge: Any, ada: Browser) -> None:
    id_ = (await ada.ask("GET", "auth/me")).json()["id"]
    assert problem(await ada.ask("DELETE", f"users/{id_}")) == (409, "last_admin")
    for change in ({"roles": ["viewer"]}, {"disabled": True}):
        assert problem(await ada.ask("PATCH", f"users/{id_}", json=change)) == (409, "last_admin")
    async with await person(edge, ada, "bob", "admin"):
        assert (await ada.ask("PATCH", f"users/{id_}", json={"roles": ["viewer"]})).status_code == 200


async def test_sessions_are_listed_and_ended_ones_own_by_anybody_and_all_by_administrators(edge: Any, ada: Browser) -> None:
    bob = await person(edge, ada, "bob", "viewer")
    async with bob, Browser(edge.url, **{"User-Agent": "phone"}) as phone:
        await phone.login("bob")
        own = (await bob.ask("GET", "sessions")).json()["items"]
        assert (own[0]["agent"], own[0]["current"]) == ("phone", False)
        assert {each["username"] for each in own} == {"bob"}
        everyone = (await ada.ask("GET", "sessions?all=true")).json()["items"]
        assert sorted(each["username"] for each in everyone) == ["ada", "bob", "bob"]
        adas = next(each["id"] for each in everyone if each["username"] == "ada")
        assert problem(await bob.ask("DELETE", f"sessions/{adas}")) == (404, "not_found")
        assert (await bob.ask("DELETE", f"sessions/{own[0]['id']}")).json()["reason"] == "revoked"
        assert problem(await phone.ask("GET", "tasks")) == (401, "session_over")
        assert (await ada.ask("DELETE", f"sessions/{own[1]['id']}")).status_code == 200
        assert (await ada.ask("DELETE", f"sessions/{own[1]['id']}")).status_code == 200
        assert problem(await bob.ask("GET", "tasks")) == (401, "session_over")
    assert [each["reason"] for each in await facts(edge, "session", "closed")] == ["revoked", "revoked"]


async def test_a_live_stream_ends_when_its_session_is_revoked(edge: Any, ada: Browser) -> None:
    bob = await person(edge, ada, "bob", "viewer")
    session = (await bob.ask("GET", "auth/me")).json()["session"]
    headers = {"Authorization": f"Bearer {bob.token}"}
    async with bob, bob.http.stream("GET", "/api/v1/events/stream", headers=headers) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        await ada.ask("DELETE", f"sessions/{session}")
        async with asyncio.timeout(120):
            async for _ in lines:
                pass


async def test_nobodys_name_stands_in_the_log_or_in_clear_in_the_broker(edge: Any, ada: Browser) -> None:
    bob = await person(edge, ada, "robert.tables", "viewer")
    async with bob:
        names = (await bob.ask("GET", "users/names")).json()["items"]
    assert {each["username"] for each in names if each["kind"] == "user"} == {"ada", "robert.tables"}
    events = (await edge.http.get("/api/v1/events?limit=200")).text
    assert "robert" not in events
    for bucket in ("users", "sessions", "lockouts"):
        for entry in await edge.gateway.bus.bucket(bucket).entries():
            assert not [word for word in (b"robert", b"argon2", b"127.0.0.1") if word in entry.value]
            assert "robert" not in entry.key


async def test_another_tenants_people_and_sessions_are_not_there(edge: Any, ada: Browser) -> None:
    me = (await ada.ask("GET", "auth/me")).json()
    other = {"Authorization": f"Bearer {await edge.key('admin', tenant='other')}"}
    async with httpx.AsyncClient(base_url=edge.url, headers=other, timeout=60) as stranger:
        assert (await stranger.get("/api/v1/users")).json()["items"] == []
        assert (await stranger.get("/api/v1/sessions?all=true")).json()["items"] == []
        for method, path in (
            ("GET", f"users/{me['id']}"),
            ("PATCH", f"users/{me['id']}"),
            ("POST", f"users/{me['id']}/password"),
            ("DELETE", f"sessions/{me['session']}"),
        ):
            body = {"password": OTHER} if method == "POST" else {}
            answer = await stranger.request(method, f"/api/v1/{path}", json=body)
            assert problem(answer) == (404, "not_found"), path
