"""Persons, organisations, places, addresses and what goes with them, found by a small model of our own."""

from services.policy.names.finder import NameFinder
from services.policy.names.network import ModelBroken

__all__ = ["ModelBroken", "NameFinder"]
