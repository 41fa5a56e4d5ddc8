"""Resolvers of the schema's fields. A field that is not listed is the attribute of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.rig.github.graphql import conversations, repositories
from bot.rig.github.graphql.view import GitNode, Resolver, Thread, View
from bot.rig.github.records import Account, Comment, Issue, IssueEvent, Repository, Review, ReviewComment
from bot.rig.github.shapes import moment


def type_name(thing: Any) -> str:
    """The GraphQL type of a record."""
    if isinstance(thing, Account):
        return thing.kind
    if isinstance(thing, Issue):
        return "PullRequest" if thing.pull else "Issue"
    if isinstance(thing, GitNode):
        return thing.kind.capitalize()
    if isinstance(thing, IssueEvent):
        return {"renamed": "RenamedTitleEvent", "transferred": "TransferredEvent"}[thing.event]
    names: dict[type, str] = {
        Repository: "Repository",
        Comment: "IssueComment",
        Review: "PullRequestReview",
        ReviewComment: "PullRequestReviewComment",
        Thread: "PullRequestReviewThread",
    }
    return names[type(thing)]


_ACCOUNT: Mapping[str, Resolver] = {
    "databaseId": lambda account, _: account.id,
    "id": lambda account, _: account.node_id,
    "name": lambda account, _: account.login,
    "url": lambda account, view: f"{view.state.url}/{account.login}",
}

FIELDS: Mapping[str, Mapping[str, Resolver]] = {
    "Query": {
        "node": lambda _, view, id: view.node(id),  # noqa: A006 - GitHub's name
        "repository": repositories.repository,
        "viewer": lambda _, view: view.identity.account,
        "rateLimit": lambda _, view, **__: _rate_limit(view),
    },
    "User": _ACCOUNT,
    "Organization": _ACCOUNT,
    "Bot": {
        **_ACCOUNT,
        # Unlike REST, GraphQL omits the `[bot]`.
        "login": lambda account, _: account.login.removesuffix("[bot]"),
        "url": lambda account, view: f"{view.state.url}/apps/{account.login.removesuffix('[bot]')}",
    },
    "Label": {"id": lambda label, _: label.node_id},
    **repositories.FIELDS,
    **conversations.FIELDS,
}


def _rate_limit(view: View) -> Mapping[str, Any]:
    standing = view.state.meter.standing(view.identity.bucket, "graphql")
    return {**standing, "cost": 1, "resetAt": moment(standing["reset"])}
