"""Who wrote a text, and where. GitHub's lists name its author, but neither who edited it nor where it was written."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bot.github.client import Client
from bot.github.errors import NotFoundError
from bot.model import CommentEvent

# As many as GitHub returns at once. Of a text with more edits we cannot say who wrote it.
MAX_EDITS = 100

_ACCOUNT = "{ login __typename }"
_QUERY = f"""
query Provenance($id: ID!, $owner: String!, $name: String!, $number: Int!, $inIssue: Boolean!) {{
  node(id: $id) {{
    ... on Comment {{
      author {_ACCOUNT}
      userContentEdits(last: {MAX_EDITS}) {{ totalCount nodes {{ editor {_ACCOUNT} }} }}
    }}
  }}
  repository(owner: $owner, name: $name) @include(if: $inIssue) {{
    issue(number: $number) {{
      timelineItems(itemTypes: [TRANSFERRED_EVENT], last: 1) {{ nodes {{ ... on TransferredEvent {{ createdAt }} }} }}
    }}
  }}
}}
"""


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Account(_Camel):
    login: str
    typename: str = Field(alias="__typename")


class _Edit(_Camel):
    editor: _Account | None = None  # null if the account was deleted


class _Edits(_Camel):
    total_count: int
    nodes: list[_Edit | None] | None = None


class _Text(_Camel):
    author: _Account | None = None
    user_content_edits: _Edits | None = None


class _Transfer(_Camel):
    created_at: datetime


class _Timeline(_Camel):
    nodes: list[_Transfer | None] | None = None


class _Issue(_Camel):
    timeline_items: _Timeline


class _Repository(_Camel):
    issue: _Issue | None = None


class _Answer(_Camel):
    node: _Text | None = None
    repository: _Repository | None = None


async def is_its_authors(client: Client, repository: str, node: str, event: CommentEvent) -> bool:
    """Whether the author alone wrote the text, and wrote it in this repository (full name). `node`: its global id.

    False if GitHub does not say so, or the text is gone.

    Raises: GitHubError.
    """
    owner, _, name = repository.partition("/")
    variables = {"id": node, "owner": owner, "name": name, "number": event.issue.number}
    try:
        found = await client.graphql(_QUERY, {**variables, "inIssue": not event.issue.is_pull}, _Answer)
    except NotFoundError:
        return False
    return _only_author(found.node) and not _came_later(found.repository, datetime.fromisoformat(event.at))


def _only_author(text: _Text | None) -> bool:
    if text is None or text.author is None:
        return False
    edits = text.user_content_edits
    if edits is None or edits.total_count == 0:
        return True
    nodes = edits.nodes or []
    complete = len(nodes) == edits.total_count
    return complete and all(edit is not None and edit.editor == text.author for edit in nodes)


def _came_later(repository: _Repository | None, written: datetime) -> bool:
    """Whether the issue was transferred to this repository after the text was written. Its text was said elsewhere."""
    issue = repository.issue if repository is not None else None
    transfers = (issue.timeline_items.nodes or []) if issue is not None else []
    return any(transfer is not None and transfer.created_at >= written for transfer in transfers)
