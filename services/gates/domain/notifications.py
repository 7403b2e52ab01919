"""Notifications, pure: what has become of one, when it is tried again, and what it says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from agentos.contracts.base import Contract
from agentos.contracts.envelope import Recorded, encode_body
from agentos.contracts.errors import NeverRetry
from agentos.contracts.events.approval import ApprovalEscalated, ApprovalRequested, ApprovalResolved
from agentos.contracts.events.kill import KillEngaged, KillReleased
from agentos.contracts.events.notification import NotificationFailed, NotificationQueued, NotificationSent
from agentos.contracts.subjects import EventSubject

Topic = Literal["approval.requested", "approval.escalated", "approval.resolved", "kill.engaged", "kill.released"]

DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""Standard Webhooks' schedule: how long after the failure before it (or after the event) each attempt is made; about 3 days in all."""

LARGEST_PREVIEW_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification so far."""

    queued: NotificationQueued | None = None
    failures: int = 0
    next_at: datetime | None = None
    ended: bool = False
    """Sent, or given up."""


def fold(events: Iterable[Contract]) -> Delivery:
    """The notification after ``events``."""
    delivery = Delivery()
    for event in events:
        match event:
            case NotificationQueued():
                delivery = replace(delivery, queued=event)
            case NotificationFailed():
                delivery = replace(delivery, failures=delivery.failures + 1, next_at=event.next_at, ended=event.next_at is None)
            case NotificationSent():
                delivery = replace(delivery, ended=True)
            case _:
                continue
    return delivery


def next_attempt(attempt: int, now: datetime, delays: Sequence[timedelta]) -> datetime | None:
    """When to try again after attempt ``attempt`` (from 1) failed; None when that was the last."""
    return now + delays[attempt] if attempt < len(delays) else None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a target is told. ``roles`` are those whom it concerns; nobody's when it concerns all."""

    topic: Topic | Literal["notification.test"]
    title: str
    roles: tuple[str, ...]
    body: dict[str, Any]


def trial(tenant: str, roles: tuple[str, ...], at: datetime, link: str | None) -> Notice:
    """What a target is told when somebody only wants to know whether it can be reached."""
    title = "A test of this notification target"
    data: dict[str, Any] = {"tenant": tenant} | ({} if link is None else {"link": link})
    body = {"type": "notification.test", "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data}
    return Notice("notification.test", title, roles, body)


def notice(event: Recorded, requested: ApprovalRequested | None, link: str | None) -> Notice:
    """What to say of ``event``; ``requested`` is the approval that it is about. Only what is redacted already, and no sealed part."""
    subject = EventSubject.parse(event.subject)
    topic = cast("Topic", event.channel.name)
    data: dict[str, Any] = {"tenant": subject.tenant}
    roles: tuple[str, ...] = ()
    match event.data:
        case ApprovalRequested() | ApprovalEscalated() | ApprovalResolved():
            if requested is None:
                raise NeverRetry(f"{event.subject} is about no approval", code="no_such_approval")
            data |= _of_approval(subject.id, requested, link)
            roles = requested.approver_roles
            title = requested.summary
            match event.data:
                case ApprovalEscalated():
                    roles = event.data.added
                    data |= {"approver_roles": list(event.data.approver_roles), "added_roles": list(roles)}
                    title = f"Still waiting: {title}"
                case ApprovalResolved():
                    resolved = event.data
                    data |= {
                        "outcome": resolved.outcome,
                        "by": resolved.by.id,
                        "votes": [vote.model_dump(mode="json", include={"outcome", "number"}) | {"by": vote.by.id} for vote in resolved.votes],
                        "reason": resolved.reason,
                        "digest": resolved.digest,
                        "revision": resolved.revision,
                    }  # fmt: skip
                    title = f"{resolved.outcome.capitalize()}: {title}"
                case ApprovalRequested():
                    title = f"Waiting for you: {title}"
        case KillEngaged():
            data |= {"switch": subject.id, **event.data.model_dump(mode="json", exclude={"by"}), "by": event.data.by.id}
            title = f"Kill switch engaged: {event.data.scope} {event.data.target}"
        case KillReleased():
            data |= {"switch": subject.id, **event.data.model_dump(mode="json", exclude={"by"}), "by": event.data.by.id}
            title = "Kill switch released"
        case other:
            raise NeverRetry(f"nobody is told of a {type(other).__name__}", code="no_such_topic")
    body = {"type": topic, "timestamp": event.meta.time.isoformat().replace("+00:00", "Z"), "data": data}
    return Notice(topic, title, roles, body)


def _of_approval(id_: str, requested: ApprovalRequested, link: str | None) -> dict[str, Any]:
    context = requested.context
    preview: dict[str, Any] = requested.preview
    if len(encode_body(requested)) > LARGEST_PREVIEW_BYTES:
        preview = {"omitted": "too large to send; look at it by the link"}
    return {
        "approval": id_,
        "task": context.task,
        "task_type": context.task_type,
        "pack": context.pack,
        "kind": requested.kind,
        "target": requested.target,
        "summary": requested.summary,
        "preview": preview,
        "reasons": list(requested.reasons),
        "requester": requested.requester.id,
        "digest": requested.digest,
        "approver_roles": list(requested.approver_roles),
        "quorum": requested.quorum,
        "expires_at": requested.expires_at.isoformat().replace("+00:00", "Z"),
        "link": None if link is None else f"{link.rstrip('/')}/approvals/{id_}",
    }
