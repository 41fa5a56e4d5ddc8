"""The command line: `ampbot serve`, `check`, `demo`, `rig`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import bot
from bot import settings as configuration
from bot.settings import Settings

app = typer.Typer(
    name="ampbot",
    help="A comment on GitHub becomes a pull request, written by Amp in an E2B sandbox.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ampbot {bot.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """A comment on GitHub becomes a pull request, written by Amp in an E2B sandbox."""


def load_settings() -> Settings:
    """The settings, or exit 2 with every problem said."""
    loaded = configuration.load()
    if isinstance(loaded, Settings):
        return loaded
    print("ampbot cannot start with these settings:", file=sys.stderr)  # noqa: T201 - this is a command line
    for problem in loaded:
        print(f"  - {problem.say}", file=sys.stderr)  # noqa: T201 - as above
    print("Set them in the environment or in .env; the README has the whole list.", file=sys.stderr)  # noqa: T201 - as above
    raise typer.Exit(2)


@app.command()
def serve() -> None:
    """Receive webhooks and work on them, in one process."""
    import uvicorn

    from bot.service import create_service

    settings = load_settings()
    uvicorn.run(
        create_service(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
    )


@app.command()
def check() -> None:
    """Try every setting, key and permission at once, and say what to do about each problem."""
    import asyncio

    from rich.console import Console
    from rich.markup import escape

    from bot.check import check as try_everything
    from bot.service import create_world

    settings = load_settings()
    console = Console()
    world = create_world(settings)
    findings = asyncio.run(try_everything(world))
    world.database.close()
    for finding in findings:
        mark = "[green]ok[/]  " if finding.problem is None else "[red]bad[/] "
        console.print(f"{mark} {escape(finding.name)}: {escape(finding.found)}", highlight=False)
        if finding.problem is not None:
            console.print(f"     {escape(finding.problem.say)}", highlight=False)
    problems = sum(finding.problem is not None for finding in findings)
    console.print(f"{problems} problem{'s' if problems != 1 else ''}." if problems else "Everything is in order.")
    raise typer.Exit(1 if problems else 0)
