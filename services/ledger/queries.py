"""The questions that the ledger answers from SQL: one argument model and one function each, over one snapshot.

Every answer is JSON: money as exact decimal text, times as ISO 8601 in UTC. Lists are newest first and carry a ``cursor`` for the next
page, null on the last one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Connection, Select, Text, func, not_, or_, select, type_coerce, union_all
from sqlalchemy.sql.elements import ColumnElement

from agentos.contracts.base import Json
from agentos.contracts.errors import NotFound
from services.ledger import (
    agents,
    costs,
    dead_letters,
    event_search,
    overview,
    routing_savings,
    rule_hits,
    task_lists,
    timelines,
)
from services.ledger import tables as t
from services.ledger.answering import Arguments, ById, Ids, Page, Prefix, one_of, present, rows_of
from services.ledger.domain.risk import Known, risk_of
from services.ledger.timeline import attempts, timeline_entry


class Family(Arguments):
    families: tuple[str, ...] = Field(min_length=1, max_length=500)


class TaskEvents(Arguments):
    """The events of a task and of all that was done for it: those of its correlation id."""

    id: str = Field(min_length=1, max_length=300)
    after: int = Field(default=0, ge=0, lt=2**63)
    limit: int = Field(default=200, ge=1, le=200)


class ApprovalsList(Page):
    """``for_person`` with ``roles``: only what that person may answer. ``like`` names an approval: only those that ask for the same."""

    state: Literal["pending", "approved", "rejected", "expired", "cancelled"] | None = None
    task: str | None = Field(default=None, max_length=300)
    roles: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")], ...] = Field(default=(), max_length=32)
    for_person: str | None = Field(default=None, max_length=300)
    like: str | None = Field(default=None, max_length=300)
    id_prefix: Prefix = None
    ids: Ids = ()


class KillList(Page):
    state: Literal["engaged", "released"] | None = None


class EventsList(Arguments):
    """Events in stream order, from after a sequence."""

    after: int = Field(default=0, ge=0, lt=2**63)
    limit: int = Field(default=100, ge=1, le=200)
    aggregate: str | None = Field(default=None, max_length=128)
    id: str | None = Field(default=None, max_length=300)
    fact: str | None = Field(default=None, max_length=128)
    correlation_id: str | None = Field(default=None, max_length=300)
    undecodable: bool = False


class DecisionsList(Arguments):
    """Decisions of the policy, newest first."""

    kind: Literal["admission", "model", "tool", "approval", "edit", "checkpoint"] | None = None
    id: str | None = Field(default=None, max_length=300)
    id_prefix: Prefix = None
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$")


class CallsRecorded(Arguments):
    """What became of model calls, newest event first."""

    limit: int = Field(default=200, ge=1, le=500)
    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$")


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """A query that SQL alone answers."""

    arguments: type[Arguments]
    run: Callable[[Connection, str, Any], Json]


def tasks_get(tx: Connection, tenant: str, args: ById) -> Json:
    task = one_of(tx, t.tasks, tenant, args.id, "task")
    e = t.events.c
    rows = tx.execute(
        select(t.events).where(e.tenant == tenant, e.aggregate == "task", e.id == args.id).order_by(e.seq)
    ).mappings()
    history = [dict(row) for row in rows]
    calls = select(t.calls).where(t.calls.c.tenant == tenant, t.calls.c.task == args.id).order_by(t.calls.c.first_seq)
    approvals = select(t.approvals).where(t.approvals.c.tenant == tenant, t.approvals.c.task == args.id)
    return {
        "task": task,
        "attempts": attempts(history),
        "timeline": [timeline_entry(row) for row in history],
        "calls": rows_of(tx, calls.limit(1_000)),
        "approvals": rows_of(tx, approvals.order_by(t.approvals.c.first_seq).limit(1_000)),
    }


def tasks_events(tx: Connection, tenant: str, args: TaskEvents) -> Json:
    e = t.events.c
    query = select(t.events).where(e.tenant == tenant, e.correlation_id == args.id, e.seq > args.after).order_by(e.seq)
    page = _events(tx, query, args.limit)
    if not page["events"] and args.after == 0:
        raise NotFound(f"there is no task {args.id!r}")
    return page


def tasks_family(tx: Connection, tenant: str, args: Family) -> Json:
    """Every task whose payloads are sealed with these data keys, oldest first."""
    c = t.tasks.c
    query = select(t.tasks).where(c.tenant == tenant, c.family.in_(args.families)).order_by(c.first_seq)
    return {"tasks": rows_of(tx, query)}


def events_find(tx: Connection, tenant: str, args: ById) -> Json:
    """The subject of an event that is known by its id."""
    e = t.events.c
    subject = tx.execute(select(e.subject).where(e.event_id == args.id, e.tenant == tenant).limit(1)).scalar_one_or_none()
    if subject is None:
        raise NotFound(f"there is no event {args.id!r}")
    return {"subject": subject}


def events_list(tx: Connection, tenant: str, args: EventsList) -> Json:
    e = t.events.c
    query = select(t.events).where(e.tenant == tenant, e.seq > args.after).order_by(e.seq)
    filters = ((e.aggregate, args.aggregate), (e.id, args.id), (e.fact, args.fact), (e.correlation_id, args.correlation_id))
    for column, wanted in filters:
        if wanted is not None:
            query = query.where(column == wanted)
    if args.id is not None and args.aggregate is None:
        # An id is found under its kind, for which there is an index.
        query = query.where(e.aggregate.in_(event_search.aggregates(tx, tenant)))
    if args.undecodable:
        query = query.where(e.problem.is_not(None))
    return _events(tx, query, args.limit)


_DECISIONS = {
    "admission": ("task", "decided"),
    "model": ("call", "decided"),
    "tool": ("tool", "decided"),
    "approval": ("approval", "ruled"),
    "edit": ("approval", "revised"),
    "checkpoint": ("checkpoint", "decided"),
}
"""Aggregate and fact of each kind of decision."""


def decisions_list(tx: Connection, tenant: str, args: DecisionsList) -> Json:
    kinds = tuple(_DECISIONS.values()) if args.kind is None else (_DECISIONS[args.kind],)
    ids = None if args.id is None else [args.id]
    if args.id_prefix is not None and ids is None:
        ids = _ids_with(tx, tenant, {aggregate for aggregate, _ in kinds}, args.id_prefix)
    page = _newest(tx, tenant, kinds, ids, args.cursor, args.limit)
    return {"decisions": page["events"], "cursor": None if page["after"] is None else str(page["after"])}


MOST_IDS = 500
"""With one beginning: who types so little is shown some of them."""


def _ids_with(tx: Connection, tenant: str, aggregates: set[str], prefix: str) -> list[str]:
    e = t.events.c
    found: list[str] = []
    for aggregate in sorted(aggregates):
        query = select(e.id).where(e.tenant == tenant, e.aggregate == aggregate, e.id >= prefix, e.id < prefix + "\U0010ffff")
        found += tx.execute(query.distinct().order_by(e.id).limit(MOST_IDS)).scalars()
    return found


def _newest(
    tx: Connection, tenant: str, kinds: tuple[tuple[str, str], ...], ids: list[str] | None, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of the newest events of some kinds: each kind's own newest from its index, for no index has several kinds in one order."""
    e = t.events.c
    seqs: list[int] = []
    for aggregate, fact in kinds:
        query = select(e.seq).where(e.tenant == tenant, e.aggregate == aggregate, e.problem.is_(None))
        # With an id the index of ids is to be used: the fact, spelt so that no index knows it, chooses among the id's few.
        query = query.where(e.fact == fact) if ids is None else query.where(func.coalesce(e.fact, "") == fact, e.id.in_(ids))
        if cursor is not None:
            query = query.where(e.seq < int(cursor))
        seqs += tx.execute(query.order_by(e.seq.desc()).limit(limit + 1)).scalars()
    newest = sorted(seqs, reverse=True)[: limit + 1]
    return _events(tx, select(t.events).where(e.seq.in_(newest)).order_by(e.seq.desc()), limit)


