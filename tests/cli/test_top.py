"""`agentos top`, driven by Textual's own pilot, against a real installation: broker, gateway, ledger, gates and the demo's pack."""

import asyncio
import html
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from textual.pilot import Pilot

from agentos.cli.client import Target
from agentos.cli.top.app import Top
from agentos.cli.top.approvals import Approvals
from agentos.cli.top.kill import Kill, Stop
from agentos.cli.top.pane import key_of
from agentos.cli.top.tasks import Tasks, TaskScreen
from tests.installed import ROOT, installation, make_key
from tests.wire import Wire

LONG_S = 240.0
"""A bound on liveness, never a measurement."""
NARROW, BROAD = (80, 24), (160, 45)


@dataclass(frozen=True)
class Running:
    """An installation, its administrator's key, that of somebody who asks for work, and that of a second approver."""

    url: str
    key: str
    sender: str
    second: str

    def call(self, method: str, path: str, key: str | None = None, **body: Any) -> Any:
        answer = self.ask(method, path, key, body)
        assert answer.is_success, answer.text
        return answer.json()

    def ask(self, method: str, path: str, key: str | None, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.request(
            method, f"{self.url}/api/v1/{path}", json=body or None, headers=headers, timeout=30, trust_env=False
        )

    async def submit(self, title: str) -> str:
        issue = {
            "number": 7, "title": title, "body": f"{title}. Write to alice.liddell@example.com.", "user": {"login": "alice"},
            "labels": [], "html_url": "https://github.com/wonderland/teaparty/issues/7",
        }  # fmt: skip
        given = {"action": "opened", "issue": issue, "repository": {"full_name": "wonderland/teaparty"}}
        made = await asyncio.to_thread(
            self.call, "POST", "tasks", self.sender, type="issue-triage", input=given, labels={"title": title}
        )
        task = made["task"]
        await until(lambda: self.ask("GET", f"tasks/{task}", None, None).is_success)  # the ledger has folded it
        return task

    async def task(self, task: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.call, "GET", f"tasks/{task}")

    async def held(self, title: str) -> str:
        """A task whose reply waits for a person."""
        task = await self.submit(title)

        async def waits() -> bool:
            return any(each["state"] == "pending" for each in (await self.task(task))["approvals"])

        await until(waits)
        return task

    async def over(self, task: str) -> dict[str, Any]:
        async def settled() -> bool:
            return (await self.task(task))["state"] == "settled"

        await until(settled)
        return await self.task(task)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with installation(tmp_path_factory.mktemp("top")) as (url, key):
        sender, second = make_key(url, key, "issue tracker", "operator"), make_key(url, key, "second desk", "approver")
        yield Running(url, key, sender, second)


@asynccontextmanager
async def top(
    running: Running, size: tuple[int, int] = NARROW, *, url: str | None = None, key: str | None = None
) -> AsyncGenerator[Pilot[None]]:
    app = Top(Target(url or running.url, key or running.key, Path("nowhere")))
    async with app.run_test(size=size, notifications=True) as pilot:
        yield pilot


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LONG_S):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.05)


def seen(pilot: Pilot[None]) -> str:
    """The text on the screen."""
    drawn = pilot.app.export_screenshot(simplify=True)
    return html.unescape("".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))).replace("\xa0", " ")


async def shows(pilot: Pilot[None], text: str) -> None:
    try:
        await until(lambda: text in seen(pilot))
    except TimeoutError:
        raise AssertionError(f"{text!r} is not on the screen:\n{seen(pilot)}") from None


async def open_inbox(pilot: Pilot[None], title: str) -> Approvals:
    """The inbox, with the cursor on the approval that is about ``title``, shown in full."""
    await shows(pilot, "● live")
    await pilot.press("2")
    inbox = pilot.app.query_one(Approvals)

    def listed() -> bool:
        places = [at for at, row in enumerate(inbox.table.ordered_rows) if title in about(inbox, str(row.key.value))]
        if places:
            inbox.table.move_cursor(row=places[0])
        return bool(places)

    await until(listed)
    await until(lambda: f"“{title}”" in str(inbox.detail.content))
    return inbox


def about(inbox: Approvals, id_: str) -> str:
    return str(inbox.table.get_row(id_)[1])


async def test_a_held_call_is_read_and_approved_with_the_keys_of_the_console(running: Running) -> None:
    task = await running.held("Checkout fails with a card")
    async with top(running) as pilot:
        await open_inbox(pilot, "Checkout fails with a card")
        await pilot.press("a")
        await shows(pilot, "github.comment approved")
        assert (await running.over(task))["outcome"] == "completed"
        await shows(pilot, "Nothing waits for you")


