"""JSON of issues, their comments, labels, reactions and events."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

from bot.rig.github.records import REACTIONS, Account, Comment, Issue, IssueEvent, Label, Reaction, Repository
from bot.rig.github.shapes import Json, moment, moment_or_none
from bot.rig.github.shapes.accounts import app_or_none, team, user, user_or_none
from bot.rig.github.shapes.repositories import api_url, html_url


def association(repo: Repository, account: Account) -> str:
    """The account's `author_association`, as far as an App can see it."""
    if account is repo.owner:
        return "OWNER"
    if repo.roles.get(account.id, "none") != "none":
        return "MEMBER" if repo.owner.kind == "Organization" else "COLLABORATOR"
    merged = any(pull.merged_at and pull.issue.author.account is account for pull in repo.pulls)
    return "CONTRIBUTOR" if merged else "NONE"


def label(url: str, repo: Repository, a_label: Label) -> Json:
    return {
        "id": a_label.id,
        "node_id": a_label.node_id,
        "url": f"{api_url(url, repo)}/labels/{quote(a_label.name, safe='')}",
        "name": a_label.name,
        "color": a_label.color,
        "default": False,
        "description": a_label.description,
    }


def reaction(url: str, a_reaction: Reaction) -> Json:
    return {
        "id": a_reaction.id,
        "node_id": a_reaction.node_id,
        "user": user(url, a_reaction.account),
        "content": a_reaction.content,
        "created_at": moment(a_reaction.created_at),
    }


def rollup(api: str, reactions: list[Reaction]) -> Json:
    """`reaction-rollup`: the count of each reaction."""
    counts = Counter(a_reaction.content for a_reaction in reactions)
    return {
        "url": f"{api}/reactions",
        "total_count": len(reactions),
        **{content: counts[content] for content in REACTIONS},
    }


def page_of(url: str, an_issue: Issue) -> str:
    """The URL of the issue's page."""
    kind = "pull" if an_issue.pull else "issues"
    return f"{html_url(url, an_issue.repository)}/{kind}/{an_issue.number}"


def issue(url: str, an_issue: Issue) -> Json:
    repo = an_issue.repository
    api = f"{api_url(url, repo)}/issues/{an_issue.number}"
    html = page_of(url, an_issue)
    shape = {
        "url": api,
        "repository_url": api_url(url, repo),
        "labels_url": f"{api}/labels{{/name}}",
        "comments_url": f"{api}/comments",
        "events_url": f"{api}/events",
        "timeline_url": f"{api}/timeline",
        "html_url": html,
        "id": an_issue.id,
        "node_id": an_issue.node_id,
        "number": an_issue.number,
        "title": an_issue.title,
        "user": user(url, an_issue.author.account),
        "labels": [label(url, repo, a_label) for a_label in an_issue.labels],
        "state": an_issue.state,
        "state_reason": an_issue.state_reason,
        "locked": an_issue.locked,
        "active_lock_reason": None,
        "assignee": user_or_none(url, an_issue.assignees[0] if an_issue.assignees else None),
        "assignees": [user(url, account) for account in an_issue.assignees],
        "milestone": None,
        "comments": len(an_issue.comments),
        "created_at": moment(an_issue.created_at),
        "updated_at": moment(an_issue.updated_at),
        "closed_at": moment_or_none(an_issue.closed_at),
        "author_association": association(repo, an_issue.author.account),
        "body": an_issue.body,
        "reactions": rollup(api, an_issue.reactions),
        "performed_via_github_app": app_or_none(url, an_issue.author.app),
    }
    if an_issue.pull is not None:
        shape["draft"] = an_issue.pull.draft
        shape["pull_request"] = {
            "url": f"{api_url(url, repo)}/pulls/{an_issue.number}",
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "merged_at": moment_or_none(an_issue.pull.merged_at),
        }
    return shape


def whole_issue(url: str, an_issue: Issue) -> Json:
    """An issue as returned for its number."""
    return {**issue(url, an_issue), "closed_by": user_or_none(url, an_issue.closed_by)}


def comment(url: str, a_comment: Comment) -> Json:
    an_issue = a_comment.issue
    repo = an_issue.repository
    api = f"{api_url(url, repo)}/issues/comments/{a_comment.id}"
    return {
        "url": api,
        "html_url": f"{page_of(url, an_issue)}#issuecomment-{a_comment.id}",
        "issue_url": f"{api_url(url, repo)}/issues/{an_issue.number}",
        "id": a_comment.id,
        "node_id": a_comment.node_id,
        "user": user(url, a_comment.author.account),
        "created_at": moment(a_comment.created_at),
        "updated_at": moment(a_comment.updated_at),
        "body": a_comment.body,
        "author_association": association(repo, a_comment.author.account),
        "reactions": rollup(api, a_comment.reactions),
        "performed_via_github_app": app_or_none(url, a_comment.author.app),
    }


def issue_event(url: str, an_issue: Issue, event: IssueEvent) -> Json:
    """An entry of an issue's events or timeline."""
    shape = {
        "id": event.id,
        "node_id": event.node_id,
        "url": f"{api_url(url, an_issue.repository)}/issues/events/{event.id}",
        "actor": user(url, event.actor.account),
        "event": event.event,
        "commit_id": event.commit,
        "commit_url": None,
        "created_at": moment(event.created_at),
        "performed_via_github_app": app_or_none(url, event.actor.app),
    }
    if event.label is not None:
        shape["label"] = {"name": event.label.name, "color": event.label.color}
    if event.assignee is not None:
        shape["assignee"] = user(url, event.assignee)
        shape["assigner"] = user(url, event.actor.account)
    if event.reviewer is not None or event.team is not None:
        shape["review_requester"] = user(url, event.actor.account)
    if event.reviewer is not None:
        shape["requested_reviewer"] = user(url, event.reviewer)
    if event.team is not None:
        shape["requested_team"] = team(url, event.team)
    if event.renamed_to is not None:
        shape["rename"] = {"from": event.renamed_from, "to": event.renamed_to}
    return shape


def timeline_comment(url: str, a_comment: Comment) -> Json:
    return {
        **comment(url, a_comment),
        "event": "commented",
        "actor": user(url, a_comment.author.account),
    }
