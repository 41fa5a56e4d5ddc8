"""GraphQL's fields of issues, pull requests, comments, reviews and reactions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.rig.github.effects.measure import changes, is_mergeable
from bot.rig.github.graphql.view import (
    RefNode,
    Resolver,
    Thread,
    View,
    author_of,
    connection,
    git_node,
    is_visible,
    ref_node,
)
from bot.rig.github.records import Comment, Issue, Pull, Repository, ReviewComment
from bot.rig.github.shapes import moment, moment_or_none
from bot.rig.github.shapes.issues import association, page_of

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
    """Approximately GitHub's text without markup."""
    text = re.sub(r"<!--.*?-->", "", body or "", flags=re.DOTALL)
    return re.sub(r"[*_`#>]", "", text).strip()


def _repo_of(thing: Any) -> Repository:
    found: Repository = thing.repository if isinstance(thing, Issue) else (
        thing.issue.repository if isinstance(thing, Comment) else thing.pull.repository
    )  # fmt: skip
    return found


def fitting(number: int) -> int | None:
    """None if the id does not fit into GraphQL's 32-bit Int; `fullDatabaseId` always has it. GitHub does not document
    what it returns then."""
    return number if number < 2**31 else None


_EVENTS: Mapping[str, str] = {"RENAMED_TITLE_EVENT": "renamed", "TRANSFERRED_EVENT": "transferred"}


def _edits(thing: Any, _: View, **page: Any) -> Any:
    """Who edited the text. Once it is edited, its first version is listed as well."""
    editors = [thing.author.account, *thing.editors] if thing.editors else []
    return connection([{"editor": author_of(account)} for account in editors], **page)


def _timeline(issue: Issue, view: View, itemTypes: Any = None, **page: Any) -> Any:  # noqa: N803 - GitHub's name
    wanted = {_EVENTS[kind] for kind in itemTypes or _EVENTS}
    return connection(view.shown([e for e in issue.events if e.event in wanted], lambda e: e.created_at), **page)


_WRITTEN: Mapping[str, Resolver] = {
    "author": lambda thing, _: author_of(thing.author.account),
    "authorAssociation": lambda thing, _: association(_repo_of(thing), thing.author.account),
    "body": lambda thing, _: thing.body or "",
    "bodyText": lambda thing, _: _plain_text(thing.body),
    "createdAt": lambda thing, _: moment(thing.created_at),
    "databaseId": lambda thing, _: fitting(thing.id),
    "fullDatabaseId": lambda thing, _: str(thing.id),
    "id": lambda thing, _: thing.node_id,
    "lastEditedAt": lambda thing, _: moment_or_none(getattr(thing, "edited_at", None)),
    "reactions": _reactions,
    "updatedAt": lambda thing, _: moment(thing.updated_at),
    "userContentEdits": _edits,
    "viewerDidAuthor": lambda thing, view: thing.author.account is view.identity.account,
}
_MINIMIZABLE: Mapping[str, Resolver] = {
    "isMinimized": lambda comment, _: comment.minimized is not None,
    "minimizedReason": lambda comment, _: comment.minimized.lower() if comment.minimized else None,
}
_EVENT: Mapping[str, Resolver] = {
    "actor": lambda event, _: author_of(event.actor.account),
    "createdAt": lambda event, _: moment(event.created_at),
    "id": lambda event, _: event.node_id,
}
_CONVERSATION: Mapping[str, Resolver] = {
    **_WRITTEN,
    "assignees": lambda issue, _, **page: connection(issue.assignees, **page),
    "closed": lambda issue, _: issue.state == "closed",
    "comments": _comments,
    "labels": lambda issue, _, **page: connection(issue.labels, **page),
    "timelineItems": _timeline,
    "url": lambda issue, view: page_of(view.state.url, issue),
}

# --- pull requests --------------------------------------------------------------------------------


def pull_state(pull: Pull) -> str:
    return "MERGED" if pull.merged_at is not None else pull.issue.state.upper()


def _mergeable(issue: Issue, _: View) -> str:
    if issue.pull is None or issue.state != "open":
        return "UNKNOWN"
    return {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}[is_mergeable(issue.pull)]


def _sum(name: str) -> Resolver:
    return lambda issue, _: sum(getattr(change, name) for change in changes(issue.pull)[1])


def _head_repository(issue: Issue, view: View) -> Repository | None:
    head = issue.pull.head_repository if issue.pull else None
    return head if head is not None and view.identity.sees(head) else None


