"""``agentos policy``: try rules, explain decisions, compare, sign and publish bundles, and see what other rules would have decided."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentos.cli import ids
from agentos.cli.backtest import Kind, backtest, bundle_at, json_file, stored, usage_failure
from agentos.cli.options import AsJson, api

if TYPE_CHECKING:
    from services.policy.compare import Past
    from services.policy.evaluator import Bundle
    from services.policy.explain import Explanation

policy = typer.Typer(no_args_is_help=True, help="The rules: try, explain, compare, sign, publish, and test against the past.")

Folder = Annotated[
    Path | None, typer.Argument(help="A folder with *.rego and data.json; the rules in force when shipped by default.")
]
Rules = Annotated[
    Path | None, typer.Option("--bundle", help="A folder of rules, or a signed bundle; by default the shipped ones.")
]

_MOST_EXPLAINED = 100
"""Decisions on one id: an approval may have many answers and edits."""


def _package(name: str) -> str:
    return name.replace(".", "/") if name.startswith("agentos") else f"agentos/{name}"


@policy.command("test")
def run_tests(
    folder: Folder = None,
    opa: Annotated[
        str | None, typer.Option(envvar="AGENTOS_OPA", help="The OPA program; looked for on the path by default.")
    ] = None,
    coverage: Annotated[float, typer.Option(min=0, max=100, help="Per cent of lines that OPA's tests must reach.")] = 100.0,
) -> None:
    """Every table of cases with the embedded evaluator, and with OPA, where there is one, the Rego tests and their coverage."""
    import shutil

    from agentos.cli import show
    from agentos.contracts.errors import Unavailable
    from services.policy.embedded import EmbeddedEvaluator
    from services.policy.evaluator import BUNDLE
    from services.policy.tables import cases_of, judged, read_tables

    place = folder or BUNDLE
    bundle = bundle_at(place)
    failed: list[str] = []
    try:
        EmbeddedEvaluator(bundle)
        cases = cases_of(read_tables(place))
    except Unavailable as bad:
        raise usage_failure("The rules cannot be tested", bad.detail) from None
    for case, faults in judged(bundle, cases):
        failed += [f"{case.package}: {case.note}: {fault}" for fault in faults]
    for line in failed:
        show.out.print(f"[red]failed[/red] {show.text(line)}")
    show.out.print(f"{len(cases)} cases with the embedded evaluator, {len(failed)} differ")
    program = opa or shutil.which("opa")
    if program is None:
        show.out.print("[yellow]OPA is not installed: its tests and their coverage were not run[/yellow]")
    elif not _opa_passes(program, place, coverage):
        failed.append("opa")
    raise typer.Exit(1 if failed else 0)


def _opa_passes(program: str, place: Path, wanted: float) -> bool:
    import subprocess

    from agentos.cli import show

    # One test asks all cases: OPA's own bound of 5 s for it would be one on the machine.
    tested = ["test", "--timeout", "10m"]
    tests = subprocess.run([program, *tested, str(place)], capture_output=True, text=True, check=False)  # noqa: S603 - the caller's program
    show.out.print(
        show.text((tests.stdout + tests.stderr).strip().splitlines()[-1] if tests.stdout + tests.stderr else "no tests")
    )
    if tests.returncode != 0:
        show.out.print(show.text(tests.stdout + tests.stderr))
        return False
    covered = ["--coverage", str(place)]
    measured = subprocess.run([program, *tested, *covered], capture_output=True, text=True, check=False)  # noqa: S603
    said: dict[str, Any] = json.loads(measured.stdout)
    for name, found in sorted(said["files"].items()):
        if found.get("not_covered"):
            rows = ", ".join(str(at["start"]["row"]) for at in found["not_covered"])
            show.out.print(f"[yellow]not reached[/yellow] {show.text(name)}: {rows}")
    reached = float(said.get("coverage", 0))
    show.out.print(f"{reached:.1f} % of lines are reached")
    return reached >= wanted


@policy.command("eval")
def evaluate(
    package: Annotated[str, typer.Option(help="admission, model_call, tool_call …")],
    question: Annotated[Path, typer.Option("--input", help="The question, JSON; - for standard input.")],
    bundle: Rules = None,
) -> None:
    """Ask one question and print the decision."""
    from agentos.cli import show
    from agentos.contracts.errors import Unavailable
    from services.policy.embedded import EmbeddedEvaluator

    try:
        decision = EmbeddedEvaluator(bundle_at(bundle)).answer(_package(package), json_file(question))
    except Unavailable as silent:
        raise usage_failure("No decision", silent.detail, "nothing would be done") from None
    show.print_json(decision.model_dump(mode="json"))


@policy.command("explain")
def explain_decision(
    ctx: typer.Context,
    call: Annotated[
        str | None,
        typer.Argument(help="The id of a call, task or approval whose decision is to be explained, or its beginning."),
    ] = None,
    package: Annotated[str | None, typer.Option(help="With --input: whose question it is.")] = None,
    question: Annotated[
        Path | None, typer.Option("--input", help="A question instead of a stored decision; - for standard input.")
    ] = None,
    bundle: Rules = None,
    kind: Kind = None,
    text: Annotated[bool, typer.Option("--text", help="Show each rule that fired as it is written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Which rules fired, and which did not: by the bundle that you name, which need not be the one that decided then.

    What was held has its approval under the same id: both are explained, the newest decision of each kind.
    """
    from dataclasses import asdict

    from agentos.cli import show
    from agentos.contracts.errors import Unavailable
    from services.policy.explain import explain

    rules = bundle_at(bundle)
    if call is not None:
        with api(ctx) as server:
            call = ids.decided(server, call)
        newest = {past.kind: past for past in reversed(stored(ctx, _MOST_EXPLAINED, kind, call))}
        if not newest:
            raise usage_failure("Nothing to explain", f"there is no decision on {call}, or the rules were not asked")
        wanted = [(past.kind, past.package, past.asked, past.bundle) for past in newest.values()]
    elif package is not None and question is not None:
        wanted = [(package, _package(package), json_file(question), "")]
    else:
        raise usage_failure("Nothing to explain", "name a call, or --package and --input")
    try:
        explained = [(what, explain(rules, name, asked), decided) for what, name, asked, decided in wanted]
    except Unavailable as silent:
        raise usage_failure("No decision", silent.detail) from None
    if as_json:
        show.print_json(
            [
                {"kind": what, "decision": said.decision.model_dump(mode="json"), "rules": [asdict(s) for s in said.rules]}
                for what, said, _ in explained
            ]
        )
        return
    for what, said, decided in explained:
        _print_explanation(what, said, decided, text=text)


