"""Spend: of today, a week or the month, by pack and by model, and the budgets."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Static

from agentos.cli import show
from agentos.cli.top.pane import Pane, Remote, Rows, cell, fill, grid

PERIODS = ("today", "7 days", "this month")


def since(period: str, now: datetime) -> datetime:
    """When the period began. Days are those of UTC, as the ledger counts them."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case "7 days":
            return day - timedelta(days=6)
        case "this month":
            return day.replace(day=1)
        case _:
            return day


class Spend(Pane):
    """What calls cost, and how far each budget is."""

    FOLLOWS: ClassVar[tuple[str, ...]] = ("task.call.", "system.budget.")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("p", "period", "Period")]

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote, id="spend")
        self._period = 0
        self.total = Static(id="spend-total")
        columns = {"Calls": 6, "Tokens": 10, "Cost": 14, "": None}
        self.packs = grid({"Pack": 24, **columns}, id="spend-packs")
        self.models = grid({"Model": 24, **columns}, id="spend-models")
        self.budgets = grid({"Budget": 18, "Used": 17, "Spent": 18, "State": None}, id="spend-budgets")

    def compose(self) -> ComposeResult:
        """The sum, by pack, by model, budgets."""
        yield self.total
        with Container(id="spend-both"):
            yield self.packs
            yield self.models
        yield self.budgets

    def focus_first(self) -> None:
        """Where keys go."""
        self.packs.focus()

    async def load(self) -> None:
        """The period's figures."""
        period = PERIODS[self._period]
        begin = since(period, datetime.now(UTC)).isoformat()
        packs, models, budgets = await asyncio.gather(
            self.remote.get("costs", **{"by": "pack", "from": begin}),
            self.remote.get("costs", **{"by": "model", "from": begin}),
            self.remote.get("budgets"),
        )
        total: dict[str, Any] = packs["total"]
        said = Text.assemble((f"{period} (UTC): ", "dim"), (show.usd(total["cost_usd"]), "bold"))
        said.append(f"   {total['calls']} calls   {_tokens(total)} tokens")
        if total["saved_usd"] != "0":
            said.append(f"   saved {show.usd(total['saved_usd'])}")
        self.total.update(said.append(f"   {_notes(total)}", "yellow"))
        fill(self.packs, _groups(packs, "pack"))
        fill(self.models, _groups(models, "model"))
        fill(self.budgets, [_budget(each) for each in cast("list[dict[str, Any]]", budgets["items"])])

    def action_period(self) -> None:
        """The next of the periods."""
        self._period = (self._period + 1) % len(PERIODS)
        self.poke()


def _groups(costs: dict[str, Any], name: str) -> Rows:
    return [
        (
            str(place),
            (cell(group.get(name)), cell(group["calls"]), cell(_tokens(group)), cell(show.usd(group["cost_usd"])), cell(_notes(group) or " ")),
        )
        for place, group in enumerate(cast("list[dict[str, Any]]", costs["groups"]))
    ]  # fmt: skip


def _tokens(group: dict[str, Any]) -> str:
    counted = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    return f"{sum(int(group[name]) for name in counted):,}"


def _notes(group: dict[str, Any]) -> str:
    """What makes the figure less than a bill."""
    notes = (("simulated_attempts", "simulated"), ("unpriced_attempts", "without a price"), ("estimated_attempts", "estimated"))
    return ", ".join(f"{group[name]} {word}" for name, word in notes if group.get(name))


def _budget(budget: dict[str, Any]) -> tuple[str, tuple[Text, ...]]:
    if budget["state"] == "unreadable":
        return budget["account"], (cell(budget["id"]), cell(""), cell(""), Text("unreadable: policy refuses", "red"))
    share = min(1.0, float(budget["used"]))
    bar = f"{'█' * round(share * 12):·<12} {share:>4.0%}"
    colour = "" if budget["state"] == "open" else "red"
    words = f"{budget['state']}, {budget['mode']}" + (f", forecast {budget['forecast']}" if budget.get("forecast") else "")
    return str(budget["account"]), (
        cell(budget["id"]), cell(bar), cell(f"{budget['spent']} of {budget['limit']} {budget['metric']}"), cell(words, colour)
    )  # fmt: skip