def approvals_list(tx: Connection, tenant: str, args: ApprovalsList) -> Json:
    c = t.approvals.c
    query = select(t.approvals).where(c.tenant == tenant)
    if args.state is not None:
        query = query.where(c.state == args.state)
    if args.task is not None:
        query = query.where(c.task == args.task)
    if args.id_prefix is not None:
        query = query.where(c.id.startswith(args.id_prefix, autoescape=True))
    if args.ids:
        query = query.where(c.id.in_(args.ids))
    if args.roles:
        # Roles are tokens, so a quoted one stands in the JSON text as itself and as nothing else.
        query = query.where(or_(*(_as_text(c.approver_roles).contains(f'"{role}"', autoescape=True) for role in args.roles)))
    if args.for_person is not None:
        name = json.dumps(args.for_person)
        voted = [_as_text(c.votes).contains(f'"{part}":{name}', autoescape=True) for part in ("by", "for")]
        query = query.where(
            c.state == "pending",
            or_(c.four_eyes.is_(False), c.requester != args.for_person),
            or_(c.votes.is_(None), not_(or_(*voted))),
        )
    if args.like is not None:
        one = one_of(tx, t.approvals, tenant, args.like, "approval")
        query = query.where(c.pack == one["pack"], c.kind == one["kind"], c.target == one["target"])
        query = query.where(_as_text(c.reasons) == json.dumps(one["reasons"], separators=(",", ":")))
    page = _page(tx, query, c.first_seq, args, "approvals")
    _add_history(tx, tenant, page["approvals"])
    _add_terms(tx, tenant, page["approvals"])
    return page


