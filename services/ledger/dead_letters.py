"""Questions about dead letters: each with what a person made of it, where somebody has."""

from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Connection, Select, and_, select

from agentos.contracts.base import Json, Utc
from agentos.contracts.errors import NotFound
from services.ledger import tables as t
from services.ledger.answering import Arguments, Page, rows_of

NOBODYS = ("", "unknown")
"""The tenants of what is so broken that it does not say whose it is."""


class DeadLetters(Page):
    """``state`` open: nobody has dealt with it yet. ``nobodys``: also those that do not say whose they are."""

    nobodys: bool = False
    state: Literal["open", "retried", "discarded"] | None = None
    service: str | None = Field(default=None, max_length=64)
    code: str | None = Field(default=None, max_length=128)
    since: Utc | None = None
    until: Utc | None = None


class OneLetter(Arguments):
    nobodys: bool = False
    seq: int = Field(ge=1, lt=2**63)


def deadletters_list(tx: Connection, tenant: str, args: DeadLetters) -> Json:
    c, s = t.dead_letters.c, t.settled_letters.c
    query = letters(tenant, nobodys=args.nobodys)
    if args.state is not None:
        query = query.where(s.outcome.is_(None) if args.state == "open" else s.outcome == args.state)
    for column, wanted in ((c.service, args.service), (c.code, args.code)):
        if wanted is not None:
            query = query.where(column == wanted)
    if args.since is not None:
        query = query.where(c.time >= args.since)
    if args.until is not None:
        query = query.where(c.time < args.until)
    if args.cursor is not None:
        query = query.where(c.seq < int(args.cursor))
    rows = rows_of(tx, query.order_by(c.seq.desc()).limit(args.limit + 1))
    found = rows[: args.limit]
    return {"dead_letters": found, "cursor": str(found[-1]["seq"]) if len(rows) > args.limit else None}


def deadletters_get(tx: Connection, tenant: str, args: OneLetter) -> Json:
    found = rows_of(tx, letters(tenant, nobodys=args.nobodys).where(t.dead_letters.c.seq == args.seq))
    if not found:
        raise NotFound(f"there is no dead letter {args.seq}")
    return {"dead_letter": found[0]}


def letters(tenant: str, *, nobodys: bool) -> Select[Any]:
    """Dead letters that a tenant's people may see; nobody's are for those who operate the installation."""
    c, s = t.dead_letters.c, t.settled_letters.c
    settled = t.dead_letters.outerjoin(t.settled_letters, s.letter == c.seq)
    return (
        select(t.dead_letters, s.outcome, s.reason, s.settled_by, s.settled_at)
        .select_from(settled)
        .where(c.tenant.in_((tenant, *NOBODYS)) if nobodys else and_(c.tenant == tenant, c.tenant.not_in(NOBODYS)))
    )
