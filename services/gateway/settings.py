"""The gateway's settings."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from agentos.contracts.base import Token
from agentos.service import ServiceSettings
from services.gateway.authorizer import Role
from services.gateway.identity.oidc import ProviderSettings, is_safe


class Settings(ServiceSettings):
    """Read from ``AGENTOS_GATEWAY_*``. ``<data>/secrets`` holds the master key and the first admin key."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_GATEWAY_", frozen=True, extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    """0 takes a free port; the real one is logged and handed to ``run``'s ``ready``."""
    sources_file: Path | None = None
    tenant: Token = "default"
    """The tenant of API keys that are made without one."""
    metrics_open: bool = False
    """Whether /metrics answers without a key; for a network where only the collector reaches it."""
    max_body_bytes: int = Field(default=1_048_576, ge=1_024)
    answer_timeout: timedelta = timedelta(seconds=5)
    """How long a request waits for a service's answer before it says 503."""
    drain_timeout: timedelta = timedelta(seconds=10)
    """How long requests in flight may take to finish on SIGTERM."""
    max_in_flight: int = Field(default=256, ge=1)
    """Requests worked on at once; more are told 429 with Retry-After."""
    max_streams: int = Field(default=64, ge=1)
    """Live event streams open at once."""
    max_sockets: int = Field(default=256, ge=1)
    """Live sockets (`/api/v1/ws`) open at once."""
    endpoint_max_calls: int = Field(default=12_000, ge=1)
    """Calls of the governed endpoint that wait at once, idle streams included; more are told 429."""
    endpoint_max_body_bytes: int = Field(default=20_971_520, ge=1_024)
    """Of one request of the governed endpoint: images travel in it."""
    endpoint_max_output_tokens: int = Field(default=8_192, ge=1)
    """What an OpenAI client's request that names no limit may answer; the worst case that budgets hold back."""
    endpoint_call_timeout: timedelta = timedelta(minutes=15)
    """How long a call may take that waits for nobody."""
    hold_wait: timedelta = timedelta(seconds=55)
    """How long a call that waits for an approval keeps its connection; then its client is told to come back."""
    hold_retry_after: timedelta = timedelta(seconds=15)
    """When to come back."""
    hold_kept: timedelta = timedelta(minutes=10)
    """How long after its end the answer of a call that was held is there for its client to fetch."""
    stream_begin_after: timedelta = timedelta(seconds=5)
    """When a stream is begun of which nothing has come yet: until then a failure is answered with its status."""
    stream_ping: timedelta = timedelta(seconds=10)
    """How long a stream may be silent before it gives a sign of life."""
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+$")
    """Where browsers find the gateway, such as https://agents.example.org; unless set it is taken from each request."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    setup_from_loopback: bool = True
    """Whether a browser on this machine may make the first administrator without the first admin key."""
    access_token_lifetime: timedelta = timedelta(minutes=10)
    clock_leeway: timedelta = timedelta(seconds=30)
    """How far the clocks of two gateways, or ours and an identity provider's, may differ."""
    session_idle: timedelta = Field(default=timedelta(hours=12), le=timedelta(days=30))
    """How long a session lasts that nobody uses."""
    session_longest: timedelta = Field(default=timedelta(days=14), le=timedelta(days=30))
    """How long a session lasts however it is used."""
    refresh_again_within: timedelta = timedelta(seconds=10)
    """How long the last exchange of a refresh token is answered again, for a lost answer or a second tab."""
    lock_account_after: int = Field(default=5, ge=1)
    """Sign-ins of one account that may fail in a row before it is locked, for a time that doubles."""
    lock_address_after: int = Field(default=20, ge=1)
    lock_first: timedelta = timedelta(seconds=30)
    lock_longest: timedelta = timedelta(minutes=15)
    rate_per_s: float = Field(default=200.0, ge=0)
    """Requests of one key or person a second, over time; 0 for no limit."""
    rate_burst: int = Field(default=1_000, ge=1)
    unknown_rate_per_s: float = Field(default=10.0, ge=0)
    """Requests of one address that show no valid key or token; 0 for no limit."""
    unknown_rate_burst: int = Field(default=100, ge=1)
    oidc_issuer: str | None = None
    """An OpenID Connect provider to sign in at, exactly as its discovery document names it; needs ``public_url``."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    """None for a public client: the code is then bound by PKCE alone."""
    oidc_name: str = "single sign-on"
    """What the sign-in page calls it."""
    oidc_scopes: tuple[str, ...] = ("openid", "profile", "email")
    oidc_roles_claim: str = "roles"
    """A claim of the ID token, or a dotted path to one (``realm_access.roles``)."""
    oidc_roles: dict[str, Role] = Field(default={})
    """What the claim's values mean here."""
    oidc_everyone: tuple[Role, ...] = ()
    """Roles of whomever the provider lets in."""
    oidc_tenant_claim: str | None = None
    """Where the ID token names the tenant; unless set, everybody is of ``tenant``."""
    slow_reader_after: timedelta = timedelta(seconds=30)
    """How long a client may leave what it was sent unread before its call is stopped."""

    @property
    def admin_key_path(self) -> Path:
        """Where the first admin key is written, mode 0600."""
        return self.data / "secrets" / "admin.key"

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        if self.oidc_issuer is not None:
            if not self.oidc_client_id or self.public_url is None:
                raise ValueError("AGENTOS_GATEWAY_OIDC_ISSUER needs _OIDC_CLIENT_ID and _PUBLIC_URL beside it")
            if not is_safe(self.oidc_issuer):
                raise ValueError("AGENTOS_GATEWAY_OIDC_ISSUER must be an https address")
            if not self.oidc_roles and not self.oidc_everyone:
                raise ValueError("AGENTOS_GATEWAY_OIDC_ROLES or _OIDC_EVERYONE must say who may do what, or nobody gets in")
        return self

    def oidc(self) -> ProviderSettings | None:
        """The identity provider, where there is one."""
        if self.oidc_issuer is None:
            return None
        secret = self.oidc_client_secret
        return ProviderSettings(
            issuer=self.oidc_issuer, client_id=self.oidc_client_id,
            client_secret=secret.get_secret_value() if secret is not None else None, name=self.oidc_name,
            scopes=self.oidc_scopes, roles_claim=self.oidc_roles_claim, roles=self.oidc_roles, everyone=self.oidc_everyone,
            tenant_claim=self.oidc_tenant_claim, tenant=self.tenant,
        )  # fmt: skip
