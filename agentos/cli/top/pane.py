"""What every pane has: it reads the API beside the screen, again when events say that it is stale, and shows why where it cannot."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual.containers import Vertical
from textual.widgets import DataTable

from agentos.cli import show
from agentos.cli.client import Api, Failure

SETTLE_S = 0.6
"""The ledger folds an event a moment after the feed has told it: what was read at once is read again after this."""
EVERY_S = 10.0

Answer = TypeVar("Answer")


class Remote:
    """The command line's own client, off the event loop."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def get(self, path: str, **query: Any) -> Any:
        """As ``Api.get``."""
        return await asyncio.to_thread(partial(self._api.get, path, **query))

    async def post(self, path: str, body: Any) -> Any:
        """As ``Api.post``."""
        return await asyncio.to_thread(self._api.post, path, body)


class Pane(Vertical):
    """A part of the screen that is kept up to date while it is looked at."""

    FOLLOWS: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of events after which it is stale."""

    def __init__(self, remote: Remote, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.remote = remote
        self.shown = False
        self._stale = asyncio.Event()

    def on_mount(self) -> None:
        """Begin to follow."""
        self.run_worker(self._keep(), name=f"keep-{self.id}")

    def poke(self) -> None:
        """What is shown may be old."""
        self._stale.set()

    def concerns(self, event: dict[str, Any]) -> bool:
        """Whether an event of the feed may have changed what is shown."""
        return str(event["name"]).startswith(self.FOLLOWS)

    def look(self) -> None:
        """It comes to the front."""
        self.shown = True
        self.poke()

    async def load(self) -> None:
        """Read and show. Raises Failure where nobody answers or the request is refused."""
        raise NotImplementedError  # each pane reads what is its own; Textual's metaclass leaves no room for ABC's

    async def refresh_now(self) -> None:
        """Read and show; a refusal is shown too, and what was there stays."""
        await self.told_if_refused(self.load())

    async def told_if_refused(self, reading: Coroutine[Any, Any, None]) -> None:
        """Read something more; a refusal is said, and what was there stays."""
        try:
            await reading
        except Failure as failure:
            self.border_subtitle = f"not up to date: {failure.title}"
            self.notify(said(failure), severity="warning", title="not up to date", timeout=4, markup=False)
        else:
            self.border_subtitle = ""

    async def told(self, doing: Callable[[], Any], done: str) -> Any:
        """Do something at the API and say how it went; None where it was refused."""
        try:
            answer = await doing()
        except Failure as failure:
            self.notify(said(failure), severity="error", title="not done", timeout=8, markup=False)
            return None
        finally:
            self.poke()
        self.notify(done, markup=False)
        return answer

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stale.wait(), EVERY_S)
            poked = self._stale.is_set()
            if not self.shown:
                self._stale.clear()
                continue
            self._stale.clear()
            await self.refresh_now()
            if poked:
                await asyncio.sleep(SETTLE_S)
                await self.refresh_now()


def said(failure: Failure) -> str:
    """A failure in a line: what, why, and what to do."""
    parts = (failure.title, failure.detail, f"→ {failure.mend}" if failure.mend else "")
    return show.plain(" · ".join(part for part in parts if part))


def cell(value: object, style: str = "") -> Text:
    """A value from outside on one line, as text and never as markup."""
    return Text("–" if value in (None, "") else " ".join(show.plain(value).split()), style=style, no_wrap=True)


def state(value: object) -> Text:
    """A state, in its colour where there are colours: the word alone says it too."""
    return cell(value, show.COLOURS.get(str(value), ""))


Rows = Sequence[tuple[str, Sequence[Text]]]


def fill(table: "DataTable[Text]", rows: Rows) -> None:
    """Bring a table to ``rows``. The cursor stays on the row that it is on, and the view where it is."""
    keys = [str(row.key.value) for row in table.ordered_rows]
    if keys == [key for key, _ in rows]:
        for key, cells in rows:
            for column, value in zip(table.ordered_columns, cells, strict=True):
                if table.get_cell(key, column.key) != value:
                    table.update_cell(key, column.key, value, update_width=True)
        return
    chosen, at = key_of(table), table.scroll_y
    table.clear()
    for key, cells in rows:
        table.add_row(*cells, key=key)
    places = {key: place for place, (key, _) in enumerate(rows)}
    if chosen in places:
        table.move_cursor(row=places[chosen], animate=False, scroll=False)
        table.scroll_to(y=at, animate=False)


def key_of(table: "DataTable[Text]") -> str | None:
    """The key of the row that the cursor is on."""
    if not table.is_valid_row_index(table.cursor_row):
        return None
    return str(table.ordered_rows[table.cursor_row].key.value)


def grid(columns: Mapping[str, int | None], *, id: str) -> "DataTable[Text]":  # noqa: A002 - Textual's own name
    """A table of rows to move through: name → width, None for as wide as its content."""
    made: DataTable[Text] = DataTable(id=id, cursor_type="row", zebra_stripes=False, cell_padding=1)
    for name, width in columns.items():
        made.add_column(name, width=width)
    return made
