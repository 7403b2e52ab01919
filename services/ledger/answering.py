"""What the ledger's queries share: their arguments' base, and how rows become JSON."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json
from sqlalchemy import Connection, Select, select

from agentos.contracts.errors import NotFound


class Arguments(BaseModel):
    """What every query takes: ``min_seq`` makes it wait until the ledger has folded that event (read your writes), and ``wait_ms`` no
    longer than that, and not at all where the ledger cannot be there in a moment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_seq: int = Field(default=0, ge=0, lt=2**63)
    wait_ms: int | None = Field(default=None, ge=0, le=10_000)


class Page(Arguments):
    """A page of a list; ``cursor`` is the one of the previous page."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$")


Prefix = Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]{6,128}$")]
"""Only what has an id that begins so."""


class ById(Arguments):
    id: str = Field(min_length=1, max_length=300)


MONEY = frozenset({"cost_usd", "saved_usd"})


def one_of(tx: Connection, table: Any, tenant: str, id_: str, what: str) -> dict[str, Any]:
    row = tx.execute(select(table).where(table.c.tenant == tenant, table.c.id == id_)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no {what} {id_!r}")
    return present(row)


def rows_of(tx: Connection, query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [present(row) for row in tx.execute(query).mappings()]


def present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON. An event's body is the parsed payload; sealed parts stay sealed. Undecodable bytes show as hex."""
    shown: dict[str, Any] = {}
    for key, value in row.items():
        # SQLAlchemy's names are strings of a kind of its own; pydantic takes a hundred times as long to write those as keys of JSON.
        name = str(key)
        match value:
            case str() if name == "body":
                shown[name] = from_json(value)
            case str() | int() | None:
                shown[name] = value
            case datetime():
                shown[name] = value.isoformat().replace("+00:00", "Z")
            case Decimal():
                # PostgreSQL sums integers to NUMERIC; money alone stays text.
                shown[name] = money(value) if name in MONEY else int(value)
            case bytes():
                shown[name] = value.hex()
            case _:
                shown[name] = value
    return shown


def money(value: Decimal) -> str:
    return format(value.normalize(), "f") if value else "0"