def approvals_get(tx: Connection, tenant: str, args: ById) -> Json:
    approval = one_of(tx, t.approvals, tenant, args.id, "approval")
    _add_history(tx, tenant, [approval])
    _add_terms(tx, tenant, [approval])
    return {"approval": approval}


def _add_history(tx: Connection, tenant: str, approvals: list[dict[str, Any]]) -> None:
    """How often the same of the same pack has been answered how, and how far the quorum is."""
    c = t.approvals.c
    pairs = {(row["pack"], row["target"]) for row in approvals}
    counted: dict[tuple[str | None, str | None], dict[str, int]] = {}
    # One question a pair: of one that asks for this pair or that, SQLite reads all of the tenant's to find out.
    answered = [
        select(c.pack, c.target, c.state, func.count().label("n"))
        .where(c.tenant == tenant, c.pack == pack, c.target == target)
        .group_by(c.pack, c.target, c.state)
        for pack, target in pairs
    ]
    if answered:
        for found in tx.execute(union_all(*answered)):
            counted.setdefault((found.pack, found.target), {})[found.state] = found.n
    for row in approvals:
        row["history"] = counted.get((row["pack"], row["target"]), {})
        votes: list[dict[str, Any]] = row["votes"] or []
        row["approvals"] = sum(vote["outcome"] == "approved" for vote in votes)


def _add_terms(tx: Connection, tenant: str, approvals: list[dict[str, Any]]) -> None:
    """What is known of each that makes it risky: of its call, which has its id, and of its task; and what the task is called."""
    c, k = t.calls.c, t.tasks.c
    ids, tasks = [row["id"] for row in approvals], {row["task"] for row in approvals}
    of_calls = select(c.id, c.effect, c.entities).where(c.tenant == tenant, c.id.in_(ids))
    calls = {row.id: row for row in tx.execute(of_calls)}
    of_tasks = select(k.id, k.untrusted, k.labels).where(k.tenant == tenant, k.id.in_(tasks))
    told = {row.id: row for row in tx.execute(of_tasks)}
    for row in approvals:
        call = calls.get(row["id"])
        task = told.get(row["task"])
        row["task_title"] = None if task is None else (task.labels or {}).get("title")
        known = Known(untrusted=None if task is None else task.untrusted)
        if call is not None:
            known = Known(call.effect, call.entities, known.untrusted)
        row["risk"] = risk_of(row, known)


def kill_list(tx: Connection, tenant: str, args: KillList) -> Json:
    c = t.kill_switches.c
    # A global switch stops every tenant, so every tenant sees it.
    query = select(t.kill_switches).where(or_(c.tenant == tenant, c.scope == "global"))
    if args.state is not None:
        query = query.where(c.state == args.state)
    return _page(tx, query, c.first_seq, args, "kill_switches")


