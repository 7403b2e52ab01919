"""An OpenID Connect provider on a loopback port: the code flow over real HTTP, with real keys, and faults to order."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from services.gateway.server import serve_app

CLIENT, SECRET = "agentos", "a client secret / with: odd characters"


@dataclass
class Key:
    """A signing key and how it is published."""

    alg: str
    private: Any
    kid: str = field(default_factory=lambda: secrets.token_hex(4))

    @classmethod
    def make(cls, alg: str) -> "Key":
        rsa_ = alg.startswith(("RS", "PS"))
        return cls(alg, rsa.generate_private_key(65537, 2048) if rsa_ else ec.generate_private_key(ec.SECP256R1()))

    def published(self) -> dict[str, Any]:
        kind = RSAAlgorithm if self.alg.startswith(("RS", "PS")) else ECAlgorithm
        return {**kind.to_jwk(self.private.public_key(), as_dict=True), "kid": self.kid, "use": "sig", "alg": self.alg}


@dataclass
class IdentityProvider:
    """``person`` is who is signed in there; the rest is what is wrong with what it says."""

    issuer: str = ""
    redirect_uri: str = ""
    keys: list[Key] = field(default_factory=lambda: [Key.make("RS256")])
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "248289", "name": "Grace H.", "roles": ["ops"]})
    claims: dict[str, Any] = field(default_factory=dict)
    """Instead of those that would be right."""
    told_issuer: str | None = None
    signed: Any = None
    """How the ID token is made of its claims, instead of with the newest key."""
    denies: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked_for_keys: int = 0

    async def discovery(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.told_issuer or self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def jwks(self, request: Request) -> Response:
        self.asked_for_keys += 1
        return JSONResponse({"keys": [{"kty": "unheard-of", "kid": "x"}, *(key.published() for key in self.keys)]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        right = (
            asked["response_type"] == "code" and asked["client_id"] == CLIENT and asked["redirect_uri"] == self.redirect_uri
            and "openid" in asked["scope"].split() and asked["code_challenge_method"] == "S256"
        )  # fmt: skip
        if not right:
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        if self.denies:
            return RedirectResponse(f"{self.redirect_uri}?" + urlencode({"error": "access_denied", "state": asked["state"]}))
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return RedirectResponse(f"{self.redirect_uri}?" + urlencode({"code": code, "state": asked["state"]}))

    async def token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        basic = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        verifier = (
            base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        )
        if basic != f"{CLIENT}:{SECRET}":
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        if asked is None or verifier != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        right = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {name: value for name, value in (self.person | right | self.claims).items() if value is not None}
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": self.signed_token(claims)})

    def signed_token(self, claims: dict[str, Any]) -> str:
        if self.signed is not None:
            return self.signed(claims)
        key = self.keys[-1]
        return jwt.encode(claims, key.private, algorithm=key.alg, headers={"kid": key.kid})


def unsigned(claims: dict[str, Any]) -> str:
    """``alg: none``, as a forger would write it."""
    part = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in ({"alg": "none"}, claims)]
    return f"{part[0]}.{part[1]}."


@asynccontextmanager
async def running() -> AsyncGenerator[IdentityProvider]:
    """The provider, served."""
    provider = IdentityProvider()
    routes = [
        Route("/.well-known/openid-configuration", provider.discovery),
        Route("/jwks", provider.jwks),
        Route("/authorize", provider.authorize),
        Route("/token", provider.token, methods=["POST"]),
    ]
    async with serve_app(Starlette(routes=routes), "127.0.0.1", 0, timedelta(seconds=1), lambda: None) as served:
        provider.issuer = served.url
        yield provider
