"""The inbox: what waits for a person, with the console's keys. An answer is bound to the digest of what stands on the screen."""

from typing import Any, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import DataTable, Static

from agentos.cli import show
from agentos.cli.top.forms import Edit, Write
from agentos.cli.top.pane import Pane, Remote, Rows, cell, fill, grid, key_of, state

MOST = 100


class Approvals(Pane):
    """Rows that were answered stay under the cursor, marked, so that a key never means another row than the one that was read."""

    FOLLOWS: ClassVar[tuple[str, ...]] = ("approval.", "system.kill.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "Down"),
        Binding("k", "move(-1)", "Up"),
        Binding("a", "answer('approved')", "Approve"),
        Binding("r", "answer('rejected')", "Refuse"),
        Binding("e", "edit", "Edit"),
        Binding("c", "comment", "Comment"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote, id="approvals")
        self._rows: dict[str, dict[str, Any]] = {}
        self._gone: set[str] = set()
        self._mine: set[str] = set()
        self._shown: dict[str, Any] | None = None
        self._changed = False
        self._answering = False
        self.table = grid({"What": 16, "About": 28, "Due": 8, "Votes": 6, "State": 8}, id="approval-table")
        self.detail = Static(id="approval-detail", markup=False)
        self.scroll = VerticalScroll(self.detail, id="approval-scroll")
        self._both = Container(self.table, self.scroll, id="approval-both")
        self.empty = Static(
            "Nothing waits for you. A call that policy holds appears here the moment it is held.", id="approval-empty"
        )

    def compose(self) -> ComposeResult:
        """The list, and the chosen one: beside it where there is room, else below."""
        self.scroll.border_title = "What will be done"
        yield self.empty
        yield self._both

    def focus_first(self) -> None:
        """Where keys go."""
        self.table.focus()

    async def load(self) -> None:
        """What waits, and the chosen one in full."""
        page = await self.remote.get("approvals", state="pending", limit=MOST)
        latest = {str(row["id"]): row for row in cast("list[dict[str, Any]]", page["items"])}
        chosen = key_of(self.table)
        self._gone = set()
        # What oneself has answered may go.
        if chosen is not None and chosen in self._rows and chosen not in latest and chosen not in self._mine:
            self._gone = {chosen}
            # In its place of before: what follows it must not slip under the finger.
            kept = list(latest.items())
            kept.insert(min(list(self._rows).index(chosen), len(kept)), (chosen, self._rows[chosen]))
            latest = dict(kept)
        self._rows = latest
        fill(self.table, self._list())
        self.empty.display = not latest
        self._both.display = bool(latest)
        await self._open(key_of(self.table))

    def _list(self) -> Rows:
        return [
            (
                id_,
                (
                    cell(row["target"]), cell(_about(row)), cell(show.ago(row.get("expires_at"))),
                    cell(f"{row.get('approvals') or 0} of {row.get('quorum') or 1}"),
                    Text("answered", "dim") if id_ in self._gone else state("frozen" if row.get("frozen") else row["state"]),
                ),
            )
            for id_, row in self._rows.items()
        ]  # fmt: skip

    @on(DataTable.RowHighlighted, "#approval-table")
    def chosen(self) -> None:
        """Another one."""
        chosen = key_of(self.table)
        if self._shown is None or chosen != self._shown["id"]:
            self._shown = None
            self._changed = False
            self.detail.update("…")
            self.run_worker(self._read(chosen), exclusive=True, group="approval")

    async def _read(self, chosen: str | None) -> None:
        await self.told_if_refused(self._open(chosen))

    async def _open(self, chosen: str | None) -> None:
        """Show one in full. What somebody changed meanwhile is said before a key counts."""
        if chosen is None:
            self._shown = None
            return
        row = await self.remote.get(f"approvals/{chosen}")
        if key_of(self.table) != chosen:
            return
        before = self._shown
        if before is not None and before["id"] == chosen and before["digest"] != row["digest"]:
            self._changed = True
        self._shown = row
        self.detail.update(_full(row, changed=self._changed))

    def action_move(self, by: int) -> None:
        """One row down or up."""
        self.table.move_cursor(row=self.table.cursor_row + by)

    def action_answer(self, outcome: str) -> None:
        """Approve or refuse what is shown in full, once."""
        row = self._shown
        if row is None or row["id"] != key_of(self.table):
            self.notify("it is still being fetched: look, then decide")
        elif row["state"] != "pending" or row["id"] in self._gone:
            self.notify(f"it is {row['state']} already", severity="warning")
        elif self._changed:
            self._changed = False
            self.detail.update(_full(row, changed=False))
            self.notify("it was changed while you read: look again, then decide", severity="warning")
        elif not self._answering:
            self._answering = True
            self.run_worker(self._answer(row, outcome))

    async def _answer(self, row: dict[str, Any], outcome: str) -> None:
        path, body = f"approvals/{row['id']}/resolve", {"outcome": outcome, "digest": row["digest"]}
        try:
            answer = await self.told(lambda: self.remote.post(path, body), f"{row['target']} {outcome}")
        finally:
            self._answering = False
        if answer is None:
            return
        self._mine.add(str(row["id"]))
        if answer.get("state") == "pending":
            self.notify(f"your answer counts; {answer['approvals']} of {answer['quorum']} approvals, more are needed")
        # On to the next: what was answered leaves with the next look.
        if key_of(self.table) == row["id"]:
            last = self.table.cursor_row == self.table.row_count - 1
            self.action_move(-1 if last else 1)

    def action_edit(self) -> None:
        """Change what will be done; policy rules on it anew."""
        row = self._shown
        if row is None or row["state"] != "pending" or not row.get("editable"):
            self.notify("this one cannot be edited", severity="warning")
            return
        field = "arguments" if row["kind"] == "tool" else "request"
        preview: dict[str, Any] = row.get("preview") or {}
        content: dict[str, Any] = preview.get(field) or preview

        def done(edited: dict[str, Any] | None) -> None:
            if edited is not None and edited != content:
                body = {"digest": row["digest"], field: edited}
                doing = self.told(
                    lambda: self.remote.post(f"approvals/{row['id']}/edit", body),
                    "edited; somebody else approves it, unless policy lets editors approve",
                )
                self.run_worker(doing)

        self.app.push_screen(Edit(content), done)

    def action_comment(self) -> None:
        """Remark on it, without a vote."""
        row = self._shown
        if row is None:
            return

        def done(text: str | None) -> None:
            if text is not None:
                self.run_worker(
                    self.told(lambda: self.remote.post(f"approvals/{row['id']}/comment", {"text": text}), "your remark is kept")
                )

        self.app.push_screen(Write("Comment", "A remark without a vote; it is stored sealed."), done)

    @on(DataTable.RowSelected, "#approval-table")
    def read(self) -> None:
        """Enter: to the text, to scroll in it."""
        self.scroll.focus()

    def action_back(self) -> None:
        """Esc: back to the list."""
        self.table.focus()


def _about(row: dict[str, Any]) -> str:
    """The first text of what will be done: what tells one call of a tool from another."""
    preview: dict[str, Any] = row.get("preview") or {}
    named: Any = preview.get("arguments", preview)
    if isinstance(named, dict):
        texts = [value for value in cast("dict[str, Any]", named).values() if isinstance(value, str) and " " in value]
        if texts:
            return str(texts[0])
    return str(row.get("summary") or "")


def _full(row: dict[str, Any], *, changed: bool) -> Text:
    """The exact effect first, then why it was held, who asks, who said what."""
    said = Text()
    if changed:
        said.append("Changed while you read it.\n", "bold reverse")
    said.append(f"{show.plain(row['target'])}\n", "bold")
    preview: dict[str, Any] | None = row.get("preview")
    if preview is None:
        said.append("Nothing to show: its data were erased.\n")
    else:
        named = cast("dict[str, Any]", preview.get("arguments") or preview)
        for name, value in named.items():
            said.append(f"{show.plain(name)}\n", "dim").append(f"  {show.plain(value)}\n")
    for change in cast("list[dict[str, Any]]", row.get("diff") or []):
        said.append(f"changed {show.plain(change['path'] or '(all)')}\n", "bold")
        if change["op"] != "add":
            said.append(f"- {show.plain(change.get('old'))}\n", "red")
        if change["op"] != "remove":
            said.append(f"+ {show.plain(change.get('new'))}\n", "green")
    history: dict[str, int] = row.get("history") or {}
    past = ", ".join(f"{times} {name}" for name, times in history.items() if name != "pending")
    votes = [f"{vote['by']}: {vote['outcome']}" for vote in cast("list[dict[str, Any]]", row.get("votes") or [])]
    facts = {
        "State": row["state"] + (", the clock stands under a kill switch" if row.get("frozen") else ""),
        "Held because": ", ".join(row.get("reasons") or []),
        "Asks": f"{row['pack']}/{row['agent']} for {row['requester']}",
        "Task": row["task"],
        "Due": show.ago(row.get("expires_at")),
        "May answer": ", ".join(row.get("approver_roles") or []),
        "Second person": "whoever asked may refuse it, not approve it" if row.get("four_eyes") else "not needed",
        "Votes": "; ".join([f"{row.get('approvals') or 0} of {row.get('quorum') or 1}", *votes]),
        "The like": past or "never answered before",
        "Answered by": row.get("resolved_by"),
    }
    said.append("\n")
    for name, value in facts.items():
        if value:
            said.append(f"{name:>13}  ", "dim").append(f"{show.plain(value)}\n")
    for remark in cast("list[dict[str, Any]]", row.get("remarks") or []):
        text = remark["text"] if remark["state"] == "opened" else f"({remark['state']})"
        said.append(f"{show.ago(remark['at']):>13}  ", "dim").append(f"{show.plain(remark['by'])}: {show.plain(text)}\n")
    return said
