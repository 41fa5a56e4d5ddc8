"""Issues and conversations: opening, commenting, labels, assignments, reactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.rig.github.effects.emit import emit, emit_pull
from bot.rig.github.records import (
    REACTIONS,
    Account,
    Actor,
    Comment,
    Issue,
    IssueEvent,
    Label,
    Reaction,
    Repository,
    ReviewComment,
)
from bot.rig.github.refusal import Refusal, custom, missing
from bot.rig.github.shapes import Json
from bot.rig.github.shapes import issues as shapes
from bot.rig.github.shapes.accounts import user
from bot.rig.github.state import World, may_write

LONGEST_BODY = 65_536  # characters


def refuse_archived(repo: Repository) -> None:
    if repo.archived:
        raise Refusal(403, "Repository was archived so is read-only.")


def check_body(resource: str, body: str | None) -> None:
    """Refuses a body that GitHub would find too long."""
    if body is not None and len(body) > LONGEST_BODY:
        message = f"body is too long (maximum is {LONGEST_BODY} characters)"
        raise Refusal.invalid(custom(resource, "body", message))


def open_issue(
    world: World,
    repo: Repository,
    actor: Actor,
    title: str,
    body: str | None,
    labels: Sequence[str] = (),
    assignees: Sequence[Account] = (),
) -> Issue:
    refuse_archived(repo)
    issue = new_issue(world, repo, actor, title, body)
    repo.issues[issue.number] = issue
    issue.labels = [label_named(world, repo, name) for name in labels]
    emit(world, repo, "issues", actor, {"action": "opened", "issue": shapes.issue(world.url, issue)})
    for label in issue.labels:
        _labelled(world, issue, actor, label, "labeled")
    for account in assignees:
        assign(world, issue, actor, account)
    return issue


def new_issue(world: World, repo: Repository, actor: Actor, title: str, body: str | None) -> Issue:
    """Checked and numbered, but not yet part of the repository."""
    if not title.strip():
        raise Refusal.invalid(missing("Issue", "title"))
    check_body("Issue", body)
    now = world.now()
    number = max(repo.issues, default=0) + 1
    return Issue(world.next_id(), repo, number, actor, title, body, now, now)


def edit_issue(world: World, issue: Issue, actor: Actor, title: str | None, body: str | None) -> None:
    """None leaves a field as it is."""
    refuse_archived(issue.repository)
    check_body("Issue", body)
    before: Json = {}
    if title is not None and title != issue.title:
        before["title"] = {"from": issue.title}
        record(world, issue, actor, "renamed", renamed_from=issue.title, renamed_to=title)
        issue.title = title
    if body is not None and body != issue.body:
        before["body"] = {"from": issue.body or ""}
        issue.body = body
        issue.edited_at = world.now()
    if before:
        announce(world, issue, actor, "edited", {"changes": before})


def set_state(world: World, issue: Issue, actor: Actor, state: str, reason: str | None = None) -> None:
    refuse_archived(issue.repository)
    if state == issue.state:
        return
    if issue.pull is not None and issue.pull.merged_at is not None:
        raise Refusal.invalid(custom("PullRequest", "state", "Cannot reopen a merged pull request"))
    issue.state = state
    closed = state == "closed"
    issue.closed_at = world.now() if closed else None
    issue.closed_by = actor.account if closed else None
    issue.state_reason = (reason or "completed" if closed else "reopened") if issue.pull is None else None
    record(world, issue, actor, "closed" if closed else "reopened")
    announce(world, issue, actor, "closed" if closed else "reopened")


def lock(world: World, issue: Issue, actor: Actor, *, locked: bool) -> None:
    refuse_archived(issue.repository)
    if issue.locked != locked:
        issue.locked = locked
        record(world, issue, actor, "locked" if locked else "unlocked")
        announce(world, issue, actor, "locked" if locked else "unlocked")


def comment(world: World, issue: Issue, actor: Actor, body: str) -> Comment:
    refuse_archived(issue.repository)
    # An App is no collaborator, whatever it was granted: https://github.com/probot/stale/issues/25
    if issue.locked and (actor.app is not None or not may_write(actor, issue.repository)):
        docs = "https://docs.github.com/articles/locking-conversations/"
        raise Refusal(403, "Unable to create comment because issue is locked.", docs=docs)
    _check_comment(body)
    now = world.now()
    made = Comment(world.next_id(), issue, actor, body, now, now)
    issue.comments[made.id] = made
    issue.updated_at = now
    _emit_comment(world, made, actor, "created")
    return made


def edit_comment(world: World, made: Comment, actor: Actor, body: str) -> None:
    refuse_archived(made.issue.repository)
    _check_comment(body)
    before, made.body = made.body, body
    made.updated_at = made.edited_at = made.issue.updated_at = world.now()
    if before != body:
        _emit_comment(world, made, actor, "edited", {"changes": {"body": {"from": before}}})


def delete_comment(world: World, made: Comment, actor: Actor) -> None:
    refuse_archived(made.issue.repository)
    del made.issue.comments[made.id]
    made.issue.updated_at = world.now()
    _emit_comment(world, made, actor, "deleted")


def label_named(world: World, repo: Repository, name: str) -> Label:
    """The repository's label, made on first use; names differ only by case are one label."""
    if not name.strip() or len(name) > 50:
        raise Refusal.invalid(missing("Label", "name", "invalid"))
    if name.lower() not in repo.labels:
        repo.labels[name.lower()] = Label(world.next_id(), name)
    return repo.labels[name.lower()]


