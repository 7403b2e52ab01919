"""``agentos audit``: prove what happened."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agentos.cli.options import AsJson, api

app = typer.Typer(no_args_is_help=True, help="Prove what happened.")

Output = Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output without it.")]
Anchors = Annotated[
    Path | None,
    typer.Option("--anchor", help="A file of anchors that was kept outside, one a line.", exists=True, dir_okay=False),
]
MOST_ANCHORS = 500
"""How many go to the server: the last one stands for all before it, the others narrow down where something was replaced."""


@app.command("status")
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """How far the chain reaches, and what is anchored outside."""
    from agentos.cli import show

    with api(ctx) as server:
        said = server.get("audit/status")
    show.print_json(said) if as_json else show.fields({name: show.text(value) for name, value in said.items()})


@app.command()
def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Option(help="Verify an export, offline.", exists=True, dir_okay=False)] = None,
    proof: Annotated[Path | None, typer.Option(help="Verify a proof, offline.", exists=True, dir_okay=False)] = None,
    anchor: Anchors = None,
    public_key: Annotated[str | None, typer.Option(help="The ledger's public key in base64, as you noted it before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the chain; exit code 1 when it is broken. Without --file and --proof it is the running system's."""
    from agentos.cli import show

    if file is not None or proof is not None:
        said = _verify_file(file or proof or Path(), anchor, public_key)
    else:
        lines = [] if anchor is None else _spread(anchor.read_text(encoding="ascii", errors="replace").splitlines())
        with api(ctx) as server:
            said = server.post("audit/verify", {"anchors": lines})
    if as_json:
        show.print_json(said)
    elif said["ok"]:
        held = f"{said['events']} events up to {said['last_seq']}, {said['checkpoints']} signed checkpoints hold"
        anchored = f", {said['anchors']} anchors too" if anchor is not None else ""
        show.out.print(f"[green]whole[/green]: {held}{anchored}")
    else:
        show.out.print(f"[red bold]broken[/red bold]: {len(said['problems'])} problem(s)")
        for problem in said["problems"]:
            told = " · ".join(str(part) for part in problem.values()) if isinstance(problem, dict) else str(problem)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType] # JSON
            show.out.print(f"  {show.text(told)}")
    if not said["ok"]:
        raise typer.Exit(1)


def _verify_file(file: Path, anchors: Path | None, public_key: str | None) -> dict[str, Any]:
    """Only the files are needed: no broker, no database, no gateway."""
    from dataclasses import asdict

    from agentos.cli.client import USAGE, Failure
    from services.ledger.audit.__main__ import verify_file
    from services.ledger.audit.lines import Malformed, unb64

    try:
        verdict = verify_file(file, anchors=anchors, public_key=None if public_key is None else unb64(public_key))
    except Malformed as bad:
        raise Failure(
            "Bad key", str(bad), mend="give the public key as `agentos audit status` shows it", exit_code=USAGE
        ) from None
    return {"ok": verdict.ok, **asdict(verdict)}


def _spread(lines: list[str]) -> list[str]:
    """At most MOST_ANCHORS of the lines, evenly chosen, the last one among them."""
    if len(lines) <= MOST_ANCHORS:
        return lines
    return [lines[(number + 1) * len(lines) // MOST_ANCHORS - 1] for number in range(MOST_ANCHORS)]


@app.command()
def export(
    ctx: typer.Context,
    output: Output = None,
    with_verifier: Annotated[
        Path | None, typer.Option(help="Also write the verifier here: one file that needs Python 3.11 and nothing else.")
    ] = None,
) -> None:
    """The chain as JSON lines, for `agentos audit verify --file`."""
    from agentos.cli import show

    if with_verifier is not None:
        _write_verifier(with_verifier)
        show.err.print(f"verify with: python {with_verifier} {output or 'FILE'}")
    with api(ctx) as server:
        lines = server.lines("audit/export")
        if output is None:
            for line in lines:
                sys.stdout.write(line + "\n")
            return
        count = 0
        with output.open("w", encoding="utf-8", newline="\n") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
    show.err.print(f"{count} lines in {output}")


def _write_verifier(path: Path) -> None:
    """The verifier's own files, as they are, in an archive that Python runs."""
    import zipfile

    import services.ledger.audit as package

    run = "import sys\n\nfrom services.ledger.audit.__main__ import main\n\nsys.exit(main(sys.argv[1:]))\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", run)
        for folder in ("services", "services/ledger"):
            archive.writestr(f"{folder}/__init__.py", "")
        for file in sorted(Path(package.__file__ or "").parent.glob("*.py")):
            archive.write(file, f"services/ledger/audit/{file.name}")


@app.command()
def prove(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(help="The event's subject or its id.")],
    checkpoint: Annotated[int | None, typer.Option(help="Prove against the checkpoint that signs this sequence.")] = None,
    output: Output = None,
) -> None:
    """A proof that one event is part of the signed log, for `agentos audit verify --proof`."""
    with api(ctx) as server:
        _write(server.get("audit/proof", event=event, checkpoint=checkpoint)["proof"], output)


@app.command()
def consistency(
    ctx: typer.Context,
    first: Annotated[int, typer.Argument(help="The sequence that the earlier checkpoint signs.")],
    second: Annotated[int | None, typer.Argument(help="That of the later one; the newest unless given.")] = None,
    output: Output = None,
) -> None:
    """A proof that nothing before one checkpoint was changed until another, for `agentos audit verify --proof`."""
    with api(ctx) as server:
        _write(server.get("audit/consistency", first=first, second=second)["proof"], output)


def _write(proof: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(proof)
    else:
        output.write_text(proof, encoding="ascii", newline="\n")
