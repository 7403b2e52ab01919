"""Persons, organisations, places, addresses, secrets and numbers, found by a small model of our own from what stands around them."""

from services.policy.names.finder import NameFinder
from services.policy.names.network import ModelBroken

__all__ = ["ModelBroken", "NameFinder"]
