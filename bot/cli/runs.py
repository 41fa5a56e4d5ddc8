"""`ampbot runs`: shows stored runs, also while the bot is running. Read-only."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.database import fail, open_view
from bot.cli.environment import load_settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from bot.store.runs import Run

runs = typer.Typer(help="Look at runs: the latest, one of them, its changes, its transcript.", no_args_is_help=True)

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, or as much of its beginning as is unique.")
]

MIN_PREFIX = 4
POLL_SECONDS = 1.0


@runs.command("list")
def list_runs(limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20) -> None:
    """The latest runs, newest first."""
    from bot.cli import render
    from bot.store import history
    from bot.store.database import now

    with open_view(load_settings()) as connection:
        found = history.latest(connection, limit)
    _print(render.run_table(found, now()) if found else ["No runs yet."])


@runs.command("show")
def show_run(run: RunArgument) -> None:
    """Everything that is known of one run."""
    from bot.cli import render
    from bot.store import history
    from bot.store import runs as store
    from bot.store.kept import CHANGES

    settings = load_settings()
    with open_view(settings) as connection:
        row = _find_run(connection, run)
        archive = store.load_artifact(connection, row.id, CHANGES)
        kept = [("lines of the transcript", len(store.transcript_lines(connection, row.id)))]
        if archive is not None:
            kept.append(("bytes of its changes, packed", len(archive)))
        thread = row.outcome.thread if row.outcome is not None else None
        _print([render.run_details(row, history.events(connection, row.id), kept, settings.thread_url(thread))])


@runs.command("diff")
def diff_run(
    run: RunArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the archive to this new file.")] = None,
    repo: Annotated[
        Path | None, typer.Option(help="A clone that has the run's base commit: print a patch for `git apply`.")
    ] = None,
) -> None:
    """What a run changed, whether it was published or not.

    The bot keeps new contents alone: without --repo they are printed whole, and a patch needs a clone for the old ones.
    """
    from bot.changes import changeset
    from bot.cli import patch, render
    from bot.model import Problem
    from bot.run.reading import limits
    from bot.store import runs as store
    from bot.store.kept import CHANGES

    settings = load_settings()
    with open_view(settings) as connection:
        row = _find_run(connection, run)
        archive = store.load_artifact(connection, row.id, CHANGES)
    if archive is None or row.pinned is None:
        fail(f"Run {row.id[:8]} has no collected changes: it is {row.state}.")
    if output is not None:
        try:
            with output.open("xb") as file:
                file.write(archive)
        except OSError as error:
            fail(f"{output} cannot be written: {error.strerror}.")
        _print([f"{len(archive):,} bytes in {output}: a gzipped tar of git's ids, contents and paths."])
        return
    read = changeset.read(archive, base_tree=row.pinned.base_tree, limits=limits(settings))
    if isinstance(read, Problem):
        fail(f"{read.message} {read.detail}".strip())
    if repo is None:
        _print(render.diff(read) if read.changes or read.left_out else ["Nothing was changed."])
        return
    made = patch.make_patch(repo, read)
    if isinstance(made, Problem):
        fail(made.message)
    # Unchanged bytes for `git apply`; on a terminal, control characters escaped.
    if sys.stdout.isatty():
        _print(map(render.raw, made.decode("utf-8", "replace").splitlines()))
    else:
        sys.stdout.buffer.write(made)


@runs.command("log")
def log_run(
    run: RunArgument,
    json: Annotated[bool, typer.Option("--json", help="The lines of Amp's stream as they are kept.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
) -> None:
    """A run's transcript, also while it is being written."""
    import time

    from bot.cli import render
    from bot.store import runs as store

    settings = load_settings()
    since = 0
    while True:
        with open_view(settings) as connection:
            row = _find_run(connection, run)  # read before the lines: once it has ended, no line follows
            lines = store.transcript_lines(connection, row.id, since)
        for line in lines:
            _print([render.raw(line)] if json else render.transcript(line))
        since += len(lines)
        if not follow or row.ended_at is not None:
            break
        try:
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            break
    if since == 0 and not json:
        _print([f"Run {row.id[:8]} has no transcript: it is {row.state}."])


def _find_run(connection: Connection, prefix: str) -> Run:
    from bot.store import history
    from bot.store import runs as store

    if len(prefix) < MIN_PREFIX:
        fail(f"{prefix!r} is too short for a run's id: give at least {MIN_PREFIX} characters.")
    ids = history.ids_with_prefix(connection, prefix, 5)
    if not ids:
        fail(f"No run's id begins with {prefix!r}. `ampbot runs list` shows the latest.")
    if len(ids) > 1:
        fail(f"More than one run's id begins with {prefix!r}: {', '.join(ids)}. Give more of it.")
    return store.get(connection, ids[0])


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
