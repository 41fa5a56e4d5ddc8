"""Posts a comment once. It is found again by its key in our database and by the hidden marker in its text."""

from __future__ import annotations

from bot.context import Context
from bot.engine.find_or_create import find_or_create
from bot.github.repository import Repository
from bot.model import RunRequest
from bot.text import markers


async def post_once(
    context: Context, repository: Repository, number: int, key: str, marker: str, body: str, since: str
) -> int:
    """Post `body`, which contains `marker`, and return the comment's id. `since`: RFC 3339; the search ignores older.

    Raises: GitHubError.
    """
    me = await context.github.identity()

    async def find() -> str | None:
        found = await repository.find_comment(number, marker, me, since)
        return str(found.id) if found else None

    async def create() -> str:
        return str((await repository.comment(number, body)).id)

    return int(await find_or_create(context, key, find=find, create=create))


async def post_of_run(context: Context, repository: Repository, request: RunRequest, body: str) -> int:
    """Post the run's comment and return its id. Raises: GitHubError."""
    key, marker = f"comment:{request.id}", markers.run_marker(request.id)
    return await post_once(context, repository, request.issue.number, key, marker, body, request.at)
