"""Published bundles in bucket ``bundles``: which versions there are, and each one's content by its digest.

One entry, ``catalogue.published``, names the versions and is only ever replaced as it was read, so that of two publications one is first.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from agentos.bus import Bus, claim
from agentos.contracts.base import Contract, Json, Principal, Token, Utc
from services.policy.bundles import BundleFault, SignedBundle

KEY = "catalogue.published"
KEPT = 50
"""Versions that stay: what may be looked at, compared with and published again."""


class Published(Contract):
    """One version as the catalogue lists it."""

    version: int
    revision: str
    content: str
    """Claim of the document in the same bucket."""
    key_id: str
    created_at: Utc
    published_at: Utc
    tenant: Token
    by: Principal
    request: Token


class Listing(Contract):
    """Every version that is kept, oldest first."""

    versions: tuple[Published, ...] = ()

    @property
    def newest(self) -> Published | None:
        """The version that is to decide."""
        return self.versions[-1] if self.versions else None


class Catalogue:
    """The bucket, for the policy service. All methods raise RetryLater when the broker is away."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("bundles")

    async def read(self) -> tuple[Listing, int]:
        """What is published, and the revision of that entry (0 when there is none)."""
        entry = await self._bucket.get(KEY)
        if entry is None or entry.value is None:
            return Listing(), 0
        return Listing.model_validate_json(entry.value), entry.revision

    async def store(self, signed: SignedBundle) -> str:
        """Keep the document's content; the claim on it. Idempotent."""
        return (await claim.check_in(self._bucket, signed.model_dump_json().encode()))[claim.HEADER]

    async def add(self, listing: Listing, revision: int, published: Published) -> None:
        """Put ``published`` at the end of ``listing`` as it was read. Raises Conflict when another was first."""
        versions = (*listing.versions, published)
        value = Listing(versions=versions[-KEPT:]).model_dump_json().encode()
        await (self._bucket.update(KEY, value, revision) if revision else self._bucket.create(KEY, value))
        for gone in versions[:-KEPT]:
            sha, _, chunks = gone.content.partition(".")
            for number in range(int(chunks)):
                await self._bucket.delete(f"{sha}.{number}")

    async def document(self, published: Published) -> dict[str, Json]:
        """The content of a version, not yet verified. Raises BundleFault when it is not JSON, NeverRetry when it is not what was stored."""
        body = await claim.check_out(self._bucket, published.content)
        try:
            return json.loads(body)
        except ValueError:
            raise BundleFault(
                f"Version {published.version} is stored as something else than JSON.", code="bundle.malformed"
            ) from None

    async def changes(self) -> AsyncGenerator[Listing]:
        """The present listing, and every later one, for ever."""
        async with aclosing(self._bucket.watch("catalogue.")) as entries:
            async for entry in entries:
                if entry is not None and entry.key == KEY and entry.value is not None:
                    yield Listing.model_validate_json(entry.value)


__all__ = ["KEPT", "KEY", "Catalogue", "Listing", "Published"]