def add_labels(world: World, issue: Issue, actor: Actor, names: Iterable[str]) -> None:
    refuse_archived(issue.repository)
    for label in [label_named(world, issue.repository, name) for name in names]:
        if label not in issue.labels:
            issue.labels.append(label)
            _labelled(world, issue, actor, label, "labeled")


def remove_label(world: World, issue: Issue, actor: Actor, name: str) -> None:
    refuse_archived(issue.repository)
    label = issue.repository.labels.get(name.lower())
    if label is None or label not in issue.labels:
        raise Refusal(404, "Label does not exist")
    issue.labels.remove(label)
    _labelled(world, issue, actor, label, "unlabeled")


def set_labels(world: World, issue: Issue, actor: Actor, names: Sequence[str]) -> None:
    wanted = {name.lower() for name in names}
    for label in [label for label in issue.labels if label.name.lower() not in wanted]:
        remove_label(world, issue, actor, label.name)
    add_labels(world, issue, actor, names)


def assign(world: World, issue: Issue, actor: Actor, account: Account) -> None:
    refuse_archived(issue.repository)
    if account not in issue.assignees:
        issue.assignees.append(account)
        record(world, issue, actor, "assigned", assignee=account)
        announce(world, issue, actor, "assigned", {"assignee": user(world.url, account)})


def unassign(world: World, issue: Issue, actor: Actor, account: Account) -> None:
    refuse_archived(issue.repository)
    if account in issue.assignees:
        issue.assignees.remove(account)
        record(world, issue, actor, "unassigned", assignee=account)
        announce(world, issue, actor, "unassigned", {"assignee": user(world.url, account)})


def react(world: World, target: Issue | Comment | ReviewComment, actor: Actor, content: str) -> tuple[Reaction, bool]:
    """The reaction, and whether it is new: one account reacts once with each content. No webhook."""
    refuse_archived(repository_of(target))
    if content not in REACTIONS:
        raise Refusal.invalid(missing("Reaction", "content", "invalid"))
    for reaction in target.reactions:
        if reaction.account is actor.account and reaction.content == content:
            return reaction, False
    made = Reaction(world.next_id(), actor.account, content, world.now())
    target.reactions.append(made)
    return made, True


def unreact(target: Issue | Comment | ReviewComment, actor: Actor, number: int) -> None:
    refuse_archived(repository_of(target))
    found = next((reaction for reaction in target.reactions if reaction.id == number), None)
    if found is None:
        raise Refusal.not_found()
    if found.account is not actor.account:
        raise Refusal.forbidden()
    target.reactions.remove(found)


def repository_of(thing: Issue | Comment | ReviewComment) -> Repository:
    if isinstance(thing, Comment):
        return thing.issue.repository
    return thing.repository if isinstance(thing, Issue) else thing.pull.repository


def record(
    world: World,
    issue: Issue,
    actor: Actor,
    event: str,
    *,
    label: Label | None = None,
    assignee: Account | None = None,
    renamed_from: str | None = None,
    renamed_to: str | None = None,
) -> IssueEvent:
    """A row in the issue's own list of events, where one can look up who did what and when."""
    row = IssueEvent(world.next_id(), event, actor, world.now(), label=label, assignee=assignee)
    row.renamed_from, row.renamed_to = renamed_from, renamed_to
    issue.events.append(row)
    issue.updated_at = row.created_at
    return row


def announce(world: World, issue: Issue, actor: Actor, action: str, extra: Json | None = None) -> None:
    """The webhook `issues`, or `pull_request` where the issue is one."""
    if issue.pull is not None:
        emit_pull(world, issue.pull, action, actor, extra)
    else:
        payload = {"action": action, "issue": shapes.issue(world.url, issue), **(extra or {})}
        emit(world, issue.repository, "issues", actor, payload)


def _labelled(world: World, issue: Issue, actor: Actor, label: Label, action: str) -> None:
    record(world, issue, actor, action, label=label)
    shape = shapes.label(world.url, issue.repository, label)
    announce(world, issue, actor, action, {"label": shape})


def _emit_comment(world: World, made: Comment, actor: Actor, action: str, extra: Json | None = None) -> None:
    payload = {
        "action": action,
        "issue": shapes.issue(world.url, made.issue),
        "comment": shapes.comment(world.url, made),
        **(extra or {}),
    }
    emit(world, made.issue.repository, "issue_comment", actor, payload)


def _check_comment(body: str) -> None:
    said = "Body cannot be blank" if not body.strip() else ""
    if len(body) > LONGEST_BODY:
        said = f"Body is too long (maximum is {LONGEST_BODY} characters)"
    if said:
        refusal = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": said}
        raise Refusal.invalid(refusal)
