"""Loads the settings for a command."""

from __future__ import annotations

import typer

from bot import settings as configuration
from bot.settings import Settings


def load_settings() -> Settings:
    """The settings. If there are problems, prints them all on standard error and exits with code 2."""
    loaded = configuration.load()
    if isinstance(loaded, Settings):
        return loaded
    typer.echo("ampbot cannot start with these settings:", err=True)
    for problem in loaded:
        typer.echo(f"  - {problem.message}", err=True)
    typer.echo("Set them in the environment or in .env; docs/settings.md lists them all.", err=True)
    raise typer.Exit(2)
