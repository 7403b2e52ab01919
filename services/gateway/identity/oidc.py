"""Sign-in at an OpenID Connect provider: authorization code with PKCE, state and nonce (OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9700).

The issuer is pinned by the settings: its discovery document, its tokens and its answers must all name it. Keys are fetched again when a
token names one that is not known, so that the provider may rotate them, but not more often than every few seconds.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import httpx
import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from agentos.contracts.base import Sealed
from agentos.contracts.ids import is_token
from agentos.sealing import SealBroken, seal_model
from agentos.sealing.envelope import open_model
from services.gateway.authorizer import Role

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a private key: what anyone could make with what is public (HS256, none) is no proof."""
_TRY_LASTS = timedelta(minutes=10)
_METADATA_LASTS_S = 3_600.0
_MOST_BYTES = 256 * 1024


class ProviderRefused(Exception):
    """The sign-in failed; ``code`` is for the page, the message for the log."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ProviderSettings(BaseModel):
    """A provider, and what its claims mean here."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    client_id: str
    client_secret: str | None
    name: str
    scopes: tuple[str, ...]
    roles_claim: str
    roles: dict[str, Role]
    everyone: tuple[Role, ...]
    tenant_claim: str | None
    tenant: str


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for, in our terms."""

    subject: str
    username: str
    name: str
    tenant: str
    roles: tuple[Role, ...]


class Try(BaseModel):
    """A sign-in that was begun; it travels sealed in a cookie, so that only the browser that began it can end it."""

    model_config = ConfigDict(frozen=True)

    state: str
    nonce: str
    verifier: str
    return_to: str
    at: datetime


class Provider:
    """One provider. ``http`` is closed by whoever gave it."""

    def __init__(
        self, settings: ProviderSettings, key: bytes, http: httpx.AsyncClient, leeway: timedelta,
        *, refetch_after: timedelta = timedelta(seconds=10),
    ) -> None:  # fmt: skip
        self.settings = settings
        self._key = key
        self._http = http
        self._leeway = leeway
        self._refetch_after_s = refetch_after.total_seconds()
        self._metadata: dict[str, Any] = {}
        self._metadata_at = 0.0
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._keys_at = -1e9

    async def begin(self, redirect_uri: str, return_to: str) -> tuple[str, str]:
        """Where to send the browser, and the cookie that it is to come back with. Raises ProviderRefused."""
        metadata = await self._discovered()
        begun = Try(
            state=secrets.token_urlsafe(24), nonce=secrets.token_urlsafe(24), verifier=secrets.token_urlsafe(48),
            return_to=return_to, at=datetime.now(UTC),
        )  # fmt: skip
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self.settings.client_id, "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes), "state": begun.state, "nonce": begun.nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        endpoint = str(metadata["authorization_endpoint"])
        url = endpoint + ("&" if "?" in endpoint else "?") + urlencode(query)
        sealed = seal_model(self._key, "oidc", "try", begun).model_dump_json().encode()
        return url, base64.urlsafe_b64encode(sealed).decode()

    def taken_up(self, cookie: str | None, state: str | None) -> Try:
        """The sign-in that this browser began. Raises ProviderRefused."""
        try:
            sealed = Sealed.model_validate_json(base64.urlsafe_b64decode(cookie or ""))
            begun = open_model(Try, self._key, "oidc", "try", sealed)
        except (SealBroken, ValidationError, binascii.Error, ValueError):
            raise ProviderRefused("oidc_not_begun", "the sign-in was not begun in this browser") from None
        if datetime.now(UTC) - begun.at > _TRY_LASTS:
            raise ProviderRefused("oidc_too_late", "the sign-in took too long")
        if state is None or not hmac.compare_digest(state.encode(), begun.state.encode()):
            raise ProviderRefused("oidc_state", "the provider's answer is to another sign-in")
        return begun

    async def finish(self, begun: Try, code: str, redirect_uri: str) -> Vouched:
        """Exchange the code and believe the ID token, once everything about it fits. Raises ProviderRefused."""
        metadata = await self._discovered()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": begun.verifier}
        auth = None
        if self.settings.client_secret is None:
            form["client_id"] = self.settings.client_id
        elif "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            auth = httpx.BasicAuth(self.settings.client_id, self.settings.client_secret)
        else:
            form |= {"client_id": self.settings.client_id, "client_secret": self.settings.client_secret}
        told = await self._asked("POST", str(metadata["token_endpoint"]), "oidc_exchange", data=form, auth=auth)
        token = told.get("id_token")
        if not isinstance(token, str):
            raise ProviderRefused("oidc_exchange", "the token endpoint gave no ID token")
        return self._meaning(await self._believed(token, begun.nonce))

    async def _believed(self, token: str, nonce: str) -> dict[str, Any]:
        settings = self.settings
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise ProviderRefused("oidc_algorithm", f"the ID token is signed with {str(header.get('alg'))[:20]!r}")
            key = await self._key_of(header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=[str(header["alg"])], audience=settings.client_id, issuer=settings.issuer,
                leeway=self._leeway, options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise ProviderRefused("oidc_expired", "the ID token has expired: do the clocks agree?") from None
        except jwt.ImmatureSignatureError:
            raise ProviderRefused("oidc_clock", "the ID token is from the future: the clocks do not agree") from None
        except jwt.InvalidAudienceError:
            raise ProviderRefused("oidc_audience", "the ID token is meant for another client") from None
        except jwt.InvalidIssuerError:
            raise ProviderRefused("oidc_issuer", "the ID token is another issuer's") from None
        except jwt.PyJWTError as bad:
            raise ProviderRefused("oidc_token", f"the ID token is not valid: {type(bad).__name__}") from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(cast("list[Any]", audience)) > 1 and claims.get("azp") != settings.client_id:
            raise ProviderRefused("oidc_audience", "the ID token was given to another client")
        if not isinstance(claims["nonce"], str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
            raise ProviderRefused("oidc_nonce", "the ID token is of another sign-in")
        return claims

    def _meaning(self, claims: dict[str, Any]) -> Vouched:
        settings = self.settings
        given = _at(claims, settings.roles_claim)
        values = (
            {given} if isinstance(given, str) else {each for each in cast("list[Any]", given or []) if isinstance(each, str)}
        )
        meant: list[Role] = [role for value, role in settings.roles.items() if value in values]
        meant += settings.everyone
        roles = tuple(sorted(set(meant), key=meant.index))
        if not roles:
            raise ProviderRefused("oidc_no_role", f"no value of the claim {settings.roles_claim} means a role here")
        tenant = settings.tenant if settings.tenant_claim is None else _at(claims, settings.tenant_claim)
        if not isinstance(tenant, str) or not is_token(tenant):
            raise ProviderRefused("oidc_no_tenant", f"the claim {settings.tenant_claim} names no tenant")
        username = _first_text(claims, "preferred_username", "email", "sub")
        return Vouched(
            str(claims["sub"]),
            username[:200],
            _first_text(claims, "name", "preferred_username", "email", "sub")[:100],
            tenant,
            roles,
        )

    async def _key_of(self, kid: Any) -> jwt.PyJWK:
        name = kid if isinstance(kid, str) else None
        if name not in self._keys and time.monotonic() - self._keys_at >= self._refetch_after_s:
            metadata = await self._discovered()
            document = await self._asked("GET", str(metadata["jwks_uri"]), "oidc_keys")
            found: dict[str | None, jwt.PyJWK] = {}
            for each in cast("list[Any]", document.get("keys") or []):
                try:
                    key = jwt.PyJWK(each)
                except (jwt.PyJWTError, TypeError, AttributeError):
                    continue  # a kind of key that we do not know is somebody else's
                if key.public_key_use in (None, "sig"):
                    found[key.key_id] = key
            self._keys, self._keys_at = found, time.monotonic()
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if name not in self._keys:
            raise ProviderRefused("oidc_key", "the ID token is signed with a key that the provider does not publish")
        return self._keys[name]

    async def _discovered(self) -> dict[str, Any]:
        if self._metadata and time.monotonic() - self._metadata_at < _METADATA_LASTS_S:
            return self._metadata
        url = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        found = await self._asked("GET", url, "oidc_discovery")
        if found.get("issuer") != self.settings.issuer:
            raise ProviderRefused("oidc_issuer", "the discovery document is another issuer's")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str) or not is_safe(found[name]):
                raise ProviderRefused("oidc_discovery", f"the discovery document's {name} is no https address")
        self._metadata, self._metadata_at = found, time.monotonic()
        return found

    async def _asked(self, method: str, url: str, code: str, **given: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, url, headers={"Accept": "application/json"}, **given)
            if response.status_code != 200 or len(response.content) > _MOST_BYTES:
                raise ProviderRefused(code, f"the provider answered {response.status_code}")
            said: Any = json.loads(response.content)
        except httpx.HTTPError as fault:
            raise ProviderRefused("oidc_away", f"the provider does not answer: {type(fault).__name__}") from None
        except ValueError:
            raise ProviderRefused(code, "the provider's answer is no JSON") from None
        if not isinstance(said, dict):
            raise ProviderRefused(code, "the provider's answer is no JSON object")
        return cast("dict[str, Any]", said)


def is_safe(url: str) -> bool:
    """Whether secrets may go to ``url``: https, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))


def _at(claims: dict[str, Any], path: str) -> Any:
    """A claim by its name, or by its dotted path in nested ones (``realm_access.roles``)."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def _first_text(claims: dict[str, Any], *names: str) -> str:
    return next((claims[name] for name in names if isinstance(claims.get(name), str) and claims[name]), "")


__all__ = ["Provider", "ProviderRefused", "ProviderSettings", "Try", "Vouched", "is_safe"]
