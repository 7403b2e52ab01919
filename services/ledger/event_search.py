"""Searching the log, newest first: by what has an index at once, and by what stands in an event in stretches of bounded length."""

from collections.abc import Iterator
from typing import Any, cast

from pydantic import Field
from sqlalchemy import Connection, func, or_, select

from agentos.contracts.base import Json, Utc
from services.ledger import tables as t
from services.ledger.answering import Arguments, present
from services.ledger.task_lists import position, seq_at

STRETCH = 20_000
"""How many places of the stream are read for one answer where no index helps; the cursor goes on from there."""


class EventsSearch(Arguments):
    """``type`` is ``<aggregate>`` or ``<aggregate>.<fact>``. ``actor`` is who did it; ``q`` stands in the event as it is written here."""

    type: str | None = Field(default=None, pattern=r"^[a-z-]{1,64}(\.[a-z-]{1,64})?$")
    id: str | None = Field(default=None, max_length=300)
    task: str | None = Field(default=None, max_length=300)
    actor: str | None = Field(default=None, min_length=1, max_length=300)
    q: str | None = Field(default=None, min_length=2, max_length=200)
    since: Utc | None = None
    until: Utc | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$")


def events_search(tx: Connection, tenant: str, args: EventsSearch) -> Json:
    """A page. Where it looked at a stretch to its end the page may be short, and its cursor says where the next begins."""
    e = t.events.c
    now = position(tx)
    before = now + 1 if args.cursor is None else int(args.cursor)
    if args.until is not None:
        before = min(before, seq_at(tx, args.until))
    first = 1 if args.since is None else seq_at(tx, args.since)
    read_through = args.actor is not None or args.q is not None
    floor = max(first, before - STRETCH) if read_through else first
    query = select(t.events).where(e.tenant == tenant, e.seq < before, e.seq >= floor)
    aggregate, _, fact = (args.type or "").partition(".")
    for column, wanted in ((e.aggregate, aggregate), (e.fact, fact), (e.id, args.id), (e.correlation_id, args.task)):
        if wanted:
            query = query.where(column == wanted)
    if args.id is not None and not aggregate:
        # An id is found under its kind, for which there is an index.
        query = query.where(e.aggregate.in_(aggregates(tx, tenant)))
    if args.actor is not None:
        query = query.where(e.body.contains(args.actor, autoescape=True))
    if args.q is not None:
        lowered = args.q.lower()
        query = query.where(
            or_(func.lower(e.subject).contains(lowered, autoescape=True), func.lower(e.body).contains(lowered, autoescape=True))
        )
    query = query.order_by(e.seq.desc())
    if args.actor is None:
        query = query.limit(args.limit + 1)
    found: list[dict[str, Any]] = []
    for row in tx.execute(query).mappings():
        event = present(row)
        if args.actor is None or args.actor in actors(event["body"]):
            found.append(event)
        if len(found) > args.limit:
            break
    rest = floor if floor > first else None
    if len(found) > args.limit:
        rest = found[args.limit - 1]["seq"]
    return {"events": found[: args.limit], "cursor": None if rest is None else str(rest), "position": now}


def aggregates(tx: Connection, tenant: str) -> list[str]:
    """The kinds of things that this tenant has events of: a few, each found in the index after the one before it."""
    e = t.events.c
    found: list[str] = []
    while True:
        after = found[-1] if found else ""
        following = select(e.aggregate).where(e.tenant == tenant, e.aggregate > after).order_by(e.aggregate).limit(1)
        one = tx.execute(following).scalar_one_or_none()
        if one is None:
            return found
        found.append(one)


def actors(body: Json) -> Iterator[str]:
    """Every principal that an event names: who did it, who asked for it, in whose place."""
    match body:
        case {"kind": str(), "id": str(id_), **rest} if rest.keys() <= {"roles"}:
            yield id_
        case dict():
            for value in cast("dict[str, Any]", body).values():
                yield from actors(value)
        case list():
            for value in cast("list[Any]", body):
                yield from actors(value)
        case _:
            return