def _head_ref(issue: Issue, view: View) -> RefNode | None:
    head = _head_repository(issue, view)
    return ref_node(head, view, issue.pull.head_ref) if head is not None and issue.pull else None


def _reviews(issue: Issue, view: View, states: Any = None, author: str | None = None, **page: Any) -> Any:
    pull = issue.pull
    found = [
        review
        for review in (pull.reviews.values() if pull else ())
        if (states is None or review.state in states)
        and author in (None, review.author.account.login)
        and is_visible(review, view)
    ]
    return connection(view.shown(found, lambda review: review.created_at), **page)


def _threads(issue: Issue, view: View, **page: Any) -> Any:
    comments = issue.pull.comments.values() if issue.pull else ()
    first = [comment for comment in comments if comment.reply_to is None and is_visible(comment.review, view)]
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
    "Reaction": {
        "content": lambda reaction, _: _CONTENT[reaction.content],
        "createdAt": lambda reaction, _: moment(reaction.created_at),
        "databaseId": lambda reaction, _: fitting(reaction.id),
        "id": lambda reaction, _: reaction.node_id,
        "user": lambda reaction, _: reaction.account if reaction.account.kind == "User" else None,
    },
    "Issue": {
        **_CONVERSATION,
        "state": lambda issue, _: issue.state.upper(),
        "stateReason": lambda issue, _, **__: issue.state_reason.upper() if issue.state_reason else None,
    },
    "TransferredEvent": _EVENT,
    "RenamedTitleEvent": {
        **_EVENT,
        "currentTitle": lambda event, _: event.renamed_to,
        "previousTitle": lambda event, _: event.renamed_from,
    },
    "IssueComment": {
        **_WRITTEN,
        **_MINIMIZABLE,
        "pullRequest": lambda comment, _: comment.issue if comment.issue.pull else None,
        "repository": lambda comment, _: comment.issue.repository,
        "url": lambda comment, view: f"{page_of(view.state.url, comment.issue)}#issuecomment-{comment.id}",
    },
    "PullRequest": {
        **_CONVERSATION,
        "additions": _sum("additions"),
        "baseRef": lambda issue, view: ref_node(issue.repository, view, issue.pull.base_ref),
        "baseRefName": _of_pull("base_ref"),
        "baseRefOid": _of_pull("base_sha"),
        "baseRepository": _of_pull("repository"),
        "changedFiles": lambda issue, _: len(changes(issue.pull)[1]),
        "databaseId": lambda issue, _: fitting(issue.pull.id),
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
        "state": lambda issue, _: pull_state(issue.pull),
    },
    "PullRequestReview": {
        **_WRITTEN,
        **_MINIMIZABLE,
        "comments": lambda review, _, **page: connection(
            [each for each in review.pull.comments.values() if each.review is review], **page
        ),
        "commit": lambda review, _: git_node(review.pull.repository, review.commit),
        "submittedAt": lambda review, _: moment_or_none(review.submitted_at),
        "updatedAt": lambda review, _: moment(review.submitted_at or review.created_at),
        "url": lambda review, view: f"{page_of(view.state.url, review.pull.issue)}#pullrequestreview-{review.id}",
    },
    "PullRequestReviewComment": {
        **_WRITTEN,
        **_MINIMIZABLE,
        "diffHunk": lambda comment, _: comment.hunk,
        "line": lambda comment, _: _current_line(comment),
        "pullRequestReview": lambda comment, _: comment.review,
        "replyTo": lambda comment, _: comment.pull.comments.get(comment.reply_to),
        "startLine": lambda comment, _: None if comment.outdated else comment.start_line,
        "url": lambda comment, view: f"{page_of(view.state.url, comment.pull.issue)}#discussion_r{comment.id}",
    },
    "PullRequestReviewThread": {
        "comments": lambda thread, view, **page: connection(
            [comment for comment in thread.comments if is_visible(comment.review, view)], **page
        ),
        "diffSide": lambda thread, _: thread.first.side,
        "id": lambda thread, _: thread.node_id,
        "isOutdated": lambda thread, _: thread.first.outdated,
        "isResolved": lambda thread, _: thread.first.id in thread.first.pull.resolved,
        "line": lambda thread, _: _current_line(thread.first),
        "originalLine": lambda thread, _: thread.first.line,
        "originalStartLine": lambda thread, _: thread.first.start_line,
        "path": lambda thread, _: thread.first.path,
        "resolvedBy": lambda thread, _: thread.first.pull.resolved.get(thread.first.id),
        "startLine": lambda thread, _: None if thread.first.outdated else thread.first.start_line,
    },
}
