"""Forged, foreign and stale tokens; keys that are limited; clocks; and how often anybody may ask."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from starlette.requests import Request

from agentos.contracts.base import Principal
from services.gateway.headers import API_POLICY, CONSOLE_POLICY
from services.gateway.identity.lockouts import Terms
from services.gateway.identity.passwords import weakness
from services.gateway.identity.peers import Peers
from services.gateway.identity.rates import Rates
from services.gateway.identity.tokens import ALGORITHM, AUDIENCE, ISSUER, AccessTokens
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from tests.services.gateway.identity.people import Browser
from tests.services.gateway.identity.provider import Key, unsigned
from tests.services.gateway.test_webhooks_http import problem

KEY = b"k" * 32
ANN = Principal(kind="user", id="u1", roles=("admin",))


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    right = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "sid": "s1", "tenant": "t", "roles": ["admin"], "iat": now, "exp": now + 600, "jti": "j",
    }  # fmt: skip
    return {name: value for name, value in (right | changed).items() if value is not None}


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: jwt.encode(claims(exp=int(time.time()) - 31), KEY, ALGORITHM), "token_expired"),
        (lambda: jwt.encode(claims(iat=int(time.time()) + 600), KEY, ALGORITHM), "token_from_the_future"),
        (lambda: jwt.encode(claims(iss="another"), KEY, ALGORITHM), "token_foreign"),
        (lambda: jwt.encode(claims(aud="another"), KEY, ALGORITHM), "token_foreign"),
        (lambda: jwt.encode(claims(aud=[AUDIENCE, "another"]), KEY, ALGORITHM), "token_foreign"),
        (lambda: jwt.encode(claims(), b"x" * 32, ALGORITHM), "token_forged"),
        (lambda: jwt.encode(claims(), KEY, "HS512"), "token_forged"),
        (lambda: jwt.encode(claims(), Key.make("RS256").private, "RS256"), "token_forged"),
        (lambda: unsigned(claims()), "token_forged"),
        (lambda: jwt.encode(claims(sid=None), KEY, ALGORITHM), "token_malformed"),
        (lambda: jwt.encode(claims(exp=None), KEY, ALGORITHM), "token_malformed"),
        (lambda: jwt.encode(claims(sid=7), KEY, ALGORITHM), "token_malformed"),
        (lambda: "a.b.c", "token_malformed"),
        (lambda: "é.b.c", "token_malformed"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # the forger's key is short
def test_a_token_that_is_not_whole_is_refused_and_says_why(token: Any, code: str) -> None:
    tokens = AccessTokens(KEY, timedelta(minutes=10), timedelta(seconds=30))
    with pytest.raises(Problem) as refused:
        tokens.read(token())
    assert (refused.value.status, refused.value.code) == (401, code)


def test_a_clock_may_differ_by_the_leeway_and_the_refusal_of_more_names_it() -> None:
    tokens = AccessTokens(KEY, timedelta(minutes=10), timedelta(seconds=30))
    for seconds in (-20, 20):
        made = tokens.make(ANN, "s1", "t", datetime.now(UTC) + timedelta(seconds=seconds), "j")
        assert tokens.read(made).session == "s1"
    with pytest.raises(Problem, match="clocks differ by more than 30 s"):
        tokens.read(tokens.make(ANN, "s1", "t", datetime.now(UTC) + timedelta(minutes=10), "j"))


async def test_a_token_whose_session_user_or_tenant_is_not_as_it_says_opens_nothing(edge: Any) -> None:
    async with Browser(edge.url) as browser:
        await browser.set_up()
        me = (await browser.ask("GET", "auth/me")).json()
        key = edge.gateway.keyring.derive("identity.access-token")
        right = {"sub": me["id"], "sid": me["session"], "tenant": "default"}
        for wrong, code in (
            ({"sub": "u0"}, "session_over"),
            ({"sid": "none"}, "session_over"),
            ({"tenant": "acme"}, "token_foreign"),
        ):
            browser.token = jwt.encode(claims(**right | wrong), key, ALGORITHM)
            assert problem(await browser.ask("GET", "tasks")) == (401, code)
        browser.token = jwt.encode(claims(**right, roles=["viewer"]), key, ALGORITHM)
        assert (await browser.ask("GET", "auth/me")).json()["roles"] == ["admin"], (
            "the account counts, not what a token says of it"
        )


async def test_a_key_is_limited_to_its_scopes_and_cannot_give_away_more_than_it_has(edge: Any) -> None:
    made = await edge.http.post(
        "/api/v1/keys", json={"name": "ci", "roles": ["admin"], "scopes": ["tasks.read", "keys.manage"]}
    )
    assert made.status_code == 201, made.text
    async with httpx.AsyncClient(
        base_url=edge.url, headers={"Authorization": f"Bearer {made.json()['key']}"}, timeout=60
    ) as limited:
        assert (await limited.get("/api/v1/tasks")).status_code == 200
        assert problem(await limited.get("/api/v1/kill")) == (403, "forbidden")
        assert (await limited.get("/api/v1/auth/me")).json()["actions"] == ["keys.manage", "tasks.read"]
        for more in ({"roles": ["admin"]}, {"roles": ["viewer"]}, {"roles": ["admin"], "scopes": ["kill.engage"]}):
            assert problem(await limited.post("/api/v1/keys", json={"name": "x"} | more)) == (403, "more_than_yours")
        less = {"name": "x", "roles": ["viewer"], "scopes": ["tasks.read"]}
        assert (await limited.post("/api/v1/keys", json=less)).status_code == 201
    wrong = await edge.http.post("/api/v1/keys", json={"name": "x", "roles": ["viewer"], "scopes": ["tasks.destroy"]})
    assert problem(wrong) == (422, "invalid_request")


async def test_a_key_ends_by_itself_and_what_was_open_with_it_ends_too(edge: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    body = {"name": "ci", "roles": ["viewer"], "expires_at": soon.isoformat()}
    made = (await edge.http.post("/api/v1/keys", json=body)).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    async with edge.http.stream("GET", "/api/v1/events/stream", headers=headers) as stream, asyncio.timeout(120):
        async for _ in stream.aiter_lines():
            pass
    assert problem(await edge.http.get("/api/v1/tasks", headers=headers)) == (401, "key_expired")
    past = body | {"expires_at": "2020-01-01T00:00:00Z"}
    assert problem(await edge.http.post("/api/v1/keys", json=past)) == (422, "invalid_request")


async def test_when_a_key_was_used_last_is_shown_and_written_once_a_minute(edge: Any) -> None:
    keys = edge.gateway.api_keys
    for _ in range(5):
        await edge.http.get("/api/v1/tasks")
    await keys.settle()
    [shown] = (await edge.http.get("/api/v1/keys")).json()["items"]
    assert shown["used_at"] is None, "it was made less than a minute ago"
    entry = await edge.gateway.bus.bucket("apikeys").get("admin")
    record = keys._records["admin"].model_copy(update={"created_at": datetime.now(UTC) - timedelta(hours=1)})
    await edge.gateway.bus.bucket("apikeys").update("admin", record.model_dump_json().encode(), entry.revision)
    while keys._records["admin"].created_at != record.created_at:
        await asyncio.sleep(0.01)
    for _ in range(5):
        await edge.http.get("/api/v1/tasks")
    await keys.settle()
    after = await edge.gateway.bus.bucket("apikeys").get("admin")
    assert after.revision == entry.revision + 2, "one write of ours, one of theirs"


async def test_who_asks_too_often_is_told_when_to_come_again(edge: Any) -> None:
    edge.gateway.identity.rates._burst = edge.gateway.identity.unknown_rates._burst = 3
    edge.gateway.identity.rates._per_s = edge.gateway.identity.unknown_rates._per_s = 0.01
    viewer = {"Authorization": f"Bearer {await edge.key('viewer')}"}
    answers = [await edge.http.get("/api/v1/tasks", headers=viewer) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert problem(answers[-1]) == (429, "rate_limited")
    assert 90 <= int(answers[-1].headers["retry-after"]) <= 101
    assert (await edge.http.get("/api/v1/tasks")).status_code == 200, "another sender has a bucket of their own"
    wrong = {"Authorization": "Bearer aos_admin_" + "x" * 43}
    answers = [await edge.http.get("/api/v1/tasks", headers=wrong) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_a_bucket_fills_again_with_time_and_remembers_a_bounded_number() -> None:
    now = 0.0
    rates = Rates(2, 2, lambda: now)
    rates.take("a")
    rates.take("a")
    with pytest.raises(Problem):
        rates.take("a")
    now = 0.5
    rates.take("a")
    for number in range(30_000):
        rates.take(str(number))
    assert len(rates._senders) <= 20_000
    Rates(0, 1).take("a")


def test_a_lock_doubles_up_to_its_longest() -> None:
    terms = Terms(2, timedelta(seconds=30), timedelta(minutes=15))
    waits = [terms.locked_for(failures).total_seconds() for failures in range(1, 10)]
    assert waits == [0, 0, 30, 60, 120, 240, 480, 900, 900]
    assert terms.locked_for(10**6) == timedelta(minutes=15)


def request(peer: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "client": (peer, 1),
            "headers": raw,
            "scheme": "http",
            "path": "/",
            "server": ("x", 80),
            "query_string": b"",
        }
    )


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.2", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", "192.0.2.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", "198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("10.0.0.2", "198.51.100.7, rubbish", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
    ],
)
def test_only_a_trusted_proxy_is_believed_where_somebody_comes_from(peer: str, forwarded: str, address: str) -> None:
    peers = Peers(Settings.model_validate({"trusted_proxies": ["10.0.0.0/8"]}).trusted_proxies, None)
    assert peers.address(request(peer, x_forwarded_for=forwarded)) == address
    assert peers.secure(request(peer, x_forwarded_proto="https")) == peer.startswith("10.")
    assert Peers((), "https://a.example").secure(request(peer))


async def test_pages_load_only_from_here_and_everything_else_is_nothing_to_render(edge: Any) -> None:
    api, page = await edge.http.get("/api/v1/tasks"), await edge.http.get("/somewhere")
    assert api.headers["content-security-policy"] == API_POLICY
    assert page.headers["content-security-policy"] == CONSOLE_POLICY
    assert "script-src 'self';" in CONSOLE_POLICY
    for answer in (api, page):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in answer.headers
    edge.gateway.identity.peers._public = Peers((), "https://a.example")._public
    secured = await edge.http.get("/api/v1/tasks")
    assert secured.headers["strict-transport-security"].startswith("max-age=31536000")
    async with Browser(edge.url) as browser:
        assert "Secure" in (await browser.set_up()).headers["set-cookie"]


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("correct horse staple battery", True), ("Tr0ub4dor&3xyz", True), ("elf zahlen neun", True), ("x" * 201, False), ("short", False),
        ("qwertyuiopasdf", False), ("passwordpassword", False), ("Password12345!", False), ("ILoveYouForever", False),
        ("abababababab", False), ("grace.hopper1", False), ("98765432109876", False), ("пароль-для-входа", True),
    ],
)  # fmt: skip
def test_a_password_is_long_and_not_what_everybody_tries(password: str, accepted: bool) -> None:
    assert (weakness(password, "grace.hopper") is None) == accepted
