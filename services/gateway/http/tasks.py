"""Tasks: submit, look, cancel, retry."""

import json
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from agentos.contracts.base import Priority, Token, Utc
from agentos.contracts.commands import Answer
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.task import Outcome, RetryPolicy, TaskSettled
from agentos.contracts.ids import derived_id, new_id
from agentos.sealing import KeyErased
from services.gateway import disclosure, ledger, submission, task_commands
from services.gateway.authorizer import Action
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import EventList, Made, done
from services.gateway.http.console import TaskStats
from services.gateway.http.etags import TAGGED, IfMatch, answered, require_match
from services.gateway.http.models import Batch, Cancel, IdPrefix, Ids, NewTask, Position, Retry, TaskChange
from services.gateway.http.task_answers import BatchDone, LogLine, LogPage, TaskDone, TaskItem, TaskPage, TaskResult, TaskTerms
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem, documented
from services.gateway.state import Gateway, Parts, Scope, Sender
from services.gateway.task_logs import line_of
from services.gateway.terms import tag_of, terms_of

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=GuardedRoute)

TaskId = Annotated[Token, Path(description="The task's id.")]
Limit = Annotated[int, Query(ge=1, le=200)]
_OPENS_ALL = frozenset({"admin", "operator"})


@router.post("", status_code=201, response_model=Made, responses=documented(409, 413, 415))
@needs("tasks.submit")
async def submit(new: NewTask, gateway: Parts, caller: Sender, scope: Scope) -> Response:
    """Make a task. With an Idempotency-Key the same request never makes a second one, whatever crashes in between."""
    await submission.check_known(gateway.packs, new.type, new.pack)
    task = derived_id("task", scope) if scope is not None else new_id()
    made = await submission.command(
        gateway.keyring, caller.tenant, task, new.input, caller.principal,
        type=new.type, pack=new.pack, priority=new.priority, deadline=new.deadline, depends_on=new.depends_on, labels=new.labels,
        retry=RetryPolicy(max_attempts=new.max_attempts),
    )  # fmt: skip
    late = f"The command is kept and will be done: look at /api/v1/tasks/{task}, or repeat with the same Idempotency-Key."
    await gateway.answers.need(made.request, lambda: submission.send(gateway, task, made), late=late)
    return JSONResponse({"task": task, "duplicate": False}, status_code=201, headers={"Location": f"/api/v1/tasks/{task}"})