def calls_get(tx: Connection, tenant: str, args: ById) -> Json:
    e = t.events.c
    events = select(t.events).where(e.tenant == tenant, e.aggregate.in_(("call", "tool")), e.id == args.id).order_by(e.seq)
    return {"call": one_of(tx, t.calls, tenant, args.id, "call"), "events": rows_of(tx, events.limit(200))}


def calls_family(tx: Connection, tenant: str, args: Family) -> Json:
    """Every call under these names, of tasks or of what stands in a task's place, oldest first."""
    c = t.calls.c
    query = select(t.calls).where(c.tenant == tenant, c.task.in_(args.families)).order_by(c.first_seq)
    return {"calls": rows_of(tx, query)}


def calls_recorded(tx: Connection, tenant: str, args: CallsRecorded) -> Json:
    """Decisions, attempts and settlements of model calls: what a replay of them needs."""
    kinds = tuple(("call", fact) for fact in ("decided", "attempted", "settled"))
    page = _newest(tx, tenant, kinds, None, args.cursor, args.limit)
    return {"events": page["events"], "cursor": None if page["after"] is None else str(page["after"])}


SQL_QUERIES: Mapping[str, SqlQuery] = {
    "tasks.list": SqlQuery(task_lists.TasksList, task_lists.tasks_list),
    "tasks.stats": SqlQuery(task_lists.TaskStats, task_lists.tasks_stats),
    "tasks.timeline": SqlQuery(timelines.Timeline, timelines.tasks_timeline),
    "system.pulse": SqlQuery(Arguments, overview.pulse),
    "system.overview": SqlQuery(overview.Window, overview.overview),
    "tasks.get": SqlQuery(ById, tasks_get),
    "tasks.events": SqlQuery(TaskEvents, tasks_events),
    "tasks.family": SqlQuery(Family, tasks_family),
    "events.find": SqlQuery(ById, events_find),
    "approvals.list": SqlQuery(ApprovalsList, approvals_list),
    "approvals.get": SqlQuery(ById, approvals_get),
    "kill.list": SqlQuery(KillList, kill_list),
    "events.search": SqlQuery(event_search.EventsSearch, event_search.events_search),
    "events.list": SqlQuery(EventsList, events_list),
    "costs.routing": SqlQuery(routing_savings.RoutingSaved, routing_savings.costs_routing),
    "policy.hits": SqlQuery(rule_hits.RuleHits, rule_hits.policy_hits),
    "decisions.list": SqlQuery(DecisionsList, decisions_list),
    "cost": SqlQuery(costs.CostBy, costs.cost),
    "calls.get": SqlQuery(ById, calls_get),
    "calls.family": SqlQuery(Family, calls_family),
    "calls.recorded": SqlQuery(CallsRecorded, calls_recorded),
    "deadletters.list": SqlQuery(dead_letters.DeadLetters, dead_letters.deadletters_list),
    "deadletters.get": SqlQuery(dead_letters.OneLetter, dead_letters.deadletters_get),
    "agents.metrics": SqlQuery(agents.AgentMetrics, agents.agents_metrics),
    "agents.log": SqlQuery(agents.AgentLog, agents.agents_log),
    "packs.stats": SqlQuery(Arguments, costs.packs_stats),
}


def _page(tx: Connection, query: Select[Any], order: ColumnElement[int], args: Page, name: str) -> Json:
    if args.cursor is not None:
        query = query.where(order < int(args.cursor))
    rows = rows_of(tx, query.order_by(order.desc()).limit(args.limit + 1))
    more = len(rows) > args.limit
    rows = rows[: args.limit]
    return {name: rows, "cursor": str(rows[-1]["first_seq" if "first_seq" in rows[-1] else "seq"]) if more else None}


MOST_BODY_BYTES = 4 * 1024 * 1024
"""Where a page of events ends early: bodies may be large."""


def _events(tx: Connection, query: Select[Any], limit: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    size, more = 0, False
    for row in tx.execute(query.limit(limit + 1)).mappings():
        size += row["body_bytes"]
        if rows and (len(rows) == limit or size > MOST_BODY_BYTES):
            more = True
            break
        rows.append(present(row))
    return {"events": rows, "after": rows[-1]["seq"] if more else None}


def _as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    return type_coerce(column, Text)  # labels are JSON in text; the search term is no JSON
