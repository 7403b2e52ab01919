"""The two tokens of a session: the access token, a JWT of some minutes that the page keeps in memory, and the refresh token behind it.

Access tokens are signed with HS256 under a key that every gateway of the installation derives from the master key: they are made and
read by gateways alone, so that nobody needs a public key. The refresh token of a session's n-th exchange is a MAC over the session,
n and the session's random seed. It cannot be computed from what is stored; an old one is recognised as old, and not as garbage; and
the exchange that gave it can be answered again with the same token, when the answer was lost or two tabs asked at once.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from agentos.contracts.base import Principal
from services.gateway.problems import Problem, unauthorized

ALGORITHM, ISSUER, AUDIENCE = "HS256", "agentos", "agentos-api"
_REQUIRED = ["iss", "aud", "sub", "sid", "tenant", "roles", "iat", "exp", "jti"]
_REFRESH = re.compile(r"aosr_([A-Za-z0-9-]{1,40})_([0-9]{1,9})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says, once it is believed."""

    user: str
    session: str
    tenant: str


class AccessTokens:
    """``leeway`` is how far the clocks of two gateways may differ."""

    def __init__(self, key: bytes, lifetime: timedelta, leeway: timedelta) -> None:
        self._key = key
        self.lifetime = lifetime
        self._leeway = leeway

    def make(self, principal: Principal, session: str, tenant: str, now: datetime, id_: str) -> str:
        """A token from ``now`` on. Its roles are for the page to know; what counts is the account at the time of each request."""
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": principal.id, "sid": session, "tenant": tenant, "roles": list(principal.roles),
            "iat": int(now.timestamp()), "exp": int((now + self.lifetime).timestamp()), "jti": id_,
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def read(self, token: str) -> Claims:
        """Raises a 401 problem that says what is wrong with ``token``, and nothing of its content."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, leeway=self._leeway,
                options={"require": _REQUIRED, "strict_aud": True, "verify_iat": True},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise unauthorized("token_expired", "this access token has expired: refresh it, or sign in again") from None
        except jwt.ImmatureSignatureError:
            seconds = int(self._leeway.total_seconds())
            detail = (
                f"this access token is from the future: the gateways' clocks differ by more than {seconds} s; set them right"
            )
            raise unauthorized("token_from_the_future", detail) from None
        except (jwt.InvalidIssuerError, jwt.InvalidAudienceError):
            raise unauthorized("token_foreign", "this access token is not one of this installation's: sign in here") from None
        except (jwt.InvalidAlgorithmError, jwt.InvalidSignatureError):
            raise unauthorized("token_forged", "this access token was not signed here: sign in again") from None
        except jwt.PyJWTError:
            raise unauthorized("token_malformed", "this is neither an API key nor an access token: sign in again") from None
        if not all(isinstance(claims[name], str) for name in ("sub", "sid", "tenant")):
            raise unauthorized("token_malformed", "this is no access token: sign in again")
        return Claims(claims["sub"], claims["sid"], claims["tenant"])


class RefreshTokens:
    """Makes and recognises refresh tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, session: str, generation: int, seed: str) -> str:
        """The token that the session's ``generation``-th exchange gives."""
        return f"aosr_{session}_{generation}_{self._mac(session, generation, seed)}"

    def parse(self, token: str) -> tuple[str, int]:
        """The session and the generation that a token claims. Raises a 401 problem for what is no such token."""
        form = _REFRESH.fullmatch(token)
        if form is None:
            raise refresh_refused()
        return form[1], int(form[2])

    def fits(self, token: str, session: str, generation: int, seed: str) -> bool:
        """Whether it was made here, for this session and generation."""
        return hmac.compare_digest(token.encode(), self.make(session, generation, seed).encode())

    def _mac(self, session: str, generation: int, seed: str) -> str:
        said = f"{session}\0{generation}\0{seed}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key, said, "sha256")).rstrip(b"=").decode()


def refresh_refused() -> Problem:
    """One answer to every refresh token that opens nothing, whatever the reason."""
    return unauthorized("session_over", "this session is over: sign in again")


__all__ = ["AccessTokens", "Claims", "RefreshTokens", "refresh_refused"]
