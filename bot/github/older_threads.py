"""Finds the review thread in which a request was made, where it is older than those that are read anyway."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bot.github.discussion import THREADS, AThread, Threads
from bot.github.repository import Repository

MAX_PAGES = 5

_QUERY = f"""
query Threads($owner: String!, $name: String!, $number: Int!, $before: String) {{
  repository(owner: $owner, name: $name) {{
    pullRequest(number: $number) {{
      reviewThreads(last: 100, before: $before) {THREADS}
    }}
  }}
}}
"""


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Pull(_Camel):
    review_threads: Threads


class _Repository(_Camel):
    pull_request: _Pull | None = None


class _Answer(_Camel):
    repository: _Repository | None = None


async def find_thread(repository: Repository, number: int, comment: int, newest: Threads) -> AThread | None:
    """The thread with this comment among those older than `newest`; None if it is not found. Raises: GitHubError."""
    page = newest.page_info
    for _ in range(MAX_PAGES):
        if not page.has_previous_page:
            return None
        variables = {"number": number, "before": page.start_cursor}
        found = (await repository.graphql(_QUERY, variables, _Answer, nulls=True)).repository
        if found is None or found.pull_request is None:
            return None
        threads = found.pull_request.review_threads
        if thread := threads.having(comment):
            return thread
        page = threads.page_info
    return None
