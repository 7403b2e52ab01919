"""The history of a task family, pure: labels that only grow, counts and sums in windows.

A family is a task with all its subtasks. What one of them has read, each may have been told: so labels are the family's.
Time is kept in slots of ten seconds, so that a window may reach up to one slot further back than it says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract
from services.policy.questions import Effect

UNTRUSTED = "untrusted"
"""Content from outside reached the task. It never goes away again."""

SLOT_S = 10
WINDOWS: Mapping[Literal["minute", "hour"], timedelta] = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
REMEMBERED = 256
"""Calls of which it is remembered that they are counted: a redelivery is never older than that."""


class Tally(Contract):
    """What happened in some span of time. Money is in millionths of a dollar, as in the questions, rounded up."""

    models: int = 0
    tools: int = 0
    read: int = 0
    write: int = 0
    egress: int = 0
    denied: int = 0
    microusd: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            models=self.models + other.models,
            tools=self.tools + other.tools,
            read=self.read + other.read,
            write=self.write + other.write,
            egress=self.egress + other.egress,
            denied=self.denied + other.denied,
            microusd=self.microusd + other.microusd,
        )


_NOTHING = Tally()


class FamilyHistory(Contract):
    """``labels`` maps a label to where it came from first; ``slots`` holds the last hour by slot number; the rest is since the start."""

    labels: dict[str, str] = Field(default_factory=dict[str, str])
    total: Tally = Tally()
    slots: dict[int, Tally] = Field(default_factory=dict[int, Tally])
    tools: dict[str, int] = Field(default_factory=dict[str, int])
    checkpoints: dict[str, int] = Field(default_factory=dict[str, int])
    """How often each task of the family has asked a person."""
    counted: tuple[str, ...] = ()
    trusted_input: bool = False
    """Whether the root task came from inside; then its input vouches for the destinations that it names."""

    def asked_before(self, checkpoint: str, task: str) -> int:
        """How many checkpoints of ``task`` there were before this one, whether or not this one is counted already."""
        return self.checkpoints.get(task, 0) - int(f"asked.{checkpoint}" in self.counted)

    def window(self, name: Literal["minute", "hour"], now: datetime) -> Tally:
        """What happened in the last minute or hour."""
        first = _slot(now - WINDOWS[name])
        return _sum(tally for slot, tally in self.slots.items() if slot >= first)


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing to count, under an id that makes counting it twice harmless."""

    id: str
    at: datetime
    tally: Tally = _NOTHING
    tool: str | None = None
    checkpoint_of: str | None = None
    """The task that asks a person."""
    labels: tuple[tuple[str, str], ...] = ()


def used(call: str, tool: str, effect: Effect, at: datetime) -> Happened:
    """A tool is asked for. Counted before it is decided on, so that calls side by side see each other."""
    tally = Tally(tools=1, read=int(effect == "read"), write=int(effect == "write"), egress=int(effect == "egress"))
    return Happened(f"tool.{call}", at, tally, tool=tool)


def asked(checkpoint: str, task: str, at: datetime) -> Happened:
    """A task wants to ask a person. Counted before it is decided on, as tool calls are."""
    return Happened(f"asked.{checkpoint}", at, checkpoint_of=task)


def spent(call: str, usd: Decimal, at: datetime) -> Happened:
    """A model call is settled."""
    return Happened(f"spent.{call}", at, Tally(models=1, microusd=int((usd * 1_000_000).to_integral_value(ROUND_UP))))


def refused(call: str, at: datetime) -> Happened:
    """A call was denied."""
    return Happened(f"denied.{call}", at, Tally(denied=1))


def marked(source: str, labels: Iterable[str], at: datetime) -> Happened:
    """Content with ``labels`` reached the task from ``source``."""
    return Happened(f"labels.{source}", at, labels=tuple((label, source) for label in sorted(set(labels))))


def note(history: FamilyHistory, happened: Happened) -> FamilyHistory:
    """The history with ``happened`` in it; the same history when it is in it already."""
    if happened.id in history.counted:
        return history
    slots = {slot: tally for slot, tally in history.slots.items() if slot >= _slot(happened.at - WINDOWS["hour"])}
    if happened.tally != _NOTHING:
        here = _slot(happened.at)
        slots[here] = slots.get(here, _NOTHING).plus(happened.tally)
    tools = history.tools
    if happened.tool is not None:
        tools = {**tools, happened.tool: tools.get(happened.tool, 0) + 1}
    checkpoints, task = history.checkpoints, happened.checkpoint_of
    if task is not None:
        checkpoints = {**checkpoints, task: checkpoints.get(task, 0) + 1}
    return history.model_copy(
        update={
            "labels": {**dict(happened.labels), **history.labels},
            "total": history.total.plus(happened.tally),
            "slots": slots,
            "tools": tools,
            "checkpoints": checkpoints,
            "counted": (*history.counted, happened.id)[-REMEMBERED:],
        }
    )


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // SLOT_S


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = _NOTHING
    for tally in tallies:
        total = total.plus(tally)
    return total
