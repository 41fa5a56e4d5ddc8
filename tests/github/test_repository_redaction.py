"""No text leaves for GitHub with a secret in it, whoever calls: the client redacts, not each caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.github.client import Client, GitHubApi
from bot.github.records import InlineComment
from bot.github.repository import Repository
from bot.text.redact import REDACTED, Redactor
from tests.github.conftest import GitHub

SECRET = "a-secret-of-ours"
TEXT = f"before {SECRET} after"

PULL = {"number": 1, "html_url": "https://github.example/1", "head": {"sha": "0" * 40}}
COMMIT = {"sha": "0" * 40, "tree": {"sha": "1" * 40}, "parents": []}

WRITES: dict[str, tuple[str, Callable[[Repository], Awaitable[object]]]] = {
    "a comment": ("/repos/octo/cat/issues/1/comments", lambda r: r.comment(1, TEXT)),
    "an edit": ("/repos/octo/cat/issues/comments/2", lambda r: r.edit_comment(2, TEXT)),
    "progress": ("/repos/octo/cat/issues/comments/2", lambda r: r.show_progress(2, TEXT)),
    "a pull request": ("/repos/octo/cat/pulls", lambda r: r.open_pull(TEXT, TEXT, "head", "main")),
    "a review": (
        "/repos/octo/cat/pulls/1/reviews",
        lambda r: r.review(1, "0" * 40, TEXT, [InlineComment("a.py", 1, "RIGHT", TEXT)]),
    ),
    "a commit": ("/repos/octo/cat/git/commits", lambda r: r.make_commit(TEXT, "1" * 40, "2" * 40)),
}


@pytest.mark.parametrize(("path", "write"), WRITES.values(), ids=WRITES.keys())
async def test_what_people_will_read_is_redacted(
    api: GitHubApi, github: GitHub, path: str, write: Callable[[Repository], Awaitable[object]]
) -> None:
    github.answers |= {"/repos/octo/cat/pulls": PULL, "/repos/octo/cat/git/commits": COMMIT}
    client = Client.as_installation(replace(api, redact=Redactor([SECRET])), "ghs_token", 1)
    await write(Repository("octo/cat", client))
    [asked] = github.asked
    assert asked.path == path
    assert SECRET not in str(asked.body)
    assert REDACTED in str(asked.body)


def test_each_method_that_sends_text_has_its_case() -> None:
    """Those that send anything else send ids, names or file contents, which the change set's own check holds."""
    sends_no_text = {"react", "delete_comment", "remove_label", "blob", "tree", "create_branch", "merge", "mutate"}
    sends_no_text |= {
        "id",
        "delete_branch",
        "graphql",
        "permission",
        "merge_base",
        "compare",
        "divergence",
        "diff",
        "commit",
    }
    sends_no_text |= {"branch", "files"}
    sends_no_text |= {"issue_events", "find_comment", "find_comments", "find_pull", "find_review"}
    methods = {name for name in vars(Repository) if not name.startswith("_")}
    sends_text = {"comment", "edit_comment", "show_progress", "open_pull", "review", "make_commit"}
    assert methods == sends_text | sends_no_text
    assert len(WRITES) == len(sends_text)
