"""Sign-in at an identity provider, over real HTTP with real keys: what gets in, and that nothing else does."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from pydantic import SecretStr, ValidationError

from services.gateway.app import create_app, open_gateway
from services.gateway.identity.users import UserRecord
from services.gateway.server import serve_app
from services.gateway.settings import Settings
from services.gateway.state import Gateway
from tests.services.gateway import standins
from tests.services.gateway.identity.people import Browser
from tests.services.gateway.identity.provider import CLIENT, SECRET, IdentityProvider, Key, running, unsigned

PUBLIC = "http://127.0.0.1:4711"


def signed(key: Any, alg: str, kid: str) -> Callable[[dict[str, Any]], str]:
    """Somebody who signs with ``key`` and names it ``kid``."""
    return lambda claims: jwt.encode(claims, key, algorithm=alg, headers={"kid": kid})


@dataclass
class Door:
    """A gateway with a provider beside it."""

    gateway: Gateway
    url: str
    idp: IdentityProvider

    async def walk(self, browser: Browser, **changed: str) -> str:
        """Through the provider and back as a browser goes; where it ends."""
        begun = await browser.http.get("/api/v1/auth/oidc/start", params={"return_to": changed.pop("return_to", "/tasks")})
        assert begun.status_code == 303, begun.text
        if begun.headers["location"].startswith("/"):
            return begun.headers["location"]
        back = await browser.http.get(begun.headers["location"])
        assert back.status_code == 307, back.text
        query = dict(parse_qsl(back.headers["location"].partition("?")[2])) | changed
        ended = await browser.http.get("/api/v1/auth/oidc/callback", params=query)
        assert ended.status_code == 303
        return ended.headers["location"]


@pytest.fixture
async def door(broker: Any, tmp_path: Path) -> AsyncIterator[Door]:
    backend = await standins.start(broker)
    async with running() as idp:
        settings = Settings(
            port=0, data=tmp_path / "data", public_url=PUBLIC, oidc_issuer=idp.issuer, oidc_client_id=CLIENT, oidc_name="Corp",
            oidc_client_secret=SecretStr(SECRET), oidc_roles={"ops": "operator", "boss": "admin"}, oidc_tenant_claim="org.id",
        )  # fmt: skip
        idp.redirect_uri = f"{PUBLIC}/api/v1/auth/oidc/callback"
        idp.person["org"] = {"id": "default"}
        async with (
            open_gateway(settings, await broker.connect("gateway")) as gateway,
            serve_app(create_app(gateway), "127.0.0.1", 0, timedelta(seconds=2), gateway.draining.set) as served,
        ):
            yield Door(gateway, served.url, idp)
    await backend.stop()


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
async def test_whom_the_provider_vouches_for_is_in_with_the_roles_and_tenant_that_their_claims_mean(
    door: Door, alg: str
) -> None:
    door.idp.keys = [Key.make(alg)]
    async with Browser(door.url) as browser:
        assert (await browser.http.get("/api/v1/auth/setup")).json()["provider"] == "Corp"
        assert await door.walk(browser) == "/tasks"
        answer = await browser.refresh()
        user = answer.json()["user"]
        assert (user["name"], user["roles"], user["tenant"], user["username"]) == (
            "Grace H.",
            ["operator"],
            "default",
            "248289",
        )
        assert (await browser.ask("GET", "kill")).status_code == 200
        password = {"password": "x", "new_password": "y"}
        assert (await browser.ask("POST", "auth/password", json=password)).json()["code"] == "no_password"
        # The same person again, with what the provider says of them now.
        door.idp.person |= {"roles": ["boss", "nothing here"], "org": {"id": "acme"}}
        assert await door.walk(browser) == "/tasks"
        again = (await browser.refresh()).json()["user"]
    assert (again["id"], again["roles"], again["tenant"]) == (user["id"], ["admin"], "acme")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"nonce": "another"}, "oidc_nonce"),
        ({"nonce": None}, "oidc_token"),
        ({"aud": "another"}, "oidc_audience"),
        ({"aud": [CLIENT, "another"]}, "oidc_audience"),
        ({"iss": "https://evil.example"}, "oidc_issuer"),
        ({"exp": int(time.time()) - 86_400}, "oidc_expired"),
        ({"iat": int(time.time()) + 86_400, "exp": int(time.time()) + 90_000}, "oidc_clock"),
        ({"roles": ["nothing here"]}, "oidc_no_role"),
        ({"roles": None}, "oidc_no_role"),
        ({"org": None}, "oidc_no_tenant"),
        ({"org": {"id": "no.tenant"}}, "oidc_no_tenant"),
        ({"sub": None}, "oidc_token"),
    ],
)
async def test_a_token_that_says_something_wrong_lets_nobody_in(door: Door, claims: dict[str, Any], code: str) -> None:
    door.idp.claims = claims
    async with Browser(door.url) as browser:
        assert await door.walk(browser) == f"/login?error={code}"
        assert (await browser.refresh()).status_code == 401
    assert not list(door.gateway.identity.users.table.all())


async def test_a_token_that_is_signed_otherwise_lets_nobody_in(door: Door) -> None:
    known, stranger = door.idp.keys[0], Key.make("RS256")
    forgeries: dict[str, tuple[Callable[[dict[str, Any]], str], str]] = {
        "none": (unsigned, "oidc_algorithm"),
        "with a shared secret": (signed("s" * 32, "HS256", known.kid), "oidc_algorithm"),
        "another key, its own name": (signed(stranger.private, "RS256", stranger.kid), "oidc_key"),
        "another key, a known name": (signed(stranger.private, "RS256", known.kid), "oidc_token"),
        "another kind of key, a known name": (signed(Key.make("ES256").private, "ES256", known.kid), "oidc_token"),
        "garbage": (lambda _: "a.b.c", "oidc_token"),
    }
    async with Browser(door.url) as browser:
        for name, (forged, code) in forgeries.items():
            door.idp.signed = forged
            assert await door.walk(browser) == f"/login?error={code}", name


async def test_an_answer_to_another_sign_in_or_browser_or_a_second_time_lets_nobody_in(door: Door) -> None:
    async with Browser(door.url) as browser, Browser(door.url) as other:
        assert await door.walk(browser, state="another") == "/login?error=oidc_state"
        assert await door.walk(browser, code="made-up") == "/login?error=oidc_exchange"
        begun = await browser.http.get("/api/v1/auth/oidc/start")
        back = (await browser.http.get(begun.headers["location"])).headers["location"].partition("?")[2]
        elsewhere = await other.http.get(f"/api/v1/auth/oidc/callback?{back}")
        assert elsewhere.headers["location"] == "/login?error=oidc_not_begun"
        first = await browser.http.get(f"/api/v1/auth/oidc/callback?{back}")
        assert first.headers["location"] == "/"
        second = await browser.http.get(f"/api/v1/auth/oidc/callback?{back}")
        assert second.headers["location"] == "/login?error=oidc_not_begun"
        door.idp.denies = True
        assert await door.walk(browser) == "/login?error=oidc_denied"


async def test_a_key_that_the_provider_changed_to_is_fetched_and_strange_names_do_not_make_us_ask_again_and_again(
    door: Door,
) -> None:
    provider = door.gateway.identity.provider
    assert provider is not None
    async with Browser(door.url) as browser:
        assert await door.walk(browser) == "/tasks"
        assert await door.walk(browser) == "/tasks"
        assert door.idp.asked_for_keys == 1
        door.idp.keys = [Key.make("ES256")]
        assert await door.walk(browser) == "/login?error=oidc_key", "asked a moment ago"
        provider._refetch_after_s = 0
        assert await door.walk(browser) == "/tasks"
        provider._refetch_after_s = 3_600
        door.idp.signed = signed(Key.make("ES256").private, "ES256", "unheard-of")
        for _ in range(3):
            assert await door.walk(browser) == "/login?error=oidc_key"
    assert door.idp.asked_for_keys == 2


async def test_a_discovery_document_of_another_issuer_is_not_believed(door: Door) -> None:
    door.idp.told_issuer = "https://evil.example"
    async with Browser(door.url) as browser:
        assert await door.walk(browser) == "/login?error=oidc_issuer"


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_nobody_is_sent_elsewhere_after_signing_in(door: Door, elsewhere: str) -> None:
    async with Browser(door.url) as browser:
        assert await door.walk(browser, return_to=elsewhere) == "/"


async def test_somebody_who_is_disabled_here_stays_out_whatever_the_provider_says(door: Door) -> None:
    async with Browser(door.url) as browser:
        await door.walk(browser)
        [user] = door.gateway.identity.users.table.all()
        await door.gateway.identity.users.table.update(user.id, disabled)
        assert (await browser.refresh()).status_code == 401
        assert await door.walk(browser) == "/login?error=oidc_disabled"


def disabled(user: UserRecord) -> UserRecord:
    return user.model_copy(update={"disabled_at": user.created_at})


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": "https://id.example"},
        {
            "oidc_issuer": "http://id.example",
            "oidc_client_id": "x",
            "public_url": "https://a.example",
            "oidc_everyone": ("viewer",),
        },
        {"oidc_issuer": "https://id.example", "oidc_client_id": "x", "public_url": "https://a.example"},
    ],
)
def test_half_a_provider_is_refused_at_the_start(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="OIDC"):
        Settings(**given)
