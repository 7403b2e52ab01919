"""What the ledger's queries share: their arguments' base, and how rows become JSON."""

from collections.abc import Iterable, Mapping, Sequence
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
Ids = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")], ...], Field(max_length=100)]
"""Only what has one of these ids; none are named where all are meant."""


class ById(Arguments):
    id: str = Field(min_length=1, max_length=300)


MONEY = frozenset({"cost_usd", "saved_usd"})


def one_of(tx: Connection, table: Any, tenant: str, id_: str, what: str) -> dict[str, Any]:
    row = tx.execute(select(table).where(table.c.tenant == tenant, table.c.id == id_)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no {what} {id_!r}")
    return present(row)


def rows_of(tx: Connection, query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows as JSON, all of them."""
    found = tx.execute(query)
    # SQLAlchemy's names are strings of a kind of its own; pydantic takes a hundred times as long to write those as keys of JSON.
    names = [str(key) for key in found.keys()]  # noqa: SIM118 - a result is not a mapping
    return [_present(names, row) for row in found]


def present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON. An event's body is the parsed payload; sealed parts stay sealed. Undecodable bytes show as hex."""
    return _present([str(key) for key in row], row.values())


_AS_THEY_ARE = frozenset({str, int, bool, float, list, dict, type(None)})


def _present(names: Sequence[str], values: Iterable[Any]) -> dict[str, Any]:
    shown = dict(zip(names, values, strict=True))
    # Most values are JSON already, and a page of rows has tens of thousands of them.
    for name, value in shown.items():
        if type(value) not in _AS_THEY_ARE:
            shown[name] = _value(name, value)
    body = shown.get("body")
    if type(body) is str:
        shown["body"] = from_json(body)
    return shown


def _value(name: str, value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Decimal():
            # PostgreSQL sums integers to NUMERIC; money alone stays text.
            return money(value) if name in MONEY else int(value)
        case bytes():
            return value.hex()
        case _:
            return value


def money(value: Decimal) -> str:
    return format(value.normalize(), "f") if value else "0"
