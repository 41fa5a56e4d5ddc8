"""GraphQL's mutations; they use the same effects as REST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.rig.github.effects import issues, pulls, refs, reviews
from bot.rig.github.effects.refs import RefUpdate
from bot.rig.github.graphql.conversations import REACTION_NAMES
from bot.rig.github.graphql.view import Thread, View, fail
from bot.rig.github.records import Comment, Issue, Repository, Review, ReviewComment

Input = Mapping[str, Any]


def _writable(view: View, thing: Any) -> None:
    """Raises GraphQLError (FORBIDDEN) unless the caller may write to its repository."""
    if isinstance(thing, (Issue, Comment)):
        view.may_converse(thing if isinstance(thing, Issue) else thing.issue, "write")
    else:
        first = thing.first if isinstance(thing, Thread) else thing
        view.may(first.pull.repository, "pull_requests", "write")


def _find(view: View, number: str, *kinds: type) -> Any:
    thing = view.node(number)
    if not isinstance(thing, kinds):
        fail("NOT_FOUND", f"Could not resolve to a node with the global id of '{number}' of a fitting type.")
    _writable(view, thing)
    return thing


def _add_comment(view: View, given: Input) -> Any:
    issue = _find(view, given["subjectId"], Issue)
    comment = issues.comment(view.state, issue, view.identity.actor, given["body"])
    return {"commentEdge": {"cursor": "", "node": comment}, "subject": issue}


def _add_reaction(view: View, given: Input) -> Any:
    target = _find(view, given["subjectId"], Issue, Comment, ReviewComment)
    content = REACTION_NAMES[given["content"]]
    reaction, _ = issues.react(view.state, target, view.identity.actor, content)
    return {"reaction": reaction, "subject": target}


def _remove_reaction(view: View, given: Input) -> Any:
    target = _find(view, given["subjectId"], Issue, Comment, ReviewComment)
    content, me = REACTION_NAMES[given["content"]], view.identity.account
    mine = [each for each in target.reactions if each.account is me and each.content == content]
    if not mine:
        fail("NOT_FOUND", "Could not resolve to a Reaction with that content.")
    issues.unreact(target, view.identity.actor, mine[0].id)
    return {"reaction": mine[0], "subject": target}


def _minimize(view: View, given: Input) -> Any:
    comment = _find(view, given["subjectId"], Comment, Review, ReviewComment)
    comment.minimized = given["classifier"]
    return {"minimizedComment": comment}


def _unminimize(view: View, given: Input) -> Any:
    comment = _find(view, given["subjectId"], Comment, Review, ReviewComment)
    comment.minimized = None
    return {"unminimizedComment": comment}


def _resolve(view: View, given: Input, *, resolved: bool) -> Any:
    thread = _find(view, given["threadId"], Thread)
    # GitHub requires more than pull_requests: write here.
    view.may(thread.first.pull.repository, "contents", "write")
    reviews.set_resolved(view.state, thread.first, view.identity.actor, resolved=resolved)
    return {"thread": thread}


def _set_draft(view: View, given: Input, *, draft: bool) -> Any:
    issue = _find(view, given["pullRequestId"], Issue)
    if issue.pull is None:
        fail("NOT_FOUND", f"Could not resolve to a PullRequest with the id of '{given['pullRequestId']}'.")
    pulls.set_draft(view.state, issue.pull, view.identity.actor, draft=draft)
    return {"pullRequest": issue}


def _update_refs(view: View, given: Input) -> Any:
    repo = view.node(given["repositoryId"])
    if not isinstance(repo, Repository):
        fail("NOT_FOUND", f"Could not resolve to Repository node with the global id of '{given['repositoryId']}'.")
    view.may(repo, "contents", "write")
    updates = [
        RefUpdate(each["name"], each.get("beforeOid"), each["afterOid"], force=each["force"])
        for each in given["refUpdates"]
    ]
    workflows = view.identity.installation is None or view.identity.allows(repo, "workflows", "write")
    refs.update_refs(view.state, repo, view.identity.actor, updates, workflows=workflows)
    return {}


MUTATIONS: Mapping[str, Callable[[View, Input], Any]] = {
    "addComment": _add_comment,
    "addReaction": _add_reaction,
    "removeReaction": _remove_reaction,
    "minimizeComment": _minimize,
    "unminimizeComment": _unminimize,
    "resolveReviewThread": lambda view, given: _resolve(view, given, resolved=True),
    "unresolveReviewThread": lambda view, given: _resolve(view, given, resolved=False),
    "convertPullRequestToDraft": lambda view, given: _set_draft(view, given, draft=True),
    "markPullRequestReadyForReview": lambda view, given: _set_draft(view, given, draft=False),
    "updateRefs": _update_refs,
}


def resolver(name: str) -> Callable[..., Any]:
    """The resolver of one mutation, which returns the client's mutation id."""

    def resolve(_: object, view: View, *, input: Input) -> Any:  # noqa: A002 - GitHub's name
        return {**MUTATIONS[name](view, input), "clientMutationId": input.get("clientMutationId")}

    return resolve