def _print_explanation(what: str, said: "Explanation", decided: str, *, text: bool) -> None:
    from agentos.cli import show

    show.out.print(
        f"[bold]{show.text(what)}[/bold] {show.state(said.decision.verdict)}: {show.text(', '.join(said.decision.reasons))}"
    )
    if decided and decided != said.decision.revision:
        show.out.print("[yellow]another bundle decided then; this is what these rules say[/yellow]")
    show.table(
        ("rule", "would", "found something", "mode"),
        (
            (
                show.text(s.rule),
                s.effect,
                "[bold]yes[/bold]" if s.fired else "no",
                "enforced" if s.enforced else "[yellow]monitored[/yellow]",
            )
            for s in said.rules
        ),
        empty="this package has no rules",
    )
    for state in said.rules if text else ():
        if state.fired:
            show.out.print(f"\n{show.text(state.text)}")


@policy.command("diff")
def compare_bundles(
    before: Annotated[Path, typer.Argument(help="A folder of rules, or a signed bundle.")],
    after: Annotated[Path, typer.Argument(help="The other one.")],
    as_json: AsJson = False,
) -> None:
    """Rules and settings that differ, and cases of the shipped tables that would be decided otherwise. Exit code 1 when anything differs."""
    from dataclasses import asdict

    from agentos.cli import show
    from services.policy.compare import diff, replay

    first, second = bundle_at(before), bundle_at(after)
    text = diff(first, second)
    replayed = replay(_case_decisions(first), second)
    if as_json:
        show.print_json({**asdict(text), "decisions": [asdict(change) for change in replayed.changes]})
        raise typer.Exit(0 if text.same else 1)
    what = {
        (False, True): "[green]added[/green]",
        (True, False): "[red]removed[/red]",
        (True, True): "[yellow]changed[/yellow]",
    }
    show.table(
        ("what", "how"),
        [
            *((show.text(f"package {name}"), what[bool(was), bool(now)]) for name, was, now in text.packages),
            *((show.text(f"rule {name}"), what[bool(was), bool(now)]) for name, was, now in text.rules),
            *((show.text(name), f"{show.text(was)} → {show.text(now)}") for name, was, now in text.config),
        ],
        empty="both are the same rules",
    )
    show.table(
        ("case", "was", "becomes", "because"),
        (
            (
                show.text(f"{c.past.package.removeprefix('agentos/')}: {c.past.id}"),
                show.state(c.past.verdict),
                show.state(c.verdict),
                show.text(", ".join(c.reasons)),
            )
            for c in replayed.changes
        ),
        empty=f"{replayed.asked} cases are decided alike",
    )
    raise typer.Exit(0 if text.same else 1)