@router.get("", response_model=TaskPage, responses=documented())
@needs("tasks.read")
async def list_tasks(
    request: Request,
    gateway: Parts,
    caller: Sender,
    state: Annotated[
        str | None, Query(pattern=r"^[a-z]{1,20}(,[a-z]{1,20}){0,12}$", description="One, or several with commas.")
    ] = None,
    outcome: Outcome | None = None,
    type: Annotated[Token | None, Query()] = None,  # noqa: A002 - the field's name
    pack: Annotated[Token | None, Query()] = None,
    agent: Annotated[str | None, Query(max_length=128)] = None,
    requester: Annotated[str | None, Query(max_length=300)] = None,
    priority: Priority | None = None,
    since: Annotated[Utc | None, Query(description="Submitted then or later.")] = None,
    until: Annotated[Utc | None, Query(description="Submitted before.")] = None,
    cost_from: Annotated[Decimal | None, Query(ge=0, le=1_000_000_000, description="USD")] = None,
    cost_to: Annotated[Decimal | None, Query(ge=0, le=1_000_000_000, description="USD")] = None,
    q: Annotated[
        str | None,
        Query(
            pattern=r"^[^\x00]{1,200}$",
            description="Words, by their beginnings: of id, type, pack, agent, requester, labels, fault.",
        ),
    ] = None,
    id_prefix: IdPrefix = None,
    id: Ids = None,  # noqa: A002 - the field's name
    sort: Literal["created", "updated", "duration", "cost"] = "created",
    order: Literal["desc", "asc"] = "desc",
    count: Annotated[bool, Query(description="Also how many there are, counted up to 10,000.")] = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[
        str | None,
        Query(
            pattern=r"^([0-9]{1,18}|-?[0-9]{1,18}\.[0-9]{1,18})$",
            description="`next_cursor` of the page before, of the same sort.",
        ),
    ] = None,
) -> Response:
    """Tasks, newest first unless told otherwise; `position` is the ledger's, to follow the live feed from."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "tasks.list",
        state=state.split(",") if state else None, outcome=outcome, type=type, pack=pack, agent=agent, requester=requester,
        priority=priority, since=since.isoformat() if since else None, until=until.isoformat() if until else None,
        cost_from=None if cost_from is None else str(cost_from), cost_to=None if cost_to is None else str(cost_to),
        q=q, id_prefix=id_prefix, ids=id.split(",") if id else None, sort=sort, order=order, count=count or None, limit=limit, cursor=cursor,
    )  # fmt: skip
    return answered(
        request, TaskPage.model_validate(ledger.page(data, "tasks") | {n: data.get(n) for n in ("position", "count")})
    )


@router.get("/stats", response_model=TaskStats, responses=documented())
@needs("tasks.read")
async def stats(
    gateway: Parts,
    caller: Sender,
    type: Annotated[Token | None, Query()] = None,  # noqa: A002 - the field's name
    pack: Annotated[Token | None, Query()] = None,
    since: Annotated[Utc | None, Query(description="Submitted then or later.")] = None,
) -> Any:
    """Tasks by state and outcome."""
    begin = since.isoformat() if since else None
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "tasks.stats", type=type, pack=pack, since=begin)


@router.get(
    "/{task}",
    response_model=TaskItem,
    response_model_exclude_unset=True,
    responses=documented(404) | {200: {"headers": TAGGED}},
)
@needs("tasks.read")
async def show(task: TaskId, gateway: Parts, caller: Sender, response: Response) -> Any:
    """One task with its attempts, calls and approvals. Its result is opened for whoever asked for it, for operators and for admins.

    The ETag is that of what PATCH may change: it stays while the task merely gets on.
    """
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "tasks.get", id=task)
    row = cast("dict[str, Any]", data.get("task", {}))
    parts = {name: data.get(name, []) for name in ("attempts", "timeline", "calls", "approvals")}
    # The row counts calls; the list of them has the better claim to the name.
    counts = {"call_count": row.get("calls", 0), "tool_call_count": row.get("tool_calls", 0)}
    events = await gateway.bus.load(caller.tenant, "task", task)
    terms = terms_of(task, events)
    response.headers["ETag"] = tag_of(task, terms.revision)
    response.headers["Cache-Control"] = "no-store"
    said = TaskTerms(id=task, **asdict(terms)).model_dump(mode="json", exclude={"id"})
    return row | counts | parts | said | await _result(gateway, caller, row, events)


@router.patch(
    "/{task}", response_model=TaskTerms, responses=documented(404, 409, 412, 413, 415, 428) | {200: {"headers": TAGGED}}
)
@needs("tasks.update")
async def update(
    task: TaskId, change: TaskChange, gateway: Parts, caller: Sender, scope: Scope, response: Response, if_match: IfMatch = None
) -> TaskTerms:
    """Change priority, deadline, labels or attempts of a task that has not ended."""
    standing = terms_of(task, await gateway.bus.load(caller.tenant, "task", task))
    require_match(if_match, tag_of(task, standing.revision))
    await task_commands.update(gateway, caller, task, standing.revision, change, scope or new_id())
    terms = terms_of(task, await gateway.bus.load(caller.tenant, "task", task))
    response.headers["ETag"] = tag_of(task, terms.revision)
    return TaskTerms(id=task, **asdict(terms))


async def _result(gateway: Gateway, caller: Caller, row: dict[str, Any], events: list[Recorded]) -> dict[str, Any]:
    """The result is read from the stream: projections keep digests, and never what is sealed."""
    settled = [(e, e.data) for e in events if isinstance(e.data, TaskSettled)]
    sealed = settled[-1][1].result if settled else None
    if sealed is None:
        return {"result": None, "result_state": "none"}
    if not (_OPENS_ALL.intersection(caller.principal.roles) or row.get("requester") == caller.principal.id):
        return {"result": None, "result_state": "sealed"}
    try:
        if row.get("requester") != caller.principal.id:
            await disclosure.note_result(gateway, caller, row["id"], settled[-1][0], sealed)
        return {
            "result": json.loads(await gateway.keyring.open(caller.tenant, sealed.purpose, sealed)),
            "result_state": "opened",
        }
    except KeyErased:
        return {"result": None, "result_state": "erased"}


@router.get("/{task}/events", response_model=EventList, responses=documented(404))
@needs("tasks.read")
async def events(task: TaskId, gateway: Parts, caller: Sender, limit: Limit = 200, cursor: Position = None) -> Any:
    """The task's timeline: every event of the task, its calls, tools and approvals, in order."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "tasks.events", id=task, after=int(cursor or 0), limit=limit
    )
    return ledger.events_page(data)


