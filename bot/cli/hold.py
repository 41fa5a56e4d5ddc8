"""`ampbot hold` and `ampbot resume`: keep new runs from starting, and let them. Also while the bot is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.database import fail, open_transaction
from bot.cli.environment import load_settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from bot.store.holds import Holds

Repository = Annotated[
    str | None, typer.Option(metavar="OWNER/NAME", help="Only this repository; its numeric id will do, too.")
]


def hold(repository: Repository = None) -> None:
    """Start no new run until `ampbot resume`. Runs under way go on; what is asked meanwhile waits."""
    from bot.store import holds

    settings = load_settings()
    with open_transaction(settings) as connection:
        name = _hold(connection, repository)
    what = "Everything" if name == holds.EVERYTHING else repository
    typer.echo(
        f"{what} is on hold. Runs under way go on; new requests say so, and wait.\n"
        f"To let them start: ampbot resume{f' --repository {repository}' if repository else ''}"
    )


def resume(repository: Repository = None) -> None:
    """Lift the hold: of one repository, or all that there are. What waited starts by itself."""
    from bot.store.holds import Holds

    settings = load_settings()
    with open_transaction(settings) as connection:
        before, after = _resume(connection, repository)
    if before == after:
        typer.echo("There was no such hold.")
    else:
        typer.echo("Resumed. What waited starts by itself.")
    if repository is None and settings.hold_file.exists():
        fail(f"The file {settings.hold_file} still holds everything: remove it.")
    if after != Holds():
        rest = ["everything"] if after.everything or after.file is not None else map(str, after.repositories)
        typer.echo(f"Still on hold: {', '.join(rest)}. To lift that too: ampbot resume")


def _hold(connection: Connection, repository: str | None) -> str:
    from bot.store import holds

    name = holds.EVERYTHING if repository is None else holds.of_repository(_repository_id(connection, repository))
    holds.put(connection, name)
    return name


def _resume(connection: Connection, repository: str | None) -> tuple[Holds, Holds]:
    from bot.store import holds

    before = holds.current(connection)
    names = () if repository is None else (holds.of_repository(_repository_id(connection, repository)),)
    holds.lift(connection, *names)
    return before, holds.current(connection)


def _repository_id(connection: Connection, repository: str) -> int:
    """The id; ampbot knows names from the runs it had. No request to GitHub: a hold must work while that is away."""
    from bot.store import history

    if repository.isdecimal():
        return int(repository)
    known = history.repository_id(connection, repository)
    if known is None:
        fail(
            f"ampbot has had no run in {repository} yet. Give the repository's id instead: "
            f"gh api repos/{repository} --jq .id"
        )
    return known