def _case_decisions(bundle: "Bundle") -> "list[Past]":
    """What a bundle decides on the questions of the shipped tables, as if it had been asked before."""
    from agentos.contracts.errors import Unavailable
    from services.policy.compare import Past
    from services.policy.embedded import EmbeddedEvaluator
    from services.policy.tables import cases_of, read_tables

    evaluator = EmbeddedEvaluator(bundle)
    found: list[Past] = []
    for case in cases_of(read_tables()):
        if case.question is None:
            continue
        try:
            verdict = evaluator.decide_now(case.question).verdict
        except Unavailable:
            verdict = "deny"
        found.append(Past("case", case.note, case.package, case.asked, verdict, (), ""))
    return found


@policy.command()
def sign(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder of rules.")],
    version: Annotated[int, typer.Option(min=1, help="Greater than every version that is published.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the signed bundle is written.")],
    key: Annotated[
        Path | None, typer.Option(help="The private key, PEM, mode 0600; <data>/secrets/policy.key by default.")
    ] = None,
) -> None:
    """Put a folder of rules, its tests and its version under your signature."""
    from datetime import UTC, datetime

    from agentos.cli import show
    from agentos.contracts.errors import AgentOSError
    from agentos.private_files import UnsafeSecret
    from agentos.signing_key import load
    from services.policy import bundles

    try:
        own = Path(str(ctx.find_root().obj["data"])) / "secrets" / "policy.key"
        made = bundles.sign(folder, version, datetime.now(UTC), load(own if key is None else key))
    except (UnsafeSecret, OSError) as bad:
        raise usage_failure(
            "No signature", str(bad), "name a key with --key; `agentos up` makes one in <data>/secrets/policy.key"
        ) from None
    except AgentOSError as bad:
        raise usage_failure("No signature", bad.detail) from None
    output.write_text(made.model_dump_json(), "utf-8")
    show.out.print(f"version {made.version}, revision {made.revision[:12]}, signed by {made.key_id}: {show.text(str(output))}")


@policy.command()
def publish(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A signed bundle.")],
    as_json: AsJson = False,
) -> None:
    """Let a signed bundle decide from now on."""
    from agentos.cli import show

    with api(ctx) as server:
        answer = server.post("policy/bundles", {"bundle": json_file(file)})
    if as_json:
        show.print_json(answer)
    else:
        show.out.print(f"[green]published[/green]: version {answer['version']}, revision {answer['revision'][:12]}")


@policy.command("list")
def list_bundles(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Published versions, newest first."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("policy/bundles")
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("version", "revision", "signed by", "published", "by"),
        (
            (
                str(b["version"]),
                show.text(b["revision"][:12]),
                show.text(b["key_id"]),
                show.ago(b["published_at"]),
                show.text(b["by"]["id"]),
            )
            for b in page["items"]
        ),
        empty="nothing is published: the rules that AgentOS ships decide",
    )


policy.command()(backtest)
