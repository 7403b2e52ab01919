"""Notifications: who must know is told, again and again for three days if need be, and each attempt is a fact."""

from services.gates.notifications.handlers import Notifications

__all__ = ["Notifications"]
