"""Ids as people type them: whole, or as much of their beginning as tells them apart."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentos.cli.client import Api

SHORTEST = 6
"""Fewer characters are taken for a whole id: too many begin alike."""

_LOOKED_AT = 100
_NAMED = 5
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TASK = re.compile(_UUID)
_CALL = re.compile(_UUID + "-s[0-9]{4,}-e[0-9]+")
_TYPED = re.compile(r"[A-Za-z0-9_-]{6,128}")


def task(server: "Api", typed: str) -> str:
    """The id of the task that is meant. Raises Failure when it could be several."""
    return _meant(typed, "task", _TASK, lambda: _ids(server, "tasks", typed))


def approval(server: "Api", typed: str) -> str:
    """The same of an approval; a task that has only one may stand for it."""
    return _meant(typed, "approval", _CALL, lambda: _ids(server, "approvals", typed))


def decided(server: "Api", typed: str) -> str:
    """The same of whatever was decided on: a task, a call or an approval. A task is meant before its calls are."""

    def found() -> Iterable[str]:
        page = server.get("policy/decisions", id_prefix=typed, limit=_LOOKED_AT)
        return (item["subject"].split(".")[3] for item in page["items"])

    return _meant(typed, "decision", re.compile(f"{_TASK.pattern}|{_CALL.pattern}"), found)


def _ids(server: "Api", path: str, typed: str) -> Iterable[str]:
    return (item["id"] for item in server.get(path, id_prefix=typed, limit=_LOOKED_AT)["items"])


def _meant(typed: str, what: str, whole: re.Pattern[str], find: Callable[[], Iterable[str]]) -> str:
    if whole.fullmatch(typed) or not _TYPED.fullmatch(typed):
        return typed
    # The database may not tell upper from lower case.
    found = sorted({id_ for id_ in find() if id_.startswith(typed)})
    if not found:
        # Whoever is asked for it says that there is no such thing.
        return typed
    shortest = found[0]
    if all(id_ == shortest or (what == "decision" and id_.startswith(f"{shortest}-")) for id_ in found):
        return shortest
    from agentos.cli.client import USAGE, Failure

    more = ", …" if len(found) > _NAMED else ""
    raise Failure(
        "Ambiguous id", f"{typed} could be {', '.join(found[:_NAMED])}{more}", mend="type more of it", exit_code=USAGE
    )
