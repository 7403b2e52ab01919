"""The gateway's settings."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from agentos.contracts.base import Token
from agentos.service import ServiceSettings


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
    slow_reader_after: timedelta = timedelta(seconds=30)
    """How long a client may leave what it was sent unread before its call is stopped."""

    @property
    def admin_key_path(self) -> Path:
        """Where the first admin key is written, mode 0600."""
        return self.data / "secrets" / "admin.key"
