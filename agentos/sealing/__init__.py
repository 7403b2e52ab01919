"""Envelope encryption and placeholders: what lets a service handle raw payloads without ever writing them down in clear."""

from agentos.sealing.envelope import (
    KeyErased,
    SealBroken,
    new_data_key,
    open_model,
    open_sealed,
    seal,
    seal_model,
)
from agentos.sealing.master import MasterKey
from agentos.sealing.placeholders import ENTITIES, PlaceholderVault, restore, restore_json, restore_json_text

__all__ = [
    "ENTITIES",
    "KeyErased",
    "MasterKey",
    "PlaceholderVault",
    "SealBroken",
    "new_data_key",
    "open_model",
    "open_sealed",
    "restore",
    "restore_json",
    "restore_json_text",
    "seal",
    "seal_model",
]
