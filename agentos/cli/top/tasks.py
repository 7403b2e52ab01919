"""Tasks: the list, and one task with its timeline."""

from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from agentos.cli import show
from agentos.cli.top.forms import Ask
from agentos.cli.top.pane import Pane, Remote, Rows, cell, fill, grid, key_of, state

VIEWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("all", {}),
    ("running", {"state": "running"}),
    ("waiting", {"state": "waiting"}),
    ("parked", {"state": "parked"}),
    ("failed", {"outcome": "failed"}),
    ("refused", {"outcome": "refused"}),
)
MOST = 200
BAR = 26
"""Cells of the waterfall."""


def name_of(task: dict[str, Any]) -> str:
    """What a task is called: its label ``title``, or its type."""
    labels: dict[str, str] = task.get("labels") or {}
    return labels.get("title") or task.get("type") or "–"


def in_state(task: dict[str, Any]) -> Text:
    """The outcome once there is one; what it waits for while it waits."""
    word = task.get("outcome") or task.get("state")
    waits = task.get("waiting_for")
    said = Text(no_wrap=True).append_text(state(word))
    return said.append(f" for {show.plain(waits)}") if word == "waiting" and waits else said


class Tasks(Pane):
    """Newest first; the cursor stays on its task while others come in above it."""

    FOLLOWS: ClassVar[tuple[str, ...]] = ("task.",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search"),
        Binding("f", "view", "Filter"),
        Binding("j", "move(1)", "Down", show=False),
        Binding("k", "move(-1)", "Up", show=False),
        Binding("escape", "all", "All", show=False),
    ]

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote, id="tasks")
        self._view = 0
        self._rows: dict[str, dict[str, Any]] = {}
        self.search = Input(placeholder="words of id, type, pack, label; Enter looks, Esc shows all", id="task-search")
        self.table = grid(
            {"State": 16, "Task": 26, "Pack": 11, "Asked": 10, "Took": 7, "Calls": 5, "Cost": 12, "Id": None}, id="task-table"
        )
        self.summary = Static(id="task-summary")

    def compose(self) -> ComposeResult:
        """Search, what is shown, the list."""
        self.search.display = False
        yield self.search
        yield self.summary
        yield self.table

    def focus_first(self) -> None:
        """Where keys go."""
        self.table.focus()

    async def load(self) -> None:
        """The newest tasks of the view."""
        name, wanted = VIEWS[self._view]
        words = self.search.value.strip()
        page = await self.remote.get("tasks", **wanted, q=words or None, limit=MOST)
        items = cast("list[dict[str, Any]]", page["items"])
        self._rows = {str(task["id"]): task for task in items}
        fill(self.table, _list(items))
        said = Text.assemble(("Show ", "dim"), name, *((" with ", "dim"), words) if words else "")
        said.append(f"  {len(items)}{' newest' if page.get('next_cursor') else ''}", "dim")
        self.summary.update(said if items else said.append("  no tasks match" if words or wanted else "  no tasks yet", "dim"))

    def action_search(self) -> None:
        """Type words."""
        self.search.display = True
        self.search.focus()

    def action_view(self) -> None:
        """The next of the views."""
        self._view = (self._view + 1) % len(VIEWS)
        self.poke()

    def action_all(self) -> None:
        """No words, no filter."""
        self._view = 0
        self.search.value = ""
        self.search.display = False
        self.table.focus()
        self.poke()

    def action_move(self, by: int) -> None:
        """One row down or up."""
        self.table.move_cursor(row=self.table.cursor_row + by)

    @on(Input.Submitted, "#task-search")
    def searched(self) -> None:
        """Back to the list, with what was found."""
        self.table.focus()
        self.poke()

    @on(DataTable.RowSelected, "#task-table")
    def opened(self) -> None:
        """Enter: the task and its timeline."""
        chosen = key_of(self.table)
        if chosen is not None:
            self.app.push_screen(TaskScreen(self.remote, chosen))


def _list(items: list[dict[str, Any]]) -> Rows:
    return [
        (
            str(task["id"]),
            (
                in_state(task), cell(name_of(task)), cell(task.get("pack")), cell(show.ago(task.get("submitted_at"))),
                cell("" if task.get("duration_ms") is None else show.span(task["duration_ms"] / 1000)), cell(task.get("calls")),
                cell(show.usd(task.get("cost_usd"))), cell(task["id"], "dim"),
            ),
        )
        for task in items
    ]  # fmt: skip


