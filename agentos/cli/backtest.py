"""``agentos policy backtest``, and where it and its neighbours find rules and past decisions."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentos.cli.options import AsJson, api

if TYPE_CHECKING:
    from services.policy.compare import Past
    from services.policy.evaluator import Bundle

Kind = Annotated[str | None, typer.Option(help="admission, model, tool, approval, edit or checkpoint.")]


def usage_failure(title: str, detail: str, mend: str = "") -> Exception:
    from agentos.cli.client import USAGE, Failure

    return Failure(title, detail, mend=mend, exit_code=USAGE)


def bundle_at(path: Path | None) -> "Bundle":
    """Rules from a folder or a signed bundle. Raises Failure saying what is wrong with them."""
    from agentos.contracts.errors import AgentOSError

    try:
        from services.policy import bundles
        from services.policy.evaluator import read_bundle
    except ModuleNotFoundError as missing:
        raise usage_failure("Not installed", f"{missing.name} is missing", "install agentos[policy]") from None
    try:
        if path is None:
            return read_bundle()
        return read_bundle(path) if path.is_dir() else bundles.read(json_file(path)).bundle
    except AgentOSError as bad:
        raise usage_failure("No bundle", bad.detail) from None


def json_file(path: Path) -> dict[str, Any]:
    try:
        value: Any = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text("utf-8"))
    except (OSError, ValueError) as bad:
        raise usage_failure("Unreadable", f"{path}: {bad}") from None
    if not isinstance(value, dict):
        raise usage_failure("Unreadable", f"{path} holds no JSON object")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON


def backtest(
    ctx: typer.Context,
    bundle: Annotated[Path, typer.Option("--bundle", help="The candidate: a folder of rules, or a signed bundle.")],
    last: Annotated[int, typer.Option(min=1, help="How many decisions, newest first.")] = 500,
    kind: Kind = None,
    tenant: Annotated[str | None, typer.Option(help="With --file: only this tenant's; over the API it is the key's.")] = None,
    file: Annotated[Path | None, typer.Option(help="An audit export instead of the API.", exists=True, dir_okay=False)] = None,
    fail_on_change: Annotated[bool, typer.Option("--fail-on-change", help="Exit code 1 when a decision changes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask other rules what was really asked, and show what would have been decided otherwise, and for whom."""
    from collections import Counter
    from dataclasses import asdict

    from agentos.cli import show
    from services.policy.compare import replay

    candidate = bundle_at(bundle)
    pasts = exported(file, last, kind, tenant) if file is not None else stored(ctx, last, kind)
    said = replay(pasts, candidate)
    if as_json:
        show.print_json(
            {"asked": said.asked, "unanswerable": said.unanswerable, "changes": [asdict(change) for change in said.changes]}
        )
    else:
        counts = Counter((c.past.kind, c.past.whom, c.past.verdict, c.verdict, ", ".join(c.reasons)) for c in said.changes)
        show.table(
            ("kind", "for whom", "was", "becomes", "because", "times"),
            (
                (what, show.text(whom), show.state(was), show.state(becomes), show.text(why), str(times))
                for (what, whom, was, becomes, why), times in counts.most_common()
            ),
            empty="no decision would have been another one",
        )
        left = f", {said.unanswerable} of another version could not be asked" if said.unanswerable else ""
        show.out.print(f"{said.asked} decisions, {len(said.changes)} would differ{left}")
    raise typer.Exit(1 if fail_on_change and said.changes else 0)


def stored(ctx: typer.Context, last: int, kind: str | None, call: str | None = None) -> "list[Past]":
    """The last decisions, through the API."""
    from services.policy.compare import Past

    found: list[Past] = []
    cursor: str | None = None
    with api(ctx) as server:
        while len(found) < last:
            page = server.get("policy/decisions", limit=min(500, last), kind=kind, cursor=cursor, call=call)
            made = (Past.of(item["type"], item["subject"].split(".")[3], item["data"]) for item in page["items"])
            found += [past for past in made if past is not None]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    return found[:last]


def exported(file: Path, last: int, kind: str | None, tenant: str | None) -> "list[Past]":
    """The last decisions of an audit export. Bodies that stood elsewhere (claim checks) are not in it and are left out."""
    from collections import deque

    from services.ledger.audit.export import Closing, Malformed, parse_header, parse_line
    from services.policy.compare import KINDS, Past

    found: deque[Past] = deque(maxlen=last)
    with file.open("rb") as lines:
        try:
            parse_header(next(lines, b""))
            for line in lines:
                event = parse_line(line)
                if isinstance(event, Closing):
                    break
                parts = event.subject.split(".")
                name = f"{parts[2]}.{parts[4]}" if len(parts) > 4 else ""
                if name not in KINDS or kind not in (None, KINDS[name]) or tenant not in (None, parts[1]):
                    continue
                past = Past.of(name, parts[3], json.loads(event.body))
                if past is not None:
                    found.append(past)
        except (Malformed, ValueError, KeyError) as bad:
            raise usage_failure("No audit export", f"{file}: {bad}", "make one with `agentos audit export`") from None
    return list(found)
