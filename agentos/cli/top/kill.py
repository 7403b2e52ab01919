"""The kill switch: what is engaged, what it stopped, how to stop something (twice yes), and how to let it go on."""

from typing import Any, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, DataTable, Input, Label, Select, Static

from agentos.cli import show
from agentos.cli.client import Failure
from agentos.cli.top.forms import Ask, Sure
from agentos.cli.top.pane import Pane, Remote, cell, fill, grid, key_of

SCOPES = ("global", "tenant", "pack", "agent", "provider", "model", "tool", "task")
OVER = frozenset({"settled", "completed", "failed", "refused", "cancelled", "expired"})
EXAMPLES = {
    "pack": "the pack's name", "agent": "pack/agent", "provider": "openai", "model": "openai/gpt-5", "tool": "github.comment",
    "task": "the task's id",
}  # fmt: skip
SHARE_PERCENT = 10


def covers(switch: dict[str, Any]) -> str:
    """What a switch stops, in words."""
    match switch["scope"]:
        case "global":
            return "everything"
        case scope if switch["target"] in ("*", ""):
            return f"the {scope}"
        case scope:
            return f"{scope} {show.plain(switch['target'])}"


class Kill(Pane):
    """The switches that are engaged, the chosen one with what it stopped."""

    FOLLOWS: ClassVar[tuple[str, ...]] = ("system.kill.",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "Down", show=False),
        Binding("k", "move(-1)", "Up", show=False),
        Binding("l", "release('released')", "Release"),
        Binding("b", "release('probation')", f"Let {SHARE_PERCENT} % start"),
        Binding("o", "confirm", "Confirm a release"),
    ]

    class Engaged(Message):
        """The switches that are engaged now, for the banner."""

        def __init__(self, switches: list[dict[str, Any]]) -> None:
            super().__init__()
            self.switches = switches

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote, id="kill")
        self.table = grid({"Stops": 24, "Mode": 5, "Stage": 14, "Since": 10, "Why": None}, id="kill-table")
        self.detail = Static(id="kill-detail", markup=False)
        self.lead = Static(id="kill-lead", markup=False)

    def compose(self) -> ComposeResult:
        """What is engaged, and the chosen one in full."""
        yield self.lead
        yield self.table
        with VerticalScroll(id="kill-scroll", can_focus=False):
            yield self.detail

    def focus_first(self) -> None:
        """Where keys go."""
        self.table.focus()

    async def load(self) -> None:
        """What is engaged, and the chosen one."""
        page = await self.remote.get("kill")
        items = cast("list[dict[str, Any]]", page["items"])
        self.post_message(self.Engaged(items))
        self.lead.update("Nothing is stopped. ! stops something." if not items else "! stops something more.")
        fill(
            self.table,
            [
                (
                    str(each["id"]),
                    (
                        cell(covers(each)), cell(each["mode"]),
                        cell(f"{each['share_percent']} % may start" if each.get("stage") == "probation" else "blocked"),
                        cell(show.ago(each["since"])), cell(each["reason"]),
                    ),
                )
                for each in items
            ],
        )  # fmt: skip
        await self._open()

    @on(DataTable.RowHighlighted, "#kill-table")
    def chosen(self) -> None:
        """Another switch."""
        self.run_worker(self.told_if_refused(self._open()), exclusive=True, group="switch")

    async def _open(self) -> None:
        chosen = key_of(self.table)
        if chosen is None:
            self.detail.update("")
            return
        switch = await self.remote.get(f"kill/{chosen}")
        if key_of(self.table) == chosen:
            self.detail.update(_full(switch))

    def action_move(self, by: int) -> None:
        """One row down or up."""
        self.table.move_cursor(row=self.table.cursor_row + by)

    def action_release(self, stage: str) -> None:
        """Take the chosen switch back, for a reason: wholly, or for a share of the tasks."""
        chosen = key_of(self.table)
        if chosen is None:
            return
        does = "release it" if stage == "released" else f"let {SHARE_PERCENT} % of the tasks start"

        def done(reason: str | None) -> None:
            if reason:
                self.run_worker(self._release(chosen, stage, reason))

        self.app.push_screen(Ask("Release", "Why? It stands in the log.", does), done)

    async def _release(self, switch: str, stage: str, reason: str) -> None:
        body = {"stage": stage, "share_percent": SHARE_PERCENT, "reason": reason}
        answer = await self.told(lambda: self.remote.post(f"kill/{switch}/release", body), "taken")
        if answer is not None:
            waits = answer["status"] == "requested"
            self.notify("asked for: a second person has to confirm it" if waits else f"now {answer['status']}", markup=False)

    def action_confirm(self) -> None:
        """Say yes to another person's request for release."""
        chosen = key_of(self.table)
        if chosen is not None:
            self.run_worker(self._ask_to_confirm(chosen))

    async def _ask_to_confirm(self, switch: str) -> None:
        try:
            asked = (await self.remote.get(f"kill/{switch}")).get("requested")
        except Failure as failure:
            self.notify(failure.detail, severity="error", markup=False)
            return
        if asked is None:
            self.notify("nobody has asked for its release")
            return

        def done(reason: str | None) -> None:
            if reason:
                body = {"request": asked["request"], "reason": reason}
                self.run_worker(self.told(lambda: self.remote.post(f"kill/{switch}/confirm", body), "confirmed"))

        question = f"{show.plain(asked['by']['id'])} asks: {show.plain(asked['reason'])}. Why do you agree?"
        self.app.push_screen(Ask("Confirm the release", question, "confirm"), done)