class TaskScreen(Screen[None]):
    """One task, live: what it is, and every step, call, decision and wait of it as a waterfall."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back"),
        Binding("x", "cancel", "Cancel task"),
        Binding("t", "retry", "Try again"),
        Binding("j", "move(1)", "Down", show=False),
        Binding("k", "move(-1)", "Up", show=False),
    ]

    def __init__(self, remote: Remote, task: str) -> None:
        super().__init__()
        self.pane = OneTask(remote, task)
        self.now = Static(id="now")
        self.banner = Static(id="banner")

    def compose(self) -> ComposeResult:
        """Figures and banner as everywhere, the task, the keys."""
        yield self.now
        yield self.banner
        yield self.pane
        yield Footer()

    def on_mount(self) -> None:
        """It is looked at from now on; what stands above it comes with the next figures, a second later at most."""
        self.banner.display = False
        self.pane.look()
        self.pane.table.focus()

    def action_move(self, by: int) -> None:
        """One row down or up."""
        self.pane.table.move_cursor(row=self.pane.table.cursor_row + by)

    def action_cancel(self) -> None:
        """Stop it, for a reason."""

        def done(reason: str | None) -> None:
            if reason:
                self.pane.say("cancel", {"reason": reason}, "it is being cancelled")

        self.app.push_screen(Ask("Cancel this task", "Why? It stands in the log.", "Cancel task"), done)

    def action_retry(self) -> None:
        """Another attempt, from where it is."""
        self.pane.say("retry", {}, "it gets another attempt")


class OneTask(Pane):
    """What a task is, over its timeline, over what the chosen line says in full."""

    FOLLOWS: ClassVar[tuple[str, ...]] = ("task.", "approval.")

    def __init__(self, remote: Remote, task: str) -> None:
        super().__init__(remote, id="one-task")
        self.task_id = task
        self._spans: dict[str, dict[str, Any]] = {}
        self.head = Static(id="task-head")
        self.table = grid({"At": 8, "Took": 6, "What": 32, "Course": BAR, "Says": None}, id="timeline")
        self.detail = Static(id="span-detail")

    def compose(self) -> ComposeResult:
        """Head, timeline, the chosen line."""
        yield self.head
        yield self.table
        with VerticalScroll(id="span-scroll", can_focus=False):
            yield self.detail

    def concerns(self, event: dict[str, Any]) -> bool:
        """Only what belongs to this task."""
        return event.get("correlation_id") == self.task_id and super().concerns(event)

    def say(self, verb: str, body: dict[str, Any], done: str) -> None:
        """Ask the orchestrator for something."""
        self.run_worker(self.told(lambda: self.remote.post(f"tasks/{self.task_id}/{verb}", body), done))

    async def load(self) -> None:
        """The task and its spans."""
        task = await self.remote.get(f"tasks/{self.task_id}")
        answer = await self.remote.get(f"tasks/{self.task_id}/timeline")
        spans = cast("list[dict[str, Any]]", answer["spans"])
        self.border_title = name_of(task)
        self.head.update(_head(task))
        self._spans = {str(span["id"]): span for span in spans}
        fill(self.table, _waterfall(spans, datetime.now(UTC)))
        self._tell()

    @on(DataTable.RowHighlighted, "#timeline")
    def chosen(self) -> None:
        """Another line."""
        self._tell()

    def _tell(self) -> None:
        span = self._spans.get(key_of(self.table) or "")
        self.detail.update(_detail(span) if span else "")


def _head(task: dict[str, Any]) -> Text:
    said = in_state(task).append(f"   {show.plain(task.get('pack') or 'no pack')}/{show.plain(task.get('agent') or '–')}")
    said.append(f"   attempt {task.get('attempt') or 0} of {task.get('max_attempts') or 0}   {show.usd(task.get('cost_usd'))}")
    if task.get("simulated_calls"):
        said.append("   simulated", "yellow")
    said.append(f"\n{show.plain(task['id'])}   asked {show.ago(task.get('submitted_at'))}", "dim")
    fault = task.get("fault_message") or "; ".join(task.get("reasons") or [])
    return said.append(f"   {show.plain(fault)}") if fault else said


def _waterfall(spans: list[dict[str, Any]], now: datetime) -> Rows:
    """Each span on its line, indented below what it belongs to, with a bar from its beginning to its end."""
    depth: dict[str, int] = {}
    begins = [datetime.fromisoformat(span["start"]) for span in spans if span["start"]]
    first = min(begins, default=now)
    ends = [datetime.fromisoformat(span["end"]) if span["end"] else now for span in spans]
    whole = max((max(ends, default=now) - first).total_seconds(), 0.001)
    rows: list[tuple[str, tuple[Text, ...]]] = []
    for span in spans:
        id_ = str(span["id"])
        depth[id_] = depth.get(str(span["parent"]), -1) + 1
        start = datetime.fromisoformat(span["start"]) if span["start"] else first
        end = datetime.fromisoformat(span["end"]) if span["end"] else now
        offset, length = (start - first).total_seconds(), (end - start).total_seconds()
        took = Text("open", "yellow") if span["end"] is None else cell(show.span(length) if length else "")
        name = Text("  " * depth[id_], no_wrap=True).append_text(cell(f"{span['kind']}: {span['name']}"))
        rows.append(
            (id_, (cell(f"+{offset:.2f} s", "dim"), took, name, _bar(offset / whole, length / whole, span), _says(span)))
        )
    return rows


def _says(span: dict[str, Any]) -> Text:
    detail: dict[str, Any] = span["detail"]
    said = Text(no_wrap=True)
    for name in ("verdict", "state", "outcome"):
        if detail.get(name):
            said.append_text(state(detail[name])).append("  ")
    for name in ("fault_message", "reason", "reasons", "rules"):
        if detail.get(name):
            return said.append_text(cell(_joined(detail[name])))
    return said.append(show.usd(detail["cost_usd"])) if detail.get("cost_usd") not in (None, "0") else said


def _bar(offset: float, length: float, span: dict[str, Any]) -> Text:
    begin = min(BAR - 1, int(offset * BAR))
    width = max(1, min(BAR - begin, round(length * BAR)))
    mark = "·" if span["start"] == span["end"] else "░" if span["end"] is None else "█"
    colour = "yellow" if span["kind"] in ("wait", "approval") else "cyan" if span["kind"] in ("call", "tool", "try") else "dim"
    return Text(" " * begin + mark * width, colour, no_wrap=True)


def _detail(span: dict[str, Any]) -> Text:
    said = Text()
    for name, value in {"event": span["event_id"], "position": span["position"], **span["detail"]}.items():
        said.append(f"{name.replace('_', ' '):>16}  ", "dim").append(f"{show.plain(_joined(value))}\n")
    return said


def _joined(value: object) -> object:
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else value
