"""Issues, their comments, events and assignees."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bot.rig.github.effects import issues as effects
from bot.rig.github.records import Account, Comment, Issue, IssueEvent, Review
from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import NOTHING, Answer, Call, created
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import Json
from bot.rig.github.shapes import issues as shapes
from bot.rig.github.shapes.pulls import review as review_shape
from bot.rig.github.state import comment_of, issue_of

routes = Routes()


def the_issue(call: Call) -> Issue:
    return issue_of(call.repo, call.number("issue_number"))


def the_comment(call: Call) -> Comment:
    return comment_of(call.repo, call.number("comment_id"))


def since(call: Call) -> float:
    """The `since` of a list in epoch seconds; 0 if there is none."""
    text = call.query.get("since")
    return instant(text) if text else 0.0


def instant(text: str) -> float:
    """The epoch seconds of an ISO 8601 time. Raises Refusal (422) if it is invalid."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise Refusal.unprocessable(f"{text} is not a valid date-time") from None


# --- issues ---------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/issues", "issues:read")
def list_issues(call: Call) -> Answer:
    """Newest first. Includes pull requests if the credential may see them."""
    state, after = call.query.get("state", "open"), since(call)
    labels = {name.lower() for name in call.query.get("labels", "").split(",") if name}
    pulls_too = call.identity.allows(call.repo, "pull_requests", "read")
    found = [
        issue
        for issue in call.repo.issues.values()
        if state in (issue.state, "all")
        and labels <= {label.name.lower() for label in issue.labels}
        and issue.updated_at >= after
        and (issue.pull is None or pulls_too)
    ]
    by_update = call.query.get("sort") == "updated"
    found.sort(
        key=lambda issue: (issue.updated_at if by_update else issue.created_at, issue.number),
        reverse=call.query.get("direction", "desc") == "desc",
    )
    return call.page(found, lambda issue: shapes.issue(call.url, issue), created_at=lambda one: one.created_at)


@routes.post("/repos/{owner}/{repo}/issues", "issues:write")
def create_issue(call: Call) -> Answer:
    call.require("title")
    title = call.fields["title"]
    issue = effects.open_issue(
        call.state,
        call.repo,
        call.actor,
        title if isinstance(title, str) else str(title),
        call.string_or_none("body"),
        call.strings("labels"),
        list(_assignable(call, call.strings("assignees"))),
    )
    return created(shapes.whole_issue(call.url, issue))


@routes.get("/repos/{owner}/{repo}/issues/{issue_number}", "conversation:read")
def get_issue(call: Call) -> Answer:
    return Answer(body=shapes.whole_issue(call.url, the_issue(call)))


@routes.patch("/repos/{owner}/{repo}/issues/{issue_number}", "conversation:write")
def edit_issue(call: Call) -> Answer:
    issue = the_issue(call)
    effects.edit_issue(call.state, issue, call.actor, call.string_or_none("title"), call.string_or_none("body"))
    if "labels" in call.fields:
        effects.set_labels(call.state, issue, call.actor, call.strings("labels"))
    if "state" in call.fields:
        state = call.string("state")
        if state not in ("open", "closed"):
            raise Refusal.invalid({"resource": "Issue", "field": "state", "code": "invalid"})
        effects.set_state(call.state, issue, call.actor, state, call.string_or_none("state_reason"))
    return Answer(body=shapes.whole_issue(call.url, issue))


# --- comments -------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/issues/{issue_number}/comments", "conversation:read")
def list_comments(call: Call) -> Answer:
    """Oldest first."""
    after = since(call)
    found = [each for each in the_issue(call).comments.values() if each.updated_at >= after]
    return call.page(found, lambda each: shapes.comment(call.url, each), created_at=lambda each: each.created_at)


@routes.get("/repos/{owner}/{repo}/issues/comments", "issues:read")
def list_repository_comments(call: Call) -> Answer:
    after = since(call)
    every = (each for issue in call.repo.issues.values() for each in issue.comments.values())
    by_update = call.query.get("sort") == "updated"
    found = sorted(
        (each for each in every if each.updated_at >= after),
        key=lambda each: (each.updated_at if by_update else each.created_at, each.id),
        reverse=call.query.get("direction") == "desc",
    )
    return call.page(found, lambda each: shapes.comment(call.url, each), created_at=lambda each: each.created_at)


