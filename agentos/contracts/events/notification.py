"""Notifications: one fact that one target is to be told, each attempt that failed, and the one that did not."""

from typing import Literal

from agentos.contracts.base import Contract, Fault, Utc


class NotificationQueued(Contract):
    """A target is to be told of the event on ``source``. The aggregate's id is the ``webhook-id`` (or Message-ID) of every attempt."""

    target: str
    transport: Literal["webhook", "smtp"]
    topic: str
    source: str
    """Subject of the event; the body is made from it at each attempt."""


class NotificationFailed(Contract):
    """Attempt n did not reach the target; the next one follows at ``next_at``, or none does."""

    target: str
    fault: Fault
    status: int | None = None
    next_at: Utc | None = None


class NotificationSent(Contract):
    """The target has taken it, at attempt ``attempts``."""

    target: str
    attempts: int
    status: int | None = None


class TargetDisabled(Contract):
    """A target said that it is gone (410): nothing is sent there any more. Its id is derived from name and address."""

    target: str
    reason: str
