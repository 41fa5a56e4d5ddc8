"""Finds out what is missing when GitHub answers "Not Found", which it also says where the App may not look."""

from __future__ import annotations

from bot.context import Context
from bot.github.conversation import read as read_conversation
from bot.github.errors import GitHubError, NotFoundError
from bot.model import Ending, RunRequest
from bot.text import refusal_messages


async def missing(context: Context, request: RunRequest) -> Ending | None:
    """The ending that names it; None if the repository and the conversation are there, or GitHub does not say."""
    repo = request.issue.repo
    try:
        name = await context.github.current_name(repo)
        if name is None:
            return refusal_messages.app_removed()
        repository = await context.github.conversation(repo, name)
    except NotFoundError:
        return refusal_messages.app_removed()
    except GitHubError:
        return None
    try:
        found = await read_conversation(repository, request)
    except NotFoundError:
        found = None
    except GitHubError:
        return None
    return None if found is not None else refusal_messages.conversation_gone()
