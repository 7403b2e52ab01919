"""What the routes of identity work with, put together here and run beside the gateway's other parts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from agentos.bus import Bus
from agentos.ending import end
from agentos.keyring import KeyRing
from services.gateway.auth import ApiKeys
from services.gateway.identity.lockouts import Lockouts, Terms
from services.gateway.identity.oidc import Provider
from services.gateway.identity.passwords import Passwords
from services.gateway.identity.peers import Peers
from services.gateway.identity.rates import Rates
from services.gateway.identity.sessions import Sessions
from services.gateway.identity.signin import SignIn
from services.gateway.identity.standing import Standing
from services.gateway.identity.tokens import AccessTokens, RefreshTokens
from services.gateway.identity.users import Users
from services.gateway.settings import Settings


@dataclass(frozen=True)
class Identity:
    """The parts."""

    users: Users
    sessions: Sessions
    tokens: AccessTokens
    standing: Standing
    sign_in: SignIn
    provider: Provider | None
    peers: Peers
    rates: Rates
    """Of those who have shown who they are."""
    unknown_rates: Rates
    """Of addresses, for those who have not."""


@asynccontextmanager
async def open_identity(settings: Settings, bus: Bus, keyring: KeyRing, api_keys: ApiKeys) -> AsyncGenerator[Identity]:
    """The parts over a connected bus, with their watches running and the first admin key in place."""
    users = Users(bus, keyring.derive("identity.users"))
    sessions = Sessions(
        bus, keyring.derive("identity.sessions"), RefreshTokens(keyring.derive("identity.refresh-token")),
        longest=settings.session_longest, idle=settings.session_idle, again_within=settings.refresh_again_within,
    )  # fmt: skip
    tokens = AccessTokens(keyring.derive("identity.access-token"), settings.access_token_lifetime, settings.clock_leeway)
    lockouts = Lockouts(bus, keyring.derive("identity.lockouts"))
    first, longest = settings.lock_first, settings.lock_longest
    sign_in = SignIn(
        bus, keyring, users, sessions, tokens, Passwords(), lockouts, tenant=settings.tenant,
        of_account=Terms(settings.lock_account_after, first, longest), of_address=Terms(settings.lock_address_after, first, longest),
    )  # fmt: skip
    # No redirects and no proxies of the environment: secrets go where the settings say.
    http = httpx.AsyncClient(timeout=10, follow_redirects=False, trust_env=False)
    configured = settings.oidc()
    provider = Provider(configured, keyring.derive("identity.oidc"), http, settings.clock_leeway) if configured else None
    watches = [
        asyncio.create_task(api_keys.watch(), name="gateway-apikeys"),
        asyncio.create_task(users.table.follow(), name="gateway-users"),
        asyncio.create_task(sessions.table.follow(), name="gateway-sessions"),
    ]
    try:
        await asyncio.gather(api_keys.ready(), users.table.ready(), sessions.table.ready())
        await api_keys.ensure_first_admin(settings.admin_key_path, settings.tenant)
        yield Identity(
            users=users,
            sessions=sessions,
            tokens=tokens,
            standing=Standing(api_keys, users, sessions, tokens),
            sign_in=sign_in,
            provider=provider,
            peers=Peers(settings.trusted_proxies, settings.public_url),
            rates=Rates(settings.rate_per_s, settings.rate_burst),
            unknown_rates=Rates(settings.unknown_rate_per_s, settings.unknown_rate_burst),
        )
    finally:
        await api_keys.settle()
        await http.aclose()
        await end(*watches)


__all__ = ["Identity", "open_identity"]
