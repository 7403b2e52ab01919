"""Publishing bundles, and taking up what was published: checked by whoever is asked, and again by every instance before it decides by it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agentos.bus import Bus, Route
from agentos.contracts.base import Json
from agentos.contracts.commands import Answer, PublishBundle
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, NeverRetry, Refused, RetryLater, Unavailable
from agentos.contracts.events.policy import BundlePublished, BundleRefused
from agentos.telemetry import counter
from services.policy.active import SHIPPED, ActivePolicy
from services.policy.bundles import BundleFault, SignedBundle, verify
from services.policy.catalogue import Catalogue, Listing, Published
from services.policy.evaluator import Bundle, PolicyEvaluator
from services.policy.trial import try_out

log = structlog.get_logger(__name__)

PAUSE_S = 0.5
"""Before what the broker did not give is asked for again."""

MakeEvaluator = Callable[[Bundle], Awaitable[PolicyEvaluator]]


class Bundles:
    """The policy service's part in publishing. ``start`` before decisions are made, ``follow`` as a task, ``routes`` for commands."""

    def __init__(self, bus: Bus, active: ActivePolicy, make: MakeEvaluator, trusted: Mapping[str, Ed25519PublicKey]) -> None:
        self._bus = bus
        self._active = active
        self._make = make
        self._trusted = trusted
        self._catalogue = Catalogue(bus)
        self._tried: set[str] = set()
        """Revisions that this instance has seen compile and answer."""
        self._unfit: set[int] = set()
        self._refusals = counter("agentos_policy_bundles_refused_total", "Bundles of rules that were refused.", ("code",))

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("policy.publish", self.on_publish, concurrency=1)]

    # --- publishing ---------------------------------------------------------------------------------------------------

    async def on_publish(self, message: Recorded) -> None:
        """Check a bundle and list it; the answer says what became of it. Idempotent: a redelivery finds its own version listed."""
        command = message.payload(PublishBundle)
        request = message.subject.rpartition(".")[2]
        try:
            published, previous = await self._publish(command, request)
        except BundleFault as fault:
            await self._refuse(message, request, command, fault)
            answer = Answer(ok=False, code=fault.code, detail=fault.detail)
        else:
            fact = BundlePublished(
                version=published.version,
                revision=published.revision,
                previous=previous,
                created_at=published.created_at,
                key_id=published.key_id,
                by=published.by,
                request=request,
            )
            await self._bus.append("policy.published", str(published.version), fact, cause=message)
            answer = Answer(ok=True, data=fact.model_dump(mode="json"))
        await self._bus.send("policy.answer", (request,), answer, tenant=command.tenant, cause=message)

    async def _publish(self, command: PublishBundle, request: str) -> tuple[Published, int | None]:
        """The listed version, and the one before it."""
        signed = verify(command.bundle, self._trusted)
        while True:
            listing, revision = await self._catalogue.read()
            before = [one for one in listing.versions if one.request != request]
            own = next((one for one in listing.versions if one.request == request), None)
            previous = max((one.version for one in before if own is None or one.version < own.version), default=None)
            if own is not None:
                return own, previous
            if previous is not None and signed.version <= previous:
                raise BundleFault(
                    f"Version {signed.version} is not newer than {previous}, which is published: sign it again with a greater version.",
                    code="bundle.not_newer",
                )
            await try_out(signed)
            self._tried.add(signed.revision)
            published = Published(
                version=signed.version,
                revision=signed.revision,
                content=await self._catalogue.store(signed),
                key_id=signed.key_id,
                created_at=signed.created_at,
                published_at=datetime.now(UTC),
                tenant=command.tenant,
                by=command.by,
                request=request,
            )
            try:
                await self._catalogue.add(listing, revision, published)
            except Conflict:
                # Another publication was first: look again whether this one is still newer.
                continue
            return published, previous

    async def _refuse(self, message: Recorded, request: str, command: PublishBundle, fault: BundleFault) -> None:
        log.warning("bundle_refused", code=fault.code, detail=fault.detail, by=command.by.id)
        self._refusals.labels(fault.code).inc()
        version, revision = command.bundle.get("version"), command.bundle.get("revision")
        refused = BundleRefused(
            code=fault.code,
            detail=fault.detail,
            version=version if isinstance(version, int) and abs(version) < 2**63 else None,
            revision=revision[:64] if isinstance(revision, str) else None,
            by=command.by,
            serving=self._active.version or None,
        )
        await self._bus.append("policy.refused", request, refused, cause=message)

    # --- taking up ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up the newest good version there is before the first decision; without one the shipped rules decide. Waits for the broker."""
        while True:
            try:
                listing, _ = await self._catalogue.read()
                await self._take_up(listing)
            except RetryLater as away:
                log.info("waiting_for_bundles", detail=away.detail)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def follow(self) -> None:
        """Take up every later version as it is published, for ever; run it as a task."""
        while True:
            try:
                async with aclosing(self._catalogue.changes()) as listings:
                    async for listing in listings:
                        await self._take_up(listing)
            except (RetryLater, Unavailable) as away:
                log.info("bundles_not_followed", detail=away.detail)
            except Exception:  # rules are foreign code: whatever one bundle brings about, the next must still be taken up
                log.exception("bundle_not_taken_up")
            await asyncio.sleep(PAUSE_S)

    async def _take_up(self, listing: Listing) -> None:
        """Swap to the newest version that can be run, and never back to an older one."""
        for published in sorted(listing.versions, key=lambda one: one.version, reverse=True):
            if published.version <= self._active.version:
                return
            if published.version in self._unfit:
                continue
            try:
                evaluator = await self._evaluator(published)
            except (Refused, NeverRetry) as fault:
                self._unfit.add(published.version)
                await self._report(published, fault)
            else:
                self._active.swap(evaluator, published.version)
                return

    async def _evaluator(self, published: Published) -> PolicyEvaluator:
        document: dict[str, Json] = await self._catalogue.document(published)
        signed: SignedBundle = await asyncio.to_thread(verify, document, self._trusted)
        if (signed.version, signed.revision) != (published.version, published.revision):
            raise BundleFault("The catalogue lists another bundle under this version.", code="bundle.revision_differs")
        if signed.revision not in self._tried:
            await try_out(signed, own_tests=False)
            self._tried.add(signed.revision)
        evaluator = await self._make(signed.bundle)
        if evaluator.revision != signed.revision:
            await evaluator.close()
            raise BundleFault("The evaluator runs other rules than the bundle's.", code="bundle.revision_differs")
        return evaluator

    async def _report(self, published: Published, fault: AgentOSError) -> None:
        """Say loudly, once, that this instance stays with the rules it has."""
        serving = self._active.version
        log.error(
            "bundle_not_run",
            version=published.version,
            code=fault.code,
            detail=fault.detail,
            serving=serving,
            shipped=serving == SHIPPED,
        )
        self._refusals.labels(fault.code).inc()
        refused = BundleRefused(
            code=fault.code,
            detail=fault.detail,
            version=published.version,
            revision=published.revision,
            by=published.by,
            instance=self._bus.instance,
            serving=serving or None,
        )
        await self._bus.append("policy.refused", f"v{published.version}-{self._bus.instance}", refused, tenant=published.tenant)


__all__ = ["Bundles"]
