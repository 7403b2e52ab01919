"""The root of the ``agentos`` command: options that hold for all, the table of commands, and how failures end.

Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 nobody answers.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from agentos.cli import (
    agents,
    approvals,
    audit,
    budgets,
    deadletters,
    governance,
    kill,
    local,
    people,
    policy,
    privacy,
    reports,
    router,
    tasks,
    watch,
)

app = typer.Typer(
    name="agentos",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="AgentOS: every model and tool call governed, durable and audited. Exit codes: 1 refused, 2 usage, 3 unreachable.",
)

app.add_typer(tasks.app, name="task")
app.add_typer(approvals.app, name="approval")
app.add_typer(approvals.delegations, name="delegation")
app.add_typer(kill.kill, name="kill")
app.add_typer(audit.app, name="audit")
app.add_typer(deadletters.app, name="deadletters")
app.add_typer(privacy.app, name="privacy")
app.add_typer(privacy.payloads, name="payload")
app.add_typer(governance.keys, name="key")
app.add_typer(people.users, name="user")
app.add_typer(people.sessions, name="session")
app.add_typer(policy.policy, name="policy")
app.add_typer(reports.packs, name="pack")
app.add_typer(agents.app, name="agent")
app.add_typer(router.router, name="router")
app.command("cost")(reports.cost)
app.command("budgets")(budgets.budgets)
app.command("events")(reports.events)
app.command("top")(watch.top)
app.command("up")(local.up)
app.command("backup")(local.backup)
app.command("restore")(local.restore)
app.command("demo")(local.demo)
app.command("provision")(local.provision)


@app.callback()
def root(
    ctx: typer.Context,
    url: Annotated[str, typer.Option(envvar="AGENTOS_URL", help="Where the API is.")] = "http://127.0.0.1:8080",
    key: Annotated[
        str | None,
        typer.Option(envvar="AGENTOS_API_KEY", show_envvar=True, help="API key; by default <data>/secrets/admin.key."),
    ] = None,
    data: Annotated[Path, typer.Option("--data-dir", envvar="AGENTOS_DATA", help="Where the key file is looked for.")] = Path(
        "data"
    ),
) -> None:
    """Keep the options for the commands."""
    ctx.obj = {"url": url, "key": key, "data": data}


def main() -> None:
    """Run the command; a failure is one red line on standard error."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (such as `head`) has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except Exception as fault:
        from agentos.cli.client import Failure

        if not isinstance(fault, Failure):
            raise
        from agentos.cli import show

        mend = f" [bold]→ {show.text(fault.mend)}[/bold]" if fault.mend else ""
        show.err.print(f"[red]{show.text(fault.title)}: {show.text(fault.detail)}[/red]{mend}", soft_wrap=True)
        sys.exit(fault.exit_code)


if __name__ == "__main__":
    main()
