"""Subject → handler: queue a notification for each target, attempt it when its timer is due, write down what came of it.

Between an attempt and its fact a crash may come: then the attempt is made again, under the same ``webhook-id``. So a target may be told
twice, and knows it; it is never told nothing.
"""

from datetime import UTC, datetime

import structlog

from agentos.bus import Bus, Route
from agentos.contracts.base import Fault
from agentos.contracts.commands import TimerDue
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NeverRetry
from agentos.contracts.events.approval import ApprovalRequested
from agentos.contracts.events.notification import (
    NotificationFailed,
    NotificationQueued,
    NotificationSent,
    TargetDisabled,
)
from agentos.contracts.ids import derived_id
from agentos.contracts.subjects import EventSubject
from agentos.telemetry import counter
from services.gates.domain import notifications as domain
from services.gates.notifications.asking import NotificationQueries
from services.gates.notifications.sending import GONE, Attempt, Sender
from services.gates.notifications.targets import SmtpTarget, Targets, WebhookTarget

log = structlog.get_logger(__name__)


class Notifications:
    """Handlers of the gates for notifications."""

    def __init__(self, bus: Bus, targets: Targets) -> None:
        self._bus = bus
        self._targets = targets
        self._sender = Sender(targets.timeout)
        self._attempts = counter("agentos_notifications_total", "Attempts at notifications.", ("transport", "outcome"))

    def routes(self) -> list[Route]:
        """The handler table; kill switches come by way of the gates' own."""
        return [
            Route("approval.requested", self.on_fact),
            Route("approval.escalated", self.on_fact),
            Route("approval.resolved", self.on_fact),
            Route("timer.gates-notify-due", self.on_due, concurrency=32),
            *NotificationQueries(self._bus, self._targets, self._sender).routes(),
        ]

    async def close(self) -> None:
        """Let go of connections."""
        await self._sender.close()

    async def on_fact(self, message: Recorded) -> None:
        """Something that people want to know of: one notification a target."""
        subject = EventSubject.parse(message.subject)
        topic = message.channel.name
        for target in self._targets.all:
            if topic not in target.events or target.tenant not in (None, subject.tenant):
                continue
            if isinstance(target, SmtpTarget) and not target.recipients((await self._notice(message)).roles):
                continue
            id_ = derived_id("notification", message.meta.event_id, target.name)
            queued = NotificationQueued(
                target=target.name,
                transport="smtp" if isinstance(target, SmtpTarget) else "webhook",
                topic=topic,
                source=message.subject,
            )
            await self._bus.append("notification.queued", id_, queued, cause=message)
            await self._try_at(message, subject.tenant, id_, 1, datetime.now(UTC) + self._targets.retry_after[0])

    async def on_due(self, message: Recorded) -> None:
        """Attempt ``ordinal`` is due."""
        due = message.payload(TimerDue)
        id_, _, _ = message.subject.rsplit(".", 1)[-1].rpartition("-")
        delivery = domain.fold(event.data for event in await self._bus.load(due.tenant, "notification", id_))
        if delivery.queued is None or delivery.ended:
            return
        if delivery.failures >= due.ordinal:
            # Made at an earlier delivery of this timer, which may have ended before the next one stood.
            if delivery.next_at is not None and delivery.failures == due.ordinal:
                await self._try_at(message, due.tenant, id_, due.ordinal + 1, delivery.next_at)
            return
        target = self._targets.of(delivery.queued.target)
        attempt = await self._attempt(due.tenant, id_, delivery.queued, target)
        self._attempts.labels(delivery.queued.transport, "sent" if attempt.ok else "failed").inc()
        if attempt.ok:
            sent = NotificationSent(target=delivery.queued.target, attempts=due.ordinal, status=attempt.status)
            await self._once(message, due.tenant, "notification.sent", id_, sent)
            return
        final = target is None or attempt.code in ("gone", "disabled", "impossible")
        next_at = None if final else domain.next_attempt(due.ordinal, datetime.now(UTC), self._targets.retry_after)
        failed = NotificationFailed(
            target=delivery.queued.target,
            fault=Fault(code=attempt.code, message=attempt.detail, retryable=next_at is not None),
            status=attempt.status,
            next_at=next_at,
        )
        if target is not None and attempt.status == GONE:
            await self._disable(message, due.tenant, target)
        await self._once(message, due.tenant, "notification.failed", id_, failed, due.ordinal)
        if next_at is not None:
            await self._try_at(message, due.tenant, id_, due.ordinal + 1, next_at)
        log.warning("notification_failed", target=failed.target, attempt=due.ordinal, code=attempt.code, next_at=str(next_at))

    async def _attempt(
        self, tenant: str, id_: str, queued: NotificationQueued, target: WebhookTarget | SmtpTarget | None
    ) -> Attempt:
        if target is None:
            return Attempt("no_such_target", "the target is not configured any more")
        if await self._bus.get(f"evt.{tenant}.target.{target.address_id}.disabled") is not None:
            return Attempt("disabled", "the target said before that it is gone; give it another name or address")
        event = await self._bus.get(queued.source)
        if event is None:
            return Attempt("impossible", "the event to tell of is not in the log")
        try:
            notice = await self._notice(event)
        except NeverRetry as never:
            return Attempt("impossible", never.detail)
        if isinstance(target, SmtpTarget):
            return await self._sender.mail(target, id_, notice, event.meta.time)
        return await self._sender.post(target, id_, notice)

    async def _notice(self, event: Recorded) -> domain.Notice:
        requested: ApprovalRequested | None = None
        subject = EventSubject.parse(event.subject)
        if subject.aggregate == "approval":
            standing = await self._bus.get(f"evt.{subject.tenant}.approval.{subject.id}.requested")
            requested = None if standing is None else standing.payload(ApprovalRequested)
        return domain.notice(event, requested, self._targets.link)

    async def _disable(self, message: Recorded, tenant: str, target: WebhookTarget | SmtpTarget) -> None:
        disabled = TargetDisabled(target=target.name, reason="it answered 410 (gone)")
        await self._once(message, tenant, "target.disabled", target.address_id, disabled)

    async def _once(
        self,
        message: Recorded,
        tenant: str,
        channel: str,
        id_: str,
        event: NotificationSent | NotificationFailed | TargetDisabled,
        ordinal: int | None = None,
    ) -> None:
        try:
            await self._bus.append(channel, id_, event, tenant=tenant, cause=message, ordinal=ordinal)
        except Conflict:
            log.info("noted_already", channel=channel, id=id_)

    async def _try_at(self, message: Recorded, tenant: str, id_: str, attempt: int, at: datetime) -> None:
        due = TimerDue(tenant=tenant, ordinal=attempt)
        correlation = message.meta.correlation_id
        await self._bus.set_timer("notify", f"{id_}-{attempt}", due, at=at, cause=message, correlation_id=correlation)
