"""Bundles of rules: one that was published decides from then on, one that was refused changes nothing."""

from agentos.contracts.base import Contract, Principal, Token, Utc


class BundlePublished(Contract):
    """A signed bundle passed every check and stands in bucket ``bundles``; each instance of policy swaps to it. The id is its version."""

    version: int
    revision: str
    """SHA-256 over rules and configuration, as in every decision's ``bundle``."""
    previous: int | None = None
    """The version that decided before, or None for the rules that AgentOS ships."""
    created_at: Utc
    key_id: str
    by: Principal
    request: Token


class BundleRefused(Contract):
    """A bundle that does not decide: it was refused when it was published (the id is the request), or an instance cannot run it.

    What decided before goes on deciding.
    """

    code: str
    detail: str
    version: int | None = None
    revision: str | None = None
    by: Principal | None = None
    instance: str | None = None
    """The instance that could not take the published bundle; None when it was refused before it was published."""
    serving: int | None = None
    """The version that goes on deciding, or None for the rules that AgentOS ships."""
