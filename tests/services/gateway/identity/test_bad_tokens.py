"""Every kind of bad access token at every door of a served gateway: reads, writes, the live feed; and clocks that are ten minutes off."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from services.gateway.identity.tokens import ALGORITHM, AccessTokens
from tests.services.gateway.identity.people import Browser
from tests.services.gateway.identity.provider import Key, unsigned
from tests.services.gateway.identity.test_keys_and_tokens import claims
from tests.services.gateway.test_live import closed, told
from tests.services.gateway.test_webhooks_http import problem

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # the forgers' keys are short

TEN_MINUTES = 600
Forger = Callable[[dict[str, Any], bytes], str]
BAD: dict[str, tuple[Forger, str]] = {
    "expired": (lambda right, key: jwt.encode(right | _at(-TEN_MINUTES * 2), key, ALGORITHM), "token_expired"),
    "made by a clock ten minutes ahead": (
        lambda right, key: jwt.encode(right | _at(TEN_MINUTES), key, ALGORITHM),
        "token_from_the_future",
    ),
    "of another issuer": (lambda right, key: jwt.encode(right | {"iss": "https://elsewhere"}, key, ALGORITHM), "token_foreign"),
    "for another audience": (lambda right, key: jwt.encode(right | {"aud": "elsewhere"}, key, ALGORITHM), "token_foreign"),
    "of another tenant": (lambda right, key: jwt.encode(right | {"tenant": "other"}, key, ALGORITHM), "token_foreign"),
    "of another person's session": (lambda right, key: jwt.encode(right | {"sub": "nobody"}, key, ALGORITHM), "session_over"),
    "of no session": (lambda right, key: jwt.encode(right | {"sid": "none"}, key, ALGORITHM), "session_over"),
    "signed by somebody else": (lambda right, _: jwt.encode(right, b"x" * 32, ALGORITHM), "token_forged"),
    "signed with another algorithm": (lambda right, key: jwt.encode(right, key, "HS384"), "token_forged"),
    "signed with a private key": (lambda right, _: jwt.encode(right, Key.make("RS256").private, "RS256"), "token_forged"),
    "not signed at all": (lambda right, _: unsigned(right), "token_forged"),
    "with other claims than were signed": (lambda right, key: _spliced(right, key), "token_forged"),
    "without an end": (
        lambda right, key: jwt.encode({k: v for k, v in right.items() if k != "exp"}, key, ALGORITHM),
        "token_malformed",
    ),
}


def _spliced(right: dict[str, Any], key: bytes) -> str:
    """The claims of one token with the signature of another."""
    more, signed = jwt.encode(right | {"jti": "another"}, key, ALGORITHM), jwt.encode(right, key, ALGORITHM)
    return f"{more.rpartition('.')[0]}.{signed.rpartition('.')[2]}"


def _at(seconds: int) -> dict[str, Any]:
    made = int(time.time()) + seconds
    return {"iat": made, "exp": made + TEN_MINUTES}


async def test_no_bad_token_opens_anything(edge: Any) -> None:
    async with Browser(edge.url) as ada:
        await ada.set_up()
        me = (await ada.ask("GET", "auth/me")).json()
        key = edge.gateway.keyring.derive("identity.access-token")
        right = claims(sub=me["id"], sid=me["session"], tenant="default")
        for what, (forge, code) in BAD.items():
            ada.token = forge(right, key)
            for method, path, body in (
                ("GET", "tasks", None),
                ("POST", "kill", {"scope": "global", "reason": "a stranger's"}),
                ("PATCH", f"users/{me['id']}", {"roles": ["viewer"]}),
                ("DELETE", f"sessions/{me['session']}", None),
            ):
                refused = await ada.ask(method, path, json=body)
                assert problem(refused) == (401, code), (what, method)
                assert refused.headers["www-authenticate"].startswith("Bearer")
            async with told(edge, ada.token) as socket:
                assert await closed(socket) == 4401, what
        ada.token = jwt.encode(right, key, ALGORITHM)
        assert (await ada.ask("GET", "auth/me")).json()["roles"] == ["admin"], "and nothing was changed by any of them"
        assert (await ada.ask("GET", "kill")).json()["items"] == []


@pytest.mark.parametrize(("off_by", "code"), [(TEN_MINUTES, "token_from_the_future"), (-TEN_MINUTES - 60, "token_expired")])
async def test_whose_gateway_had_a_clock_ten_minutes_off_gets_in_again_with_the_refresh_token(
    edge: Any, off_by: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refresh token says nothing of time: who meets a gateway with the right clock is let in by it, without signing in anew."""
    make = AccessTokens.make

    def off(self: AccessTokens, principal: Any, session: str, tenant: str, now: Any, id_: str) -> str:
        return make(self, principal, session, tenant, now + timedelta(seconds=off_by), id_)

    async with Browser(edge.url) as ada:
        with monkeypatch.context() as wrong:
            wrong.setattr(AccessTokens, "make", off)
            await ada.set_up()
        assert problem(await ada.ask("GET", "tasks")) == (401, code)
        assert (await ada.refresh()).status_code == 200
        assert (await ada.ask("GET", "tasks")).status_code == 200