@routes.post("/repos/{owner}/{repo}/issues/{issue_number}/comments", "conversation:write")
def create_comment(call: Call) -> Answer:
    call.require("body")
    made = effects.comment(call.state, the_issue(call), call.actor, call.string("body"))
    return created(shapes.comment(call.url, made))


@routes.get("/repos/{owner}/{repo}/issues/comments/{comment_id}", "conversation:read")
def get_comment(call: Call) -> Answer:
    return Answer(body=shapes.comment(call.url, the_comment(call)))


@routes.patch("/repos/{owner}/{repo}/issues/comments/{comment_id}", "conversation:write")
def edit_comment(call: Call) -> Answer:
    call.require("body")
    comment = the_comment(call)
    effects.edit_comment(call.state, comment, call.actor, call.string("body"))
    return Answer(body=shapes.comment(call.url, comment))


@routes.delete("/repos/{owner}/{repo}/issues/comments/{comment_id}", "conversation:write")
def delete_comment(call: Call) -> Answer:
    effects.delete_comment(call.state, the_comment(call), call.actor)
    return NOTHING


# --- events ---------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/issues/{issue_number}/events", "conversation:read")
def list_events(call: Call) -> Answer:
    """Oldest first."""
    issue = the_issue(call)

    def shape(event: IssueEvent) -> Json:
        row = shapes.issue_event(call.url, issue, event)
        # In this list the actor is whoever was assigned: https://github.com/google/go-github/pull/615
        return {**row, "actor": row["assignee"]} if event.assignee is not None else row

    return call.page(
        issue.events,
        shape,
        created_at=lambda event: event.created_at,
    )


@routes.get("/repos/{owner}/{repo}/issues/{issue_number}/timeline", "conversation:read")
def list_timeline(call: Call) -> Answer:
    issue = the_issue(call)
    rows: list[IssueEvent | Comment | Review] = [*issue.events, *issue.comments.values()]
    if issue.pull is not None:
        rows += [review for review in issue.pull.reviews.values() if review.submitted_at is not None]
    rows.sort(key=lambda row: (row.created_at, row.id))

    def shape(row: IssueEvent | Comment | Review) -> Json:
        if isinstance(row, IssueEvent):
            event = shapes.issue_event(call.url, issue, row)
            event.pop("assigner", None)  # in the list of events only
            return event
        if isinstance(row, Comment):
            return shapes.timeline_comment(call.url, row)
        return {**review_shape(call.url, row), "event": "reviewed", "state": row.state.lower()}

    return call.page(rows, shape, created_at=lambda row: row.created_at)


@routes.get("/repos/{owner}/{repo}/issues/events", "issues:read")
def list_repository_events(call: Call) -> Answer:
    """Newest first, each with its issue."""
    rows = [(issue, event) for issue in call.repo.issues.values() for event in issue.events]
    rows.sort(key=lambda row: row[1].id, reverse=True)

    def shape(row: tuple[Issue, IssueEvent]) -> Json:
        return {**shapes.issue_event(call.url, *row), "issue": shapes.issue(call.url, row[0])}

    return call.page(rows, shape, created_at=lambda row: row[1].created_at)


# --- assignees ------------------------------------------------------------------------------------


@routes.post("/repos/{owner}/{repo}/issues/{issue_number}/assignees", "conversation:write")
def add_assignees(call: Call) -> Answer:
    issue = the_issue(call)
    for account in _assignable(call, call.strings("assignees")):
        effects.assign(call.state, issue, call.actor, account)
    return Answer(201, shapes.issue(call.url, issue))


@routes.delete("/repos/{owner}/{repo}/issues/{issue_number}/assignees", "conversation:write")
def remove_assignees(call: Call) -> Answer:
    issue = the_issue(call)
    for account in _assignable(call, call.strings("assignees")):
        effects.unassign(call.state, issue, call.actor, account)
    return Answer(body=shapes.issue(call.url, issue))


def _assignable(call: Call, logins: list[str]) -> Iterable[Account]:
    """GitHub silently ignores users who cannot be assigned: strangers and bots of Apps."""
    for login in logins:
        account = call.state.account(login)
        if account is not None and account.kind == "User" and call.repo.role(account) not in ("none", "read"):
            yield account