async def test_a_refused_call_is_not_made(running: Running) -> None:
    task = await running.held("The invoice has the wrong total")
    async with top(running) as pilot:
        await open_inbox(pilot, "The invoice has the wrong total")
        await pilot.press("r")
        row = await running.over(task)
    assert [each["state"] for each in row["approvals"]] == ["rejected"]


async def test_an_event_that_comes_while_the_screens_are_taken_down_does_no_harm(running: Running) -> None:
    app = Top(Target(running.url, running.key, Path("nowhere")))
    told: list[int] = []
    close = app._close_messages  # pyright: ignore[reportPrivateUsage] - between the screens' end and that of the feed's worker

    async def closing(wait: bool = True) -> None:
        app.feed._take({"type": "gap", "position": 1_000_000})  # pyright: ignore[reportPrivateUsage]
        app.feed._take({"type": "event", "position": 1_000_001, "name": "task.settled"})  # pyright: ignore[reportPrivateUsage]
        told.append(len(app.screen_stack))
        await close(wait)

    app._close_messages = closing
    async with app.run_test() as pilot:
        await shows(pilot, "● live")
    assert told == [0]


async def test_an_edit_is_shown_as_a_difference_and_approved_by_a_second_person(running: Running) -> None:
    task = await running.held("The export stops half-way")
    async with top(running, BROAD) as pilot:
        await open_inbox(pilot, "The export stops half-way")
        await pilot.press("e")
        await shows(pilot, "Change what will be done")
        await pilot.press("ctrl+a", *"we are on it: a r j k".replace(" ", "_"), "ctrl+s")
        await shows(pilot, "+ we_are_on_it:_a_r_j_k")
        await pilot.press("a", "a")  # the first says that it has changed
        await shows(pilot, "approver.is_editor")
    async with top(running, BROAD, key=running.second) as pilot:
        await shows(pilot, "● live")
        await pilot.press("2")
        await shows(pilot, "+ we_are_on_it:_a_r_j_k")
        await pilot.press("a")
        assert (await running.over(task))["outcome"] == "completed"


async def test_what_somebody_else_answered_stays_under_the_cursor_and_takes_no_key(running: Running) -> None:
    read, other = [await running.held(title) for title in ("Search finds nothing", "Photos are upside down")]
    async with top(running) as pilot:
        inbox = await open_inbox(pilot, "Search finds nothing")
        id_ = key_of(inbox.table)
        (row,) = (await running.task(read))["approvals"]
        body = {"outcome": "rejected", "digest": row["digest"]}
        await asyncio.to_thread(running.call, "POST", f"approvals/{row['id']}/resolve", running.second, **body)
        await shows(pilot, "answered")
        assert key_of(inbox.table) == id_
        await pilot.press("a")
        await shows(pilot, "already")
        waits = [each["state"] for each in (await running.task(other))["approvals"]]
        assert waits == ["pending"], "the key did not fall on the next one"
        await running.over(read)
        await open_inbox(pilot, "Photos are upside down")
        await pilot.press("r")
        await running.over(other)


async def test_a_task_comes_in_live_and_opens_to_a_timeline_that_grows(running: Running) -> None:
    before = await running.submit("The login page is blank")
    async with top(running, BROAD) as pilot:
        await shows(pilot, "The login page is blank")
        table = pilot.app.query_one(Tasks).table
        await until(lambda: key_of(table) is not None)
        chosen = key_of(table)
        task = await running.held("Tables overflow on phones")
        await shows(pilot, "Tables overflow on phones")
        assert key_of(table) == chosen, "the cursor stays on its task"
        table.move_cursor(row=0)
        await pilot.press("enter")
        await shows(pilot, "approval: github.comment")
        assert isinstance(pilot.app.screen, TaskScreen)
        await shows(pilot, "pending")
        for held in (task, before):
            (row,) = (await running.task(held))["approvals"]
            body = {"outcome": "approved", "digest": row["digest"]}
            await asyncio.to_thread(running.call, "POST", f"approvals/{row['id']}/resolve", running.second, **body)
        await shows(pilot, "completed")
        await pilot.press("escape")
        await until(lambda: not isinstance(pilot.app.screen, TaskScreen))
        await running.over(before)


async def test_tasks_are_found_by_words_and_hotkeys_are_silent_while_they_are_typed(running: Running) -> None:
    task = await running.held("Quokka pictures are missing")
    async with top(running) as pilot:
        await shows(pilot, "Quokka pictures")
        await pilot.press("slash", *"quokka", "enter")
        await shows(pilot, "Show all with quokka  1")
        await pilot.press("slash", *"q2", "enter")
        await shows(pilot, "no tasks match")
        await pilot.press("escape")
        await shows(pilot, "Show all  ")
        await pilot.press("enter")
        await until(lambda: isinstance(pilot.app.screen, TaskScreen))
        await pilot.press("x")
        await shows(pilot, "Cancel this task")
        await pilot.press(*"asked_twice", "enter")
        assert (await running.over(task))["outcome"] == "cancelled"


