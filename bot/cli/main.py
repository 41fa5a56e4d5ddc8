"""The command line: `ampbot serve`, `check`, `runs`, `costs`, `hold`, `resume`, `demo`, `rig`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import bot
from bot.cli.costs import costs
from bot.cli.environment import load_settings
from bot.cli.extra import require_rig
from bot.cli.hold import hold, resume
from bot.cli.runs import runs

app = typer.Typer(
    name="ampbot",
    help="A comment on GitHub becomes a pull request, written by Amp in an E2B sandbox.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(runs, name="runs")
app.command()(costs)
app.command()(hold)
app.command()(resume)


def _language() -> str | None:
    """The scripted agent's language, for `ampbot rig --help`. Loaded only for `rig`: it imports slowly."""
    if "rig" not in sys.argv[1:2]:
        return None
    from rich.markup import escape

    from bot.rig.amp.language import LANGUAGE_HELP

    return escape(LANGUAGE_HELP)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ampbot {bot.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """A comment on GitHub becomes a pull request, written by Amp in an E2B sandbox."""


@app.command()
def serve() -> None:
    """Receive webhooks and work on them, in one process."""
    _serve("serve")


@app.command()
def web() -> None:
    """Receive webhooks only; any number, with workers, on one PostgreSQL database."""
    _serve("web")


@app.command()
def worker() -> None:
    """Work only; any number, on one PostgreSQL database. The living take over what the dead began."""
    _serve("worker")


def _serve(name: str) -> None:
    settings = load_settings()
    if name != "serve" and not settings.is_postgres:
        typer.echo(
            f"`ampbot {name}` needs PostgreSQL: set AMPBOT_DATABASE_URL. On SQLite, `ampbot serve` does both.",
            err=True,
        )
        raise typer.Exit(2)
    from bot.dispatch.offered import HandlersError
    from bot.limits import raise_limits, return_memory

    raise_limits(settings)
    return_memory()
    from bot.service import Role
    from bot.service import serve as serve_with
    from bot.store.upgrade import UnusableError

    try:
        serve_with(settings, Role(name))
    except (UnusableError, HandlersError) as error:
        typer.echo(f"ampbot cannot start. {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def check() -> None:
    """Try every setting, key and permission at once, and say what to do about each problem."""
    import asyncio

    from rich.console import Console
    from rich.markup import escape

    from bot.cli.check import check as run_checks
    from bot.service import create_context

    settings = load_settings()
    console = Console()
    context = create_context(settings)
    findings = asyncio.run(run_checks(context))
    context.database.close()
    for finding in findings:
        mark = "[green]ok[/]  " if finding.problem is None else "[red]bad[/] "
        console.print(f"{mark} {escape(finding.name)}: {escape(finding.found)}", highlight=False)
        if finding.problem is not None:
            console.print(f"     {escape(finding.problem.message)}", highlight=False)
    problems = sum(finding.problem is not None for finding in findings)
    console.print(f"{problems} problem{'s' if problems != 1 else ''}." if problems else "Everything is in order.")
    raise typer.Exit(1 if problems else 0)


@app.command(epilog=_language())
def rig(
    repo: Annotated[str | None, typer.Option(help="A local git repository to serve a copy of.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="A fault for GitHub, as JSON; may be given again. See bot/rig/http/faults.py."),
    ] = None,
    sandbox_fault: Annotated[list[str] | None, typer.Option(help="The same for E2B.")] = None,
    webhook: Annotated[str, typer.Option(help="Where deliveries go.")] = "http://127.0.0.1:8080/webhook",
) -> None:
    """GitHub, E2B and Amp as servers on loopback, for a bot of your own: prints its settings, and stays up."""
    require_rig()
    from bot.rig.demo.serve import serve as serve_rig

    raise typer.Exit(serve_rig(repo, tuple(fault or ()), tuple(sandbox_fault or ()), webhook))


@app.command()
def demo(
    repo: Annotated[str | None, typer.Option(help="A local git repository; it is cloned, never touched.")] = None,
    ask: Annotated[
        str | None, typer.Option(help="What to ask for. The scripted agent's language: ampbot rig -h.")
    ] = None,
    agent: Annotated[str, typer.Option(help="scripted, or amp: the real one of this machine.")] = "scripted",
    sandbox: Annotated[str, typer.Option(help="local, or e2b: needs --github live.")] = "local",
    github: Annotated[str, typer.Option(help="local, or live: the real one, with --repo OWNER/NAME.")] = "local",
    json: Annotated[bool, typer.Option("--json", help="End with one line of JSON on standard output.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it up, to be looked at in a browser.")] = False,
    i_accept_host_access: Annotated[
        bool, typer.Option("--i-accept-host-access", help="Let a real agent loose on this machine.")
    ] = False,
) -> None:
    """A comment becomes a pull request, on this machine, before your eyes."""
    require_rig()
    import os

    from bot.rig.demo.demo import Options
    from bot.rig.demo.demo import demo as play

    options = Options(
        repo=repo,
        ask=ask,
        agent=agent,
        sandbox=sandbox,
        github=github,
        json=json,
        keep=keep,
        accept_host_access=i_accept_host_access,
        amp_key=os.environ.get("AMP_API_KEY", "") if agent == "amp" else "",
    )
    raise typer.Exit(play(options))
