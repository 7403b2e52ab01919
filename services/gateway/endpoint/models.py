"""Which models a client may name: aliases, ``provider/model``, and a model's bare name, as its clients know it (bucket ``models``)."""

from contextlib import aclosing
from typing import Any, Literal

import structlog
from pydantic import ValidationError

from agentos.bus import Bus
from agentos.contracts.budgets import ModelCatalogue
from agentos.contracts.virtualkeys import VirtualKey
from services.gateway.endpoint.errors import no_such_model

log = structlog.get_logger(__name__)


def resolve(catalogue: ModelCatalogue, model: str, family: Literal["openai", "anthropic"]) -> str:
    """What ``model`` means here. A bare name is that of the provider whose format is spoken where it has it, else of the first by name
    that does. Raises EndpointError for a name that nobody could serve."""
    if model in catalogue.aliases:
        return model
    provider, slash, _ = model.partition("/")
    if slash and provider in catalogue.providers:
        return model
    for candidate in (family, *(each for each in catalogue.providers if each != family)):
        if candidate in catalogue.providers and f"{candidate}/{model}" in catalogue.prices:
            return f"{candidate}/{model}"
    if not slash and family in catalogue.providers:
        # New models are served before any table has their price.
        return f"{family}/{model}"
    raise no_such_model(model)


def names(catalogue: ModelCatalogue, key: VirtualKey) -> list[str]:
    """What the key may ask for by name: aliases first."""
    known = [*sorted(catalogue.aliases), *sorted(name for name in catalogue.prices if not name.endswith("/*"))]
    return [name for name in known if key.permits(name)]


def openai_model(name: str) -> dict[str, Any]:
    """An entry as OpenAI lists it."""
    owner, slash, _ = name.partition("/")
    return {"id": name, "object": "model", "created": 0, "owned_by": owner if slash else "agentos"}


def anthropic_model(name: str) -> dict[str, Any]:
    """An entry as Anthropic lists it."""
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


def openai_list(found: list[str]) -> dict[str, Any]:
    """``GET /v1/models``."""
    return {"object": "list", "data": [openai_model(name) for name in found]}


def anthropic_list(found: list[str]) -> dict[str, Any]:
    """``GET /v1/models`` with an ``anthropic-version``."""
    return {
        "data": [anthropic_model(name) for name in found],
        "has_more": False,
        "first_id": found[0] if found else None,
        "last_id": found[-1] if found else None,
    }


class Catalogue:
    """What the router says that it serves. Run ``follow`` as a task."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("models")
        self.current = ModelCatalogue(providers=(), aliases={}, prices={})

    async def follow(self) -> None:
        """Follow the bucket for ever. An entry that cannot be read leaves the last one standing."""
        async with aclosing(self._bucket.watch()) as entries:
            async for entry in entries:
                if entry is None or entry.key != "catalogue" or entry.value is None:
                    continue
                try:
                    self.current = ModelCatalogue.model_validate_json(entry.value)
                except ValidationError:
                    log.error("catalogue_unreadable")
