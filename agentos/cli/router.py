"""``agentos router``: why a call went where it went, and where recorded calls would go under another configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentos.cli.options import AsJson, api
from agentos.contracts.routing import Attempt, CacheHit, ModelCandidate, ModelRouting

if TYPE_CHECKING:
    from services.router.domain.simulation import Comparison, Sums

router = typer.Typer(no_args_is_help=True, help="Which model serves a call, and why.")


@router.command()
def explain(ctx: typer.Context, call: Annotated[str, typer.Argument(help="The call's id.")], as_json: AsJson = False) -> None:
    """Every candidate with what spoke for and against it, and every attempt with what it took and cost."""
    from agentos.cli import show

    with api(ctx) as server:
        found = server.get(f"calls/{call}")
    settled: dict[str, Any] | None = None
    attempts: list[Attempt] = []
    for event in found["events"]:
        data: dict[str, Any] = event["data"]
        if event["type"] == "call.settled":
            settled = data
        if (one := data.get({"call.attempted": "attempt", "call.settled": "last"}.get(event["type"], ""))) is not None:
            attempts.append(Attempt.model_validate(one))
    told: dict[str, Any] = settled or {}
    if as_json:
        shown = [attempt.model_dump(mode="json") for attempt in attempts]
        show.print_json({"call": call, "routing": told.get("routing"), "attempts": shown, "cached": told.get("cached")})
        return
    if told.get("routing") is None:
        show.out.print("no model was chosen for this call" if settled is not None else "this call is not settled yet")
    else:
        routing = ModelRouting.model_validate(told["routing"])
        sticky = f"; kept at {routing.sticky}, which saw the same beginning" if routing.sticky else ""
        show.out.print(
            f"asked for {show.text(routing.requested)}, ordered by {routing.ordering}{show.text(sticky)} "
            f"(configuration {show.text(routing.config or '–')})"
        )
        show.table(
            ("", "candidate", "at most", "first token", "quality", "weight", "breaker", "in flight", "against it"),
            map(_candidate, sorted(routing.candidates, key=lambda one: (one.rank is None, one.rank or 0))),
            empty="there were no candidates",
        )
    if told.get("cached") is not None:
        hit = CacheHit.model_validate(told["cached"])
        show.out.print(
            f"answered from the cache: call {show.text(hit.call)} paid for it {show.span(hit.age_s)} before; "
            f"saved {show.usd(hit.saved.usd)}"
        )
    show.table(
        ("attempt", "target", "key", "outcome", "waited", "took", "first token", "tokens in", "out", "cost", "why"),
        map(_attempt, attempts),
        empty="nothing was attempted",
    )
    if told.get("cost") is not None:
        show.out.print(f"together {show.usd(told['cost']['usd'])}")


def _candidate(one: ModelCandidate) -> tuple[str, ...]:
    from agentos.cli import show

    ranked = one.rank is not None
    return (
        "–" if one.rank is None else str(one.rank + 1),
        show.text(one.target),
        "–" if one.usd is None else show.usd(one.usd),
        "–" if one.latency_ms is None else f"{one.latency_ms:.0f} ms",
        str(one.quality or "–"),
        f"{one.weight:g}",
        show.state(one.breaker) if ranked else "",
        f"{one.in_flight}{'' if one.limit is None else f' of {one.limit}'}" if ranked else "",
        show.text(", ".join(one.rejected)),
    )


def _attempt(one: Attempt) -> tuple[str, ...]:
    from agentos.cli import show

    usage = one.usage
    return (
        str(one.number),
        show.text(one.target),
        show.text(one.key or "–"),
        show.state(one.outcome) + (" (went on)" if one.continues else ""),
        f"{one.waited_ms} ms",
        f"{one.duration_ms} ms",
        "–" if one.first_token_ms is None else f"{one.first_token_ms} ms",
        str(usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens),
        f"{usage.output_tokens}{' (estimated)' if one.estimated else ''}",
        "–" if one.cost is None else show.usd(one.cost.usd) if one.cost.priced else "no price",
        show.text(one.fault.code if one.fault is not None else ""),
    )


@router.command()
def check(config: Annotated[Path, typer.Argument(help="A routing configuration.")]) -> None:
    """Say what is wrong with a configuration, or what it makes of its aliases."""
    from agentos.cli import show

    configuration = _loaded(config)
    show.table(
        ("alias", "ordering", "targets"),
        (
            (show.text(name), alias.ordering, show.text(", ".join(alias.targets)))
            for name, alias in sorted(configuration.aliases.items())
        ),
        empty='it names no alias: "default" follows from the keys that are present',
    )
    show.out.print(f"configuration {configuration.digest} can be used")


@router.command()
def simulate(
    ctx: typer.Context,
    config: Annotated[Path, typer.Option("--config", help="The configuration to try.")],
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many recorded calls, newest first.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same result.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Replay recorded calls, with the failures and latencies that they met, through another configuration."""
    from agentos.cli import show
    from services.router.book import PriceBook
    from services.router.replay import Gathered, replayed

    configuration = _loaded(config)
    gathered, cursor = Gathered(), None
    with api(ctx) as server:
        while len(gathered.whole()) < last:
            page = server.get("calls/recorded", limit=500, cursor=cursor)
            for item in page["items"]:
                gathered.add(item["type"], item["subject"].split(".")[3], item["data"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
    pasts = gathered.pasts()[-last:]
    said = replayed(pasts, configuration, PriceBook(configuration.prices), seed=seed)
    if as_json:
        show.print_json(_as_json(said))
        return
    names = sorted({*said.was, *said.becomes} - {""})
    rows = [row for name in (*names, "") for row in _compared(name, said)]
    show.table(
        ("asked for", "", "calls", "completed", "attempts", "fallbacks", "p50", "p95", "cost", "answered by"),
        rows,
        empty="no recorded call was attempted at a provider",
    )
    for target, like in sorted(said.guessed.items()):
        show.out.print(f"[yellow]{show.text(target)} was never tried: it is taken to behave like {show.text(like)}[/yellow]")
    if gathered.unreadable:
        show.out.print(f"{gathered.unreadable} events of another version were left out")
    show.out.print("Assumed: as many tokens as recorded; limits of keys, queues and prompt caches are not simulated.")


def _loaded(path: Path) -> Any:
    from agentos.cli.client import USAGE, Failure
    from services.router.configuration import ConfigurationRefused, load

    try:
        return load(path)
    except ConfigurationRefused as refused:
        raise Failure("This configuration cannot be used", str(refused), exit_code=USAGE) from None


def _compared(name: str, said: "Comparison") -> list[tuple[str, ...]]:
    from services.router.domain.simulation import Sums

    was, becomes = said.was.get(name, Sums()), said.becomes.get(name, Sums())
    return [_sums(name or "all", "was", was), _sums("", "becomes", becomes)]


def _sums(name: str, what: str, sums: "Sums") -> tuple[str, ...]:
    from agentos.cli import show

    answered = ", ".join(f"{target} {count}" for target, count in sums.by_target.most_common(4))
    unserved = ", ".join(f"nobody: {code} {count}" for code, count in sums.unserved.most_common(3))
    unpriced = f" + {sums.unpriced} without a price" if sums.unpriced else ""
    return (
        show.text(name),
        what,
        str(sums.calls),
        f"{sums.completed} ({100 * sums.completed / sums.calls:.1f} %)" if sums.calls else "0",
        str(sums.attempts),
        str(sums.fallbacks),
        f"{sums.percentile(0.5):.2f} s",
        f"{sums.percentile(0.95):.2f} s",
        f"{show.usd(sums.usd)}{unpriced}",
        show.text("; ".join(filter(None, (answered, unserved)))),
    )


def _as_json(said: "Comparison") -> dict[str, Any]:
    def shown(sums: "Sums") -> dict[str, Any]:
        return {
            "calls": sums.calls, "completed": sums.completed, "attempts": sums.attempts, "fallbacks": sums.fallbacks,
            "cost_usd": str(sums.usd), "unpriced": sums.unpriced, "p50_s": sums.percentile(0.5), "p95_s": sums.percentile(0.95),
            "p99_s": sums.percentile(0.99), "by_target": dict(sums.by_target), "unserved": dict(sums.unserved),
        }  # fmt: skip

    return {
        "was": {name or "all": shown(sums) for name, sums in said.was.items()},
        "becomes": {name or "all": shown(sums) for name, sums in said.becomes.items()},
        "guessed": dict(said.guessed),
    }
