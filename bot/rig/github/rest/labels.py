"""Labels and reactions."""

from __future__ import annotations

from bot.rig.github.effects import issues as effects
from bot.rig.github.records import Comment, Issue, Label, ReviewComment
from bot.rig.github.refusal import Refusal, missing
from bot.rig.github.rest.call import NOTHING, Answer, Call, created
from bot.rig.github.rest.issues import the_comment, the_issue
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import issues as shapes
from bot.rig.github.state import review_comment_of

routes = Routes()


def _rows(call: Call, labels: list[Label]) -> Answer:
    return call.page(labels, lambda label: shapes.label(call.url, call.repo, label))


def _named(call: Call) -> Label:
    label = call.repo.labels.get(call.params["name"].lower())
    if label is None:
        raise Refusal.not_found()
    return label


# --- the repository's labels ----------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/labels", "issues:read")
def list_labels(call: Call) -> Answer:
    return _rows(call, list(call.repo.labels.values()))


@routes.post("/repos/{owner}/{repo}/labels", "issues:write")
def create_label(call: Call) -> Answer:
    call.require("name")
    name = call.string("name")
    if name.lower() in call.repo.labels:
        raise Refusal.invalid(missing("Label", "name", "already_exists"))
    label = effects.label_named(call.state, call.repo, name)
    label.color = call.string("color", label.color)
    label.description = call.string_or_none("description")
    return created(shapes.label(call.url, call.repo, label))


@routes.get("/repos/{owner}/{repo}/labels/{name}", "issues:read")
def get_label(call: Call) -> Answer:
    return Answer(body=shapes.label(call.url, call.repo, _named(call)))


@routes.delete("/repos/{owner}/{repo}/labels/{name}", "issues:write")
def delete_label(call: Call) -> Answer:
    label = _named(call)
    for issue in call.repo.issues.values():
        if label in issue.labels:
            effects.remove_label(call.state, issue, call.actor, label.name)
    del call.repo.labels[label.name.lower()]
    return NOTHING


# --- an issue's labels ----------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/issues/{issue_number}/labels", "conversation:read")
def list_issue_labels(call: Call) -> Answer:
    return _rows(call, the_issue(call).labels)


def _names(call: Call) -> list[str]:
    """`{"labels": [...]}`, the bare array of older clients, or objects with names."""
    given = call.body if isinstance(call.body, list) else call.fields.get("labels", [])
    if not isinstance(given, list):
        raise Refusal.unprocessable("Invalid request.\n\nFor 'properties/labels', it is not an array.")
    names = [each.get("name") if isinstance(each, dict) else each for each in given]
    strings = [name for name in names if isinstance(name, str)]
    if len(strings) != len(names):
        raise Refusal.unprocessable("Invalid request.\n\nFor 'anyOf/0', labels are not strings.")
    return strings


@routes.post("/repos/{owner}/{repo}/issues/{issue_number}/labels", "conversation:write")
def add_labels(call: Call) -> Answer:
    issue = the_issue(call)
    effects.add_labels(call.state, issue, call.actor, _names(call))
    return _rows(call, issue.labels)


@routes.put("/repos/{owner}/{repo}/issues/{issue_number}/labels", "conversation:write")
def set_labels(call: Call) -> Answer:
    issue = the_issue(call)
    effects.set_labels(call.state, issue, call.actor, _names(call))
    return _rows(call, issue.labels)


@routes.delete("/repos/{owner}/{repo}/issues/{issue_number}/labels", "conversation:write")
def remove_labels(call: Call) -> Answer:
    effects.set_labels(call.state, the_issue(call), call.actor, [])
    return NOTHING


@routes.delete("/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}", "conversation:write")
def remove_label(call: Call) -> Answer:
    issue = the_issue(call)
    effects.remove_label(call.state, issue, call.actor, call.params["name"])
    return _rows(call, issue.labels)


# --- reactions ------------------------------------------------------------------------------------


def _list(call: Call, target: Issue | Comment | ReviewComment) -> Answer:
    wanted = call.query.get("content")
    found = [each for each in target.reactions if wanted in (None, each.content)]
    return call.page(found, lambda each: shapes.reaction(call.url, each), created_at=lambda each: each.created_at)


def _react(call: Call, target: Issue | Comment | ReviewComment) -> Answer:
    """201 for a new reaction, 200 for an existing one."""
    call.require("content")
    reaction, new = effects.react(call.state, target, call.actor, call.string("content"))
    return Answer(201 if new else 200, shapes.reaction(call.url, reaction))


def _unreact(call: Call, target: Issue | Comment | ReviewComment) -> Answer:
    effects.unreact(target, call.actor, call.number("reaction_id"))
    return NOTHING


@routes.get("/repos/{owner}/{repo}/issues/{issue_number}/reactions", "conversation:read")
def list_issue_reactions(call: Call) -> Answer:
    return _list(call, the_issue(call))


@routes.post("/repos/{owner}/{repo}/issues/{issue_number}/reactions", "conversation:write")
def react_to_issue(call: Call) -> Answer:
    return _react(call, the_issue(call))


@routes.delete("/repos/{owner}/{repo}/issues/{issue_number}/reactions/{reaction_id}", "conversation:write")
def unreact_to_issue(call: Call) -> Answer:
    return _unreact(call, the_issue(call))


@routes.get("/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", "conversation:read")
def list_comment_reactions(call: Call) -> Answer:
    return _list(call, the_comment(call))


@routes.post("/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", "conversation:write")
def react_to_comment(call: Call) -> Answer:
    return _react(call, the_comment(call))


@routes.delete("/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}", "conversation:write")
def unreact_to_comment(call: Call) -> Answer:
    return _unreact(call, the_comment(call))


@routes.get("/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions", "pull_requests:read")
def list_review_comment_reactions(call: Call) -> Answer:
    return _list(call, review_comment_of(call.repo, call.number("comment_id")))


@routes.post("/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions", "pull_requests:write")
def react_to_review_comment(call: Call) -> Answer:
    return _react(call, review_comment_of(call.repo, call.number("comment_id")))


@routes.delete("/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions/{reaction_id}", "pull_requests:write")
def unreact_to_review_comment(call: Call) -> Answer:
    return _unreact(call, review_comment_of(call.repo, call.number("comment_id")))