async def test_a_stop_needs_a_second_yes_shows_on_every_page_and_is_released_for_a_reason(running: Running) -> None:
    async with top(running) as pilot:
        await shows(pilot, "● live")
        await pilot.press("exclamation_mark")
        await until(lambda: isinstance(pilot.app.screen, Stop))
        await pilot.click("#stop-target")
        await pilot.press(*"engineering", "tab", "tab", *"a_drill")
        await shows(pilot, "will stop")
        await pilot.press("enter")
        await shows(pilot, "Sure?")
        await pilot.press("enter")  # the button that has the focus is the one that does nothing
        await until(lambda: isinstance(pilot.app.screen, Stop))
        assert not (await asyncio.to_thread(running.call, "GET", "kill"))["items"]
        await pilot.press("enter")
        await shows(pilot, "Yes, halt pack engineering")
        await pilot.press("tab", "enter")
        await shows(pilot, "STOPPED: pack engineering")
        await pilot.press("3")
        await shows(pilot, "STOPPED: pack engineering")
        await pilot.press("4")
        await until(lambda: key_of(pilot.app.query_one(Kill).table) is not None)
        await pilot.press("l")
        await shows(pilot, "Why? It stands in the log.")
        await pilot.press(*"over", "enter")
        await shows(pilot, "Nothing is stopped")
        await until(lambda: "STOPPED" not in seen(pilot))


async def test_a_lost_connection_says_so_and_catches_up(running: Running) -> None:
    async with Wire(int(running.url.rpartition(":")[2])) as wire:
        async with top(running, BROAD, url=f"http://127.0.0.1:{wire.port}") as pilot:
            await shows(pilot, "● live")
            await wire.cut()
            await shows(pilot, "○ not connected, what you see may be old")
            task = await running.held("Nobody heard of this one")
            assert "Nobody heard" not in seen(pilot)
            await wire.mend()
            await shows(pilot, "● live")
            await shows(pilot, "Nobody heard of this one")
            await asyncio.to_thread(running.call, "POST", f"tasks/{task}/cancel", running.sender, reason="done")


async def test_a_key_that_is_not_known_is_refused_and_says_so(running: Running) -> None:
    async with top(running, key="aos_admin_" + "x" * 43) as pilot:
        await shows(pilot, "✕ refused (the key is unknown, expired or revoked)")


async def test_without_colours_everything_is_still_said(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    task = await running.held("Grey on grey")
    async with top(running) as pilot:
        await shows(pilot, "waiting for tool")
        colours = set(re.findall(r"#([0-9a-f]{6})", pilot.app.export_screenshot(simplify=True)))
        drawn = colours - {"ff5f57", "febc2e", "28c840", "c5c8c6"}  # the picture's own window buttons and title
        assert {each for each in drawn if len({each[at : at + 2] for at in (0, 2, 4)}) > 1} == set()
        await asyncio.to_thread(running.call, "POST", f"tasks/{task}/cancel", running.sender, reason="done")


@pytest.mark.parametrize("size", [NARROW, BROAD], ids=["80x24", "160x45"])
async def test_pages_are_whole_at_every_size_and_make_the_pictures_of_the_docs(running: Running, size: tuple[int, int]) -> None:
    task = await running.held("Checkout fails with a card")
    folder = os.environ.get("AGENTOS_SCREENSHOTS_TOP")
    async with top(running, size) as pilot:
        await shows(pilot, "Checkout fails")
        for key, name, text in (
            ("1", "tasks", "waiting for tool"),
            ("2", "approvals", "Held because"),
            ("3", "spend", "tenant-month"),
            ("4", "kill", "Nothing is stopped"),
            ("1", "tasks", "waiting for tool"),
            ("enter", "task", "decision: hold"),
        ):
            await pilot.press(key)
            await shows(pilot, text)
            if folder is not None and size == (80, 24):
                (Path(folder) / f"{name}.svg").write_text(picture(pilot))
        await asyncio.to_thread(running.call, "POST", f"tasks/{task}/cancel", running.sender, reason="done")


def picture(pilot: Pilot[None]) -> str:
    """The screen as SVG, in a font of the reader's own: a picture of the docs fetches nothing."""
    drawn = pilot.app.export_screenshot(title="agentos top")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")


def test_pictures_are_where_the_makefile_puts_them() -> None:
    assert "AGENTOS_SCREENSHOTS_TOP=$(CURDIR)/docs/images/top" in (ROOT / "Makefile").read_text()
