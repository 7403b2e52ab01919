"""SQL functions that sum money exactly, on both databases."""

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from services.ledger import tables


class decimal_sum(GenericFunction[Any]):  # noqa: N801 - an SQL function has an SQL name
    """Exact sum of a Money column: ``sum`` on PostgreSQL, an aggregate of our own on SQLite."""

    type = tables.Money()
    inherit_cache = True
    name = "decimal_sum"


@compiles(decimal_sum, "postgresql")
def _sum_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:  # pyright: ignore[reportUnusedFunction] - registered
    return f"sum({compiler.process(element.clauses, **kw)})"


class decimal_add(GenericFunction[Any]):  # noqa: N801 - an SQL function has an SQL name
    """Exact sum of two cells of money: ``+`` on PostgreSQL, a function of our own on SQLite."""

    type = tables.Money()
    inherit_cache = True
    name = "decimal_add"


@compiles(decimal_add, "postgresql")
def _add_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:  # pyright: ignore[reportUnusedFunction] - registered
    return " + ".join(compiler.process(each, **kw) for each in element.clauses)
