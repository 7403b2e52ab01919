"""The application: a line of figures, the banner of what is stopped, four panes, and the keys."""

from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.widgets import Footer, Static, TabbedContent, TabPane

from agentos.cli import show
from agentos.cli.client import Api, Target
from agentos.cli.top.approvals import Approvals
from agentos.cli.top.feed import Connection, Feed, Listener
from agentos.cli.top.kill import Kill, Stop, covers
from agentos.cli.top.pane import Pane, Remote
from agentos.cli.top.spend import Spend
from agentos.cli.top.tasks import Tasks, TaskScreen

MARKS = {
    "connecting": "… connecting",
    "live": "● live",
    "lost": "○ not connected, what you see may be old",
    "refused": "✕ refused",
}
STYLES = {"connecting": "yellow", "live": "green", "lost": "bold reverse", "refused": "bold reverse"}
WIDE = 120


class Top(App[None]):
    """`agentos top`."""

    CSS_PATH = "top.tcss"
    TITLE = "AgentOS"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - as the base class has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "go('tasks')", "Tasks", show=False),
        Binding("2", "go('approvals')", "Approvals", show=False),
        Binding("3", "go('spend')", "Spend", show=False),
        Binding("4", "go('kill')", "Kill switch", show=False),
        Binding("exclamation_mark", "stop", "Stop…", key_display="!"),
        Binding("q", "quit", "Quit"),
    ]

    connection: reactive[Connection] = reactive(Connection("connecting"))

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._api = Api(target)
        self.remote = Remote(self._api)
        self.feed = Feed(target.url, target.bearer(), Listener(self._event, self._figures, self._connection, self._refetch))
        self._url = target.url
        self._said: dict[str, Any] = {}
        self._stopped = Text()
        self._now = Static(id="now")
        self._banner = Static(id="banner")
        self._pages = TabbedContent(id="pages")

    def compose(self) -> ComposeResult:
        """Figures, banner, panes, keys."""
        yield self._now
        yield self._banner
        with self._pages:
            for name, pane in (
                ("1 Tasks", Tasks(self.remote)),
                ("2 Approvals", Approvals(self.remote)),
                ("3 Spend", Spend(self.remote)),
                ("4 Kill switch", Kill(self.remote)),
            ):
                with TabPane(name, id=f"page-{pane.id}"):
                    yield pane
        yield Footer()

    def on_mount(self) -> None:
        """Begin to follow; the kill switch is followed wherever one looks."""
        self.theme = "textual-dark"
        self.query_one(Kill).look()
        self.run_worker(self.feed.run(), name="feed")
        self._line()
        self.call_after_refresh(self._front)

    def on_unmount(self) -> None:
        """Let go of the API."""
        self._api.__exit__()

    @property
    def front(self) -> Pane:
        """The pane that is looked at."""
        return self.query_one(f"#{self._pages.active.removeprefix('page-')}", Pane)

    def _panes(self) -> list[Pane]:
        """All panes, also that of a task that stands open above them."""
        opened = [screen.pane for screen in self.screen_stack if isinstance(screen, TaskScreen)]
        return [*self.screen_stack[0].query(Pane), *opened]

    def action_go(self, page: str) -> None:
        """To a page."""
        if len(self.screen_stack) == 1:
            self._pages.active = f"page-{page}"

    @on(TabbedContent.TabActivated)
    def _front(self) -> None:
        for pane in self.screen_stack[0].query(Pane):
            if not isinstance(pane, Kill):
                pane.shown = False
        front = self.screen_stack[0].query_one(f"#{self._pages.active.removeprefix('page-')}", Pane)
        front.look()
        if isinstance(front, Tasks | Approvals | Spend | Kill):
            front.focus_first()

    def action_stop(self) -> None:
        """Stop something, from wherever one is."""
        kill = self.screen_stack[0].query_one(Kill)

        def done(body: dict[str, Any] | None) -> None:
            if body is not None:
                self.run_worker(kill.told(lambda: self.remote.post("kill", body), f"engaged: {covers(body)}"))
                self._to_the_panes(lambda: self.action_go("kill"))

        if not isinstance(self.screen, Stop):
            self.push_screen(Stop(self.remote), done)

    def _to_the_panes(self, then: Callable[[], object]) -> None:
        """Close what stands above them, first."""
        while isinstance(self.screen, TaskScreen):
            self.pop_screen()
        self.call_after_refresh(then)

    @on(Kill.Engaged)
    def _engaged(self, message: Kill.Engaged) -> None:
        self._stopped = Text()
        if message.switches:
            first = message.switches[0]
            more = f" and {len(message.switches) - 1} more" if len(message.switches) > 1 else ""
            stage = f", {first['share_percent']} % may start" if first.get("stage") == "probation" else ""
            self._stopped.append(f" STOPPED: {covers(first)}{stage}{more} – {show.plain(first['reason'])}   (4: release)")
        self._line()

    def _event(self, event: dict[str, Any]) -> None:
        if not self.is_running:
            return  # the screens are being taken down, and the feed goes on until the last of them is gone
        for pane in self._panes():
            if pane.concerns(event):
                pane.poke()
        if event["name"] == "approval.requested":
            self.notify("a call waits for a person (2: Approvals)")

    def _refetch(self) -> None:
        if not self.is_running:
            return
        for pane in self._panes():
            pane.poke()

    def _figures(self, said: dict[str, Any]) -> None:
        self._said = said.get("figures") or {}
        self._line()

    def _connection(self, connection: Connection) -> None:
        self.connection = connection

    def watch_connection(self) -> None:
        """Another state of the feed."""
        self._line()

    def _line(self) -> None:
        mark = MARKS[self.connection.state]
        why = f" ({show.plain(self.connection.why)})" if self.connection.why else ""
        said = Text.assemble(
            ("AgentOS ", "bold"), (mark + why, STYLES[self.connection.state]), no_wrap=True, overflow="ellipsis"
        )
        if self._said and self.connection.state == "live":
            tasks: dict[str, int] = self._said["tasks"]
            working = sum(tasks.values()) - tasks.get("waiting", 0) - tasks.get("parked", 0)
            said.append(f"  {self._said['approvals_pending']} to approve", "bold" if self._said["approvals_pending"] else "")
            said.append(f"  {working} at work  {tasks.get('waiting', 0)} waiting  {tasks.get('parked', 0)} parked")
            if self.size.width >= WIDE:
                said.append(f"  {self._said['calls_per_s']:g} calls/s  {show.usd(self._said['spend_usd_per_min'])}/min")
        said.append(f"   {self._url}", "dim")
        opened = [(screen.now, screen.banner) for screen in self.screen_stack if isinstance(screen, TaskScreen)]
        for now, banner in ((self._now, self._banner), *opened):
            now.update(said)
            banner.display = bool(self._stopped)
            banner.update(self._stopped)
