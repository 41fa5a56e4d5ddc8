"""How each field of the schema is found. What is not listed is the attribute of the same name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bot.rig.github.effects.measure import changes, is_mergeable
from bot.rig.github.git import Commit, Entry, Signature
from bot.rig.github.graphql.view import GitNode, RefNode, Thread, View, author_of, connection, fail
from bot.rig.github.rest.repositories import author_of as author_by_email
from bot.rig.github.shapes import moment, moment_or_none
from bot.rig.github.shapes.issues import association, page_of
from bot.rig.github.state import (
    Account,
    Comment,
    Issue,
    Pull,
    Reaction,
    Repository,
    Review,
    ReviewComment,
)

Resolver = Callable[..., Any]  # (thing, view, **arguments)

REACTION_NAMES = {
    "THUMBS_UP": "+1",
    "THUMBS_DOWN": "-1",
    "LAUGH": "laugh",
    "CONFUSED": "confused",
    "HEART": "heart",
    "HOORAY": "hooray",
    "ROCKET": "rocket",
    "EYES": "eyes",
}
_CONTENT = {value: name for name, value in REACTION_NAMES.items()}
_PATCH = {"added": "ADDED", "removed": "DELETED", "modified": "MODIFIED", "renamed": "RENAMED", "copied": "COPIED"}


def type_name(thing: Any) -> str:
    """The GraphQL type of a thing of the world."""
    if isinstance(thing, Account):
        return thing.kind
    if isinstance(thing, Issue):
        return "PullRequest" if thing.pull else "Issue"
    if isinstance(thing, GitNode):
        return thing.kind.capitalize()
    names: dict[type, str] = {
        Repository: "Repository",
        Comment: "IssueComment",
        Review: "PullRequestReview",
        ReviewComment: "PullRequestReviewComment",
        Thread: "PullRequestReviewThread",
    }
    return names[type(thing)]


# --- repositories ---------------------------------------------------------------------------------


def repository(_: object, view: View, owner: str, name: str, *, followRenames: bool = True) -> Any:  # noqa: N803 - GitHub's name
    found = view.world.repository(f"{owner}/{name}")
    moved = found is not None and found.full_name.lower() != f"{owner}/{name}".lower()
    if found is None or not view.identity.sees(found) or (moved and not followRenames):
        fail("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
    return found


def _issue(repo: Repository, view: View, number: int, kind: str) -> Issue:
    issue = repo.issues.get(number)
    if issue is None or (kind == "Issue" and issue.pull) or (kind == "PullRequest" and not issue.pull):
        fail("NOT_FOUND", f"Could not resolve to {_article(kind)} with the number of {number}.")
    view.may_converse(issue)
    return issue


def _article(kind: str) -> str:
    names = {"IssueOrPullRequest": "an issue or pull request", "Issue": "an Issue"}
    return names.get(kind, f"a {kind}")


def _git(repo: Repository, oid: str | None) -> GitNode | None:
    kind = repo.bare.kind(oid) if oid else None
    return GitNode(repo, oid, kind) if oid and kind else None


def _object(repo: Repository, view: View, expression: str | None = None, oid: str | None = None) -> Any:
    view.may(repo, "contents")
    found = oid or (repo.bare.resolve(expression) if expression else None)
    return _git(repo, found)


def _ref(repo: Repository, view: View, name: str) -> RefNode | None:
    view.may(repo, "contents")
    full = name if name.startswith("refs/") else f"refs/heads/{name}"
    oid = repo.bare.ref(full)
    return RefNode(repo, full, oid) if oid else None


def _permission(repo: Repository, view: View) -> str | None:
    if view.identity.installation is not None:
        return "WRITE" if view.identity.allows(repo, "contents", "write") else "READ"
    role = repo.role(view.identity.account) if view.identity.account else "none"
    return None if role == "none" else role.upper()


def _pulls(
    repo: Repository,
    view: View,
    states: list[str] | None = None,
    headRefName: str | None = None,  # noqa: N803 - GitHub's name
    baseRefName: str | None = None,  # noqa: N803 - GitHub's name
    **page: Any,
) -> Any:
    view.may(repo, "pull_requests")
    found = [
        pull.issue
        for pull in repo.pulls
        if headRefName in (None, pull.head_ref)
        and baseRefName in (None, pull.base_ref)
        and (states is None or _pull_state(pull) in states)
    ]
    return connection(view.shown(found, lambda issue: issue.created_at), **page)


# --- git ------------------------------------------------------------------------------------------


def _commit(node: GitNode) -> Commit:
    return node.repository.bare.commit(node.oid)


def _git_actor(node: GitNode, view: View, signature: Signature) -> Mapping[str, Any]:
    account = author_by_email(view.world, signature.email)
    user = account if account is not None and account.kind == "User" else None
    return {"name": signature.name, "email": signature.email, "user": user}


def _entries(node: GitNode, _: View) -> list[tuple[GitNode, Entry]]:
    return [(node, entry) for entry in node.repository.bare.entries(node.oid)]


def _is_binary(node: GitNode) -> bool:
    return b"\0" in node.repository.bare.blob(node.oid)[:8000]


_GIT: Mapping[str, Resolver] = {
    "abbreviatedOid": lambda node, _: node.oid[:7],
    "id": lambda node, _: node.node_id,
}

# --- conversations --------------------------------------------------------------------------------


def _comments(issue: Issue, view: View, **page: Any) -> Any:
    return connection(view.shown(list(issue.comments.values()), lambda each: each.created_at), **page)


def _reactions(thing: Any, view: View, content: str | None = None, **page: Any) -> Any:
    wanted = REACTION_NAMES.get(content or "")
    found = [each for each in thing.reactions if wanted in (None, each.content)]
    shown = view.shown(found, lambda each: each.created_at)
    mine = any(each.account is view.identity.account for each in found)
    return {**connection(shown, **page), "viewerHasReacted": mine}


def _plain_text(body: str | None) -> str:
    """Roughly what GitHub shows without markup."""
    text = re.sub(r"<!--.*?-->", "", body or "", flags=re.DOTALL)
    return re.sub(r"[*_`#>]", "", text).strip()


def _repo_of(thing: Any) -> Repository:
    found: Repository = thing.repository if isinstance(thing, Issue) else (
        thing.issue.repository if isinstance(thing, Comment) else thing.pull.repository
    )  # fmt: skip
    return found


_WRITTEN: Mapping[str, Resolver] = {
    "author": lambda thing, _: author_of(thing.author.account),
    "authorAssociation": lambda thing, _: association(_repo_of(thing), thing.author.account),
    "body": lambda thing, _: thing.body or "",
    "bodyText": lambda thing, _: _plain_text(thing.body),
    "createdAt": lambda thing, _: moment(thing.created_at),
    "databaseId": lambda thing, _: thing.id,
    "fullDatabaseId": lambda thing, _: str(thing.id),
    "id": lambda thing, _: thing.node_id,
    "lastEditedAt": lambda thing, _: moment_or_none(getattr(thing, "edited_at", None)),
    "reactions": _reactions,
    "updatedAt": lambda thing, _: moment(thing.updated_at),
    "viewerDidAuthor": lambda thing, view: thing.author.account is view.identity.account,
}
_MINIMIZABLE: Mapping[str, Resolver] = {
    "isMinimized": lambda comment, _: comment.minimized is not None,
    "minimizedReason": lambda comment, _: comment.minimized.lower() if comment.minimized else None,
}
_CONVERSATION: Mapping[str, Resolver] = {
    **_WRITTEN,
    "assignees": lambda issue, _, **page: connection(issue.assignees, **page),
    "closed": lambda issue, _: issue.state == "closed",
    "comments": _comments,
    "labels": lambda issue, _, **page: connection(issue.labels, **page),
    "url": lambda issue, view: page_of(view.world.url, issue),
}

# --- pull requests --------------------------------------------------------------------------------


def _pull_state(pull: Pull) -> str:
    return "MERGED" if pull.merged_at is not None else pull.issue.state.upper()


def _mergeable(issue: Issue, _: View) -> str:
    if issue.pull is None or issue.state != "open":
        return "UNKNOWN"
    return "MERGEABLE" if is_mergeable(issue.pull) else "CONFLICTING"


def _sum(name: str) -> Resolver:
    return lambda issue, _: sum(getattr(change, name) for change in changes(issue.pull)[1])


def _head_repository(issue: Issue, view: View) -> Repository | None:
    head = issue.pull.head_repository if issue.pull else None
    return head if head is not None and view.identity.sees(head) else None


def _head_ref(issue: Issue, view: View) -> RefNode | None:
    head = _head_repository(issue, view)
    return _ref(head, view, issue.pull.head_ref) if head is not None and issue.pull else None


def _reviews(issue: Issue, view: View, states: Any = None, author: str | None = None, **page: Any) -> Any:
    pull = issue.pull
    found = [
        review
        for review in (pull.reviews.values() if pull else ())
        if (states is None or review.state in states)
        and author in (None, review.author.account.login)
        and (review.state != "PENDING" or review.author.account is view.identity.account)
    ]
    return connection(view.shown(found, lambda review: review.created_at), **page)


def _threads(issue: Issue, view: View, **page: Any) -> Any:
    comments = issue.pull.comments.values() if issue.pull else ()
    first = [comment for comment in comments if comment.reply_to is None]
    shown = view.shown(first, lambda comment: comment.created_at)
    return connection([Thread(comment) for comment in shown], **page)


def _files(issue: Issue, _: View, **page: Any) -> Any:
    rows = [
        {
            "path": change.path,
            "additions": change.additions,
            "deletions": change.deletions,
            "changeType": _PATCH.get(change.status, "CHANGED"),
        }
        for change in (changes(issue.pull)[1] if issue.pull else ())
    ]
    return connection(rows, **page)


def _of_pull(name: str) -> Resolver:
    return lambda issue, _: getattr(issue.pull, name)


def _current_line(comment: ReviewComment) -> int | None:
    return None if comment.outdated else comment.line


FIELDS: Mapping[str, Mapping[str, Resolver]] = {
    "Query": {
        "node": lambda _, view, id: view.node(id),  # noqa: A006 - GitHub's name
        "repository": repository,
        "viewer": lambda _, view: view.identity.account,
        "rateLimit": lambda _, view, **__: _rate_limit(view),
    },
    "Repository": {
        "databaseId": lambda repo, _: repo.id,
        "defaultBranchRef": lambda repo, view: _ref(repo, view, repo.default_branch),
        "id": lambda repo, _: repo.node_id,
        "isArchived": lambda repo, _: repo.archived,
        "isDisabled": lambda *_: False,
        "isEmpty": lambda repo, _: not repo.bare.refs("refs/heads"),
        "isFork": lambda repo, _: repo.parent is not None,
        "isLocked": lambda *_: False,
        "isPrivate": lambda repo, _: repo.private,
        "issue": lambda repo, view, number: _issue(repo, view, number, "Issue"),
        "issueOrPullRequest": lambda repo, view, number: _issue(repo, view, number, "IssueOrPullRequest"),
        "label": lambda repo, _, name: repo.labels.get(name.lower()),
        "nameWithOwner": lambda repo, _: repo.full_name,
        "object": _object,
        "pullRequest": lambda repo, view, number: _issue(repo, view, number, "PullRequest"),
        "pullRequests": _pulls,
        "ref": lambda repo, view, qualifiedName: _ref(repo, view, qualifiedName),  # noqa: N803 - GitHub's name
        "url": lambda repo, view: f"{view.world.url}/{repo.full_name}",
        "viewerPermission": _permission,
    },
    "Ref": {
        "id": lambda ref, _: ref.node_id,
        "name": lambda ref, _: ref.ref.split("/", 2)[2],
        "prefix": lambda ref, _: "/".join(ref.ref.split("/")[:2]) + "/",
        "target": lambda ref, _: _git(ref.repository, ref.oid),
    },
    "Commit": {
        **_GIT,
        "author": lambda node, view: _git_actor(node, view, _commit(node).author),
        "committedDate": lambda node, _: _commit(node).committer.date,
        "committer": lambda node, view: _git_actor(node, view, _commit(node).committer),
        "message": lambda node, _: _commit(node).message,
        "messageHeadline": lambda node, _: _commit(node).message.split("\n", 1)[0],
        "parents": lambda node, _, **page: connection(
            [GitNode(node.repository, oid, "commit") for oid in _commit(node).parents], **page
        ),
        "tree": lambda node, _: GitNode(node.repository, _commit(node).tree, "tree"),
        "url": lambda node, view: f"{view.world.url}/{node.repository.full_name}/commit/{node.oid}",
    },
    "Tree": {**_GIT, "entries": _entries},
    "TreeEntry": {
        "mode": lambda row, _: int(row[1].mode, 8),
        "name": lambda row, _: row[1].path,
        "object": lambda row, _: _git(row[0].repository, row[1].oid),
        "oid": lambda row, _: row[1].oid,
        "path": lambda row, _: row[1].path,
        "type": lambda row, _: row[1].kind,
    },
    "Blob": {
        **_GIT,
        "byteSize": lambda node, _: len(node.repository.bare.blob(node.oid)),
        "isBinary": lambda node, _: _is_binary(node),
        "text": lambda node, _: (
            None if _is_binary(node) else node.repository.bare.blob(node.oid).decode("utf-8", "replace")
        ),
    },
    "User": {
        "databaseId": lambda account, _: account.id,
        "id": lambda account, _: account.node_id,
        "name": lambda account, _: account.login,
        "url": lambda account, view: f"{view.world.url}/{account.login}",
    },
    "Bot": {
        "databaseId": lambda account, _: account.id,
        "id": lambda account, _: account.node_id,
        # Unlike REST, GraphQL leaves the `[bot]` away.
        "login": lambda account, _: account.login.removesuffix("[bot]"),
        "url": lambda account, view: f"{view.world.url}/apps/{account.login.removesuffix('[bot]')}",
    },
    "Organization": {
        "databaseId": lambda account, _: account.id,
        "id": lambda account, _: account.node_id,
        "name": lambda account, _: account.login,
        "url": lambda account, view: f"{view.world.url}/{account.login}",
    },
    "Label": {"id": lambda label, _: label.node_id},
    "Reaction": {
        "content": lambda reaction, _: _CONTENT[reaction.content],
        "createdAt": lambda reaction, _: moment(reaction.created_at),
        "databaseId": lambda reaction, _: reaction.id,
        "id": lambda reaction, _: reaction.node_id,
        "user": lambda reaction, _: reaction.account if reaction.account.kind == "User" else None,
    },
    "Issue": {
        **_CONVERSATION,
        "state": lambda issue, _: issue.state.upper(),
        "stateReason": lambda issue, _, **__: issue.state_reason.upper() if issue.state_reason else None,
    },
    "IssueComment": {
        **_WRITTEN,
        **_MINIMIZABLE,
        "pullRequest": lambda comment, _: comment.issue if comment.issue.pull else None,
        "repository": lambda comment, _: comment.issue.repository,
        "url": lambda comment, view: f"{page_of(view.world.url, comment.issue)}#issuecomment-{comment.id}",
    },
    "PullRequest": {
        **_CONVERSATION,
        "additions": _sum("additions"),
        "baseRef": lambda issue, view: _ref(issue.repository, view, issue.pull.base_ref),
        "baseRefName": _of_pull("base_ref"),
        "baseRefOid": _of_pull("base_sha"),
        "baseRepository": _of_pull("repository"),
        "changedFiles": lambda issue, _: len(changes(issue.pull)[1]),
        "databaseId": _of_pull("id"),
        "deletions": _sum("deletions"),
        "files": _files,
        "fullDatabaseId": lambda issue, _: str(issue.pull.id),
        "headRef": _head_ref,
        "headRefName": _of_pull("head_ref"),
        "headRefOid": _of_pull("head_sha"),
        "headRepository": _head_repository,
        "headRepositoryOwner": lambda issue, _: (
            issue.pull.head_repository.owner if issue.pull.head_repository else None
        ),
        "isCrossRepository": _of_pull("crosses"),
        "isDraft": _of_pull("draft"),
        "maintainerCanModify": _of_pull("maintainer_can_modify"),
        "mergeable": _mergeable,
        "merged": lambda issue, _: issue.pull.merged_at is not None,
        "reviewThreads": _threads,
        "reviews": _reviews,
        "state": lambda issue, _: _pull_state(issue.pull),
    },
    "PullRequestReview": {
        **_WRITTEN,
        "comments": lambda review, _, **page: connection(
            [each for each in review.pull.comments.values() if each.review is review], **page
        ),
        "commit": lambda review, _: _git(review.pull.repository, review.commit),
        "submittedAt": lambda review, _: moment_or_none(review.submitted_at),
        "updatedAt": lambda review, _: moment(review.submitted_at or review.created_at),
        "url": lambda review, view: f"{page_of(view.world.url, review.pull.issue)}#pullrequestreview-{review.id}",
    },
    "PullRequestReviewComment": {
        **_WRITTEN,
        **_MINIMIZABLE,
        "diffHunk": lambda comment, _: comment.hunk,
        "line": lambda comment, _: _current_line(comment),
        "pullRequestReview": lambda comment, _: comment.review,
        "replyTo": lambda comment, _: comment.pull.comments.get(comment.reply_to),
        "startLine": lambda comment, _: None if comment.outdated else comment.start_line,
        "url": lambda comment, view: f"{page_of(view.world.url, comment.pull.issue)}#discussion_r{comment.id}",
    },
    "PullRequestReviewThread": {
        "comments": lambda thread, _, **page: connection(thread.comments, **page),
        "diffSide": lambda thread, _: thread.first.side,
        "id": lambda thread, _: thread.node_id,
        "isOutdated": lambda thread, _: thread.first.outdated,
        "isResolved": lambda thread, _: thread.first.id in thread.first.pull.resolved,
        "line": lambda thread, _: _current_line(thread.first),
        "path": lambda thread, _: thread.first.path,
        "resolvedBy": lambda thread, _: thread.first.pull.resolved.get(thread.first.id),
        "startLine": lambda thread, _: thread.first.start_line,
    },
}


def _rate_limit(view: View) -> Mapping[str, Any]:
    standing = view.world.meter.standing(view.identity.bucket, "graphql")
    return {**standing, "cost": 1, "resetAt": moment(standing["reset"])}