@router.get("/{task}/logs", response_model=LogPage, responses=documented(404))
@needs("tasks.read")
async def logs(task: TaskId, gateway: Parts, caller: Sender, limit: Limit = 200, cursor: Position = None) -> LogPage:
    """What happened to the task and to all that was done for it, a line each, in order; what is sealed stays so."""
    after = int(cursor or 0)
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "tasks.events", id=task, after=after, limit=limit)
    page = ledger.events_page(data)
    lines: list[LogLine] = []
    for event in page["items"]:
        line = line_of(event)
        shown = {name: event[name] for name in ("seq", "time", "type", "event_id")}
        lines.append(LogLine(**shown, level=line.level, text=line.text, sealed=line.sealed))
    return LogPage(items=lines, next_cursor=page["next_cursor"])


@router.post("/batch", status_code=202, response_model=BatchDone, responses=documented(413, 415))
@needs("tasks.read")
async def batch(body: Batch, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Cancel or retry up to 200 tasks; the items say what became of each. None stops another."""
    needed: Action = "tasks.cancel" if body.action == "cancel" else "tasks.retry"
    if not await gateway.authorizer.allowed(caller, needed):
        raise Problem(403, "forbidden", f"your roles or your key's scopes do not include {needed}")

    async def act(task: str, request: str) -> Answer:
        if body.action == "cancel":
            return await task_commands.cancel(gateway, caller, task, body.reason, request)
        return await task_commands.retry(gateway, caller, task, None, request)

    items = await task_commands.each(body.tasks, scope, act)
    return {"items": items, "done": sum(item["ok"] for item in items)}


@router.get("/{task}/result", response_model=TaskResult, responses=documented(404))
@needs("tasks.read")
async def result(task: TaskId, gateway: Parts, caller: Sender) -> Any:
    """What came of a task: in clear for whoever asked for it, for operators and for admins."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "tasks.get", id=task)
    row = cast("dict[str, Any]", data.get("task", {}))
    said = {name: row.get(name) for name in ("id", "state", "outcome", "fault_code", "fault_message", "settled_at")}
    return said | await _result(gateway, caller, row, await gateway.bus.load(caller.tenant, "task", task))


@router.post(
    "/{task}/cancel",
    status_code=202,
    response_model=TaskDone,
    response_model_exclude_unset=True,
    responses=documented(404, 409, 413, 415),
)
@needs("tasks.cancel")
async def cancel(task: TaskId, body: Cancel, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Stop a task, wherever it is."""
    return done(task, "accepted", await task_commands.cancel(gateway, caller, task, body.reason, scope or new_id()))


@router.post(
    "/{task}/retry",
    status_code=202,
    response_model=TaskDone,
    response_model_exclude_unset=True,
    responses=documented(404, 409, 410, 413, 415),
)
@needs("tasks.retry")
async def retry(task: TaskId, gateway: Parts, caller: Sender, scope: Scope, body: Retry | None = None) -> Any:
    """Make another attempt of a task that ended or is parked; of one whose data were erased there is nothing left to attempt."""
    from_step = body.from_step if body else None
    return done(task, "accepted", await task_commands.retry(gateway, caller, task, from_step, scope or new_id()))