def _full(switch: dict[str, Any]) -> Text:
    said = Text(f"{covers(switch)}, {switch['mode']}, {switch['state']}\n", "bold")
    said.append(f"{show.ago(switch['since'])} by {show.plain(switch['by']['id'])}: {show.plain(switch['reason'])}\n")
    if asked := switch.get("requested"):
        said.append(f"{show.plain(asked['by']['id'])} asks to release it: a second person confirms with o\n", "bold")
    stopped, doubtful = switch["cancelled"], switch["unconfirmed"]
    looks: dict[str, Any] = switch.get("looks") or {}
    said.append(f"stopped {looks.get('cancelled', len(stopped))}   ").append(
        f"not confirmed {looks.get('unconfirmed', len(doubtful))}   still running {looks.get('running', 0)}\n",
        "bold" if doubtful else "",
    )
    for word, things in (("not confirmed", doubtful), ("stopped", stopped)):
        for one in cast("list[dict[str, Any]]", things):
            after = f" after {one['after_ms']:.0f} ms" if one.get("after_ms") is not None else ""
            said.append(f"  {word}: {show.plain(one['what'])} {show.plain(one['id'])}{after}\n")
    for past in cast("list[dict[str, Any]]", switch["history"]):
        said.append(f"  {past['what']} {show.ago(past['at'])}: {show.plain(past.get('reason') or '')}\n", "dim")
    return said


class Stop(ModalScreen[dict[str, Any] | None]):
    """What to stop, how and why; then once more yes. What comes back is what was said yes to."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self._remote = remote
        self._packs: list[dict[str, Any]] | None = None
        self.scope = Select(
            [("everything" if each == "global" else each, each) for each in SCOPES],
            value="pack",
            allow_blank=False,
            id="stop-scope",
        )
        self.target = Input(max_length=200, id="stop-target")
        self.mode = Select(
            [("halt: what is in flight is cancelled now", "halt"), ("drain: what is in flight may finish", "drain")],
            value="halt",
            allow_blank=False,
            id="stop-mode",
        )
        self.reason = Input(max_length=1000, id="stop-reason", placeholder="why? it stands in the log")
        self.hit = Static(id="stop-hit", markup=False)

    def compose(self) -> ComposeResult:
        """Scope, target, mode, reason, what it will hit."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Stop"
            yield Label("What shall stop?")
            yield self.scope
            yield self.target
            yield self.mode
            yield self.reason
            yield self.hit
            yield Button("Stop…", variant="error", id="stop-go")

    def on_mount(self) -> None:
        """Where to begin, and the figures for what it will hit."""
        self.scope.focus()
        self.run_worker(self._count())

    async def _count(self) -> None:
        try:
            self._packs = (await self._remote.get("packs"))["items"]
        except Failure:
            self._packs = None
        self._tell()

    def _body(self) -> dict[str, Any]:
        scope = str(self.scope.value)
        wide = scope in ("global", "tenant")
        target = "*" if wide else self.target.value.strip()
        return {"scope": scope, "target": target, "mode": str(self.mode.value), "reason": self.reason.value.strip()}

    @on(Select.Changed)
    @on(Input.Changed)
    def _tell(self) -> None:
        body = self._body()
        wide = body["target"] == "*"
        self.target.display = not wide
        self.target.placeholder = f"which {body['scope']}? such as {EXAMPLES.get(body['scope'], '')}"
        hit = None if self._packs is None else [p for p in self._packs if wide or p["name"] == body["target"]]
        if hit and (wide or body["scope"] == "pack"):
            tasks = sum(unsettled(pack) for pack in hit)
            self.hit.update(
                f"{tasks} unsettled task{'' if tasks == 1 else 's'} in {len(hit)} pack{'' if len(hit) == 1 else 's'} will stop."
            )
        else:
            self.hit.update(f"Every call of this {body['scope']} is refused from then on.")

    @on(Input.Submitted)
    @on(Button.Pressed, "#stop-go")
    def go(self) -> None:
        """The first step; the second asks once more."""
        body = self._body()
        if not body["target"]:
            self.target.focus()
        elif not body["reason"]:
            self.reason.focus()
        else:
            what = covers(body)

            def sure(yes: bool | None) -> None:
                if yes:
                    self.dismiss(body)

            self.app.push_screen(Sure(f"{body['mode']} {what}: {body['reason']}", f"Yes, {body['mode']} {what}"), sure)


def unsettled(pack: dict[str, Any]) -> int:
    """Tasks of a pack that are not over."""
    stats: dict[str, Any] = pack.get("stats") or {}
    by_state: dict[str, int] = stats.get("by_state") or {}
    return sum(tasks for name, tasks in by_state.items() if name not in OVER)
