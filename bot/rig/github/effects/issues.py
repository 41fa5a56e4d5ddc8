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
from bot.rig.github.shapes.repositories import repository
from bot.rig.github.state import State, may_write

MAX_BODY = 65_536  # characters


def refuse_archived(repo: Repository) -> None:
    if repo.archived:
        raise Refusal(403, "Repository was archived so is read-only.")


def check_body(resource: str, body: str | None) -> None:
    """Raises Refusal if GitHub would find the body too long."""
    if body is not None and len(body) > MAX_BODY:
        message = f"body is too long (maximum is {MAX_BODY} characters)"
        raise Refusal.invalid(custom(resource, "body", message))


def open_issue(
    state: State,
    repo: Repository,
    actor: Actor,
    title: str,
    body: str | None,
    labels: Sequence[str] = (),
    assignees: Sequence[Account] = (),
) -> Issue:
    refuse_archived(repo)
    issue = new_issue(state, repo, actor, title, body)
    repo.issues[issue.number] = issue
    issue.labels = [label_named(state, repo, name) for name in labels]
    emit(state, repo, "issues", actor, {"action": "opened", "issue": shapes.issue(state.url, issue)})
    for label in issue.labels:
        _labelled(state, issue, actor, label, "labeled")
    for account in assignees:
        assign(state, issue, actor, account)
    return issue


def new_issue(state: State, repo: Repository, actor: Actor, title: str, body: str | None) -> Issue:
    """Checked and numbered, but not yet part of the repository."""
    if not title.strip():
        raise Refusal.invalid(missing("Issue", "title"))
    check_body("Issue", body)
    now = state.now()
    number = max((*repo.issues, *repo.moved), default=0) + 1  # a number is never used again
    return Issue(state.next_id(), repo, number, actor, title, body, now, now)


def edit_issue(state: State, issue: Issue, actor: Actor, title: str | None, body: str | None) -> None:
    """None leaves a field as it is."""
    refuse_archived(issue.repository)
    check_body("Issue", body)
    before: Json = {}
    if title is not None and title != issue.title:
        before["title"] = {"from": issue.title}
        record(state, issue, actor, "renamed", renamed_from=issue.title, renamed_to=title)
        issue.title = title
    if body is not None and body != issue.body:
        before["body"] = {"from": issue.body or ""}
        issue.body = body
        issue.edited_at = state.now()
        issue.editors.append(actor.account)
    if before:
        announce(state, issue, actor, "edited", {"changes": before})


def set_state(state: State, issue: Issue, actor: Actor, to: str, reason: str | None = None) -> None:
    refuse_archived(issue.repository)
    if to == issue.state:
        return
    if issue.pull is not None and issue.pull.merged_at is not None:
        raise Refusal.invalid(custom("PullRequest", "state", "Cannot reopen a merged pull request"))
    issue.state = to
    closed = to == "closed"
    issue.closed_at = state.now() if closed else None
    issue.closed_by = actor.account if closed else None
    issue.state_reason = (reason or "completed" if closed else "reopened") if issue.pull is None else None
    record(state, issue, actor, "closed" if closed else "reopened")
    announce(state, issue, actor, "closed" if closed else "reopened")


def delete_issue(state: State, issue: Issue, actor: Actor) -> None:
    """Only issues can be deleted: https://docs.github.com/en/issues/tracking-your-work-with-issues/deleting-an-issue"""
    refuse_archived(issue.repository)
    announce(state, issue, actor, "deleted")
    del issue.repository.issues[issue.number]
    issue.repository.moved[issue.number] = None


def transfer_issue(state: State, issue: Issue, actor: Actor, to: Repository) -> Issue:
    """Move the issue with its comments to a repository of the same owner. Return it under its new number."""
    refuse_archived(issue.repository)
    refuse_archived(to)
    made = new_issue(state, to, issue.author, issue.title, issue.body)
    made.comments = {
        each.id: each
        for each in (
            Comment(state.next_id(), made, old.author, old.body, old.created_at, old.updated_at, old.edited_at)
            for old in issue.comments.values()
        )
    }
    to.issues[made.number] = made
    shape, old = shapes.issue(state.url, made), shapes.issue(state.url, issue)
    origin, target = repository(state.url, issue.repository), repository(state.url, to)
    announce(state, issue, actor, "transferred", {"changes": {"new_issue": shape, "new_repository": target}})
    announce(state, made, actor, "opened", {"changes": {"old_issue": old, "old_repository": origin}})
    del issue.repository.issues[issue.number]
    issue.repository.moved[issue.number] = made
    return made


def lock(state: State, issue: Issue, actor: Actor, *, locked: bool) -> None:
    refuse_archived(issue.repository)
    if issue.locked != locked:
        issue.locked = locked
        record(state, issue, actor, "locked" if locked else "unlocked")
        announce(state, issue, actor, "locked" if locked else "unlocked")


def comment(state: State, issue: Issue, actor: Actor, body: str) -> Comment:
    refuse_archived(issue.repository)
    # An App is not a collaborator, whatever its permissions: https://github.com/probot/stale/issues/25
    if issue.locked and (actor.app is not None or not may_write(actor, issue.repository)):
        docs = "https://docs.github.com/articles/locking-conversations/"
        raise Refusal(403, "Unable to create comment because issue is locked.", docs=docs)
    _check_comment(body)
    now = state.now()
    made = Comment(state.next_id(), issue, actor, body, now, now)
    issue.comments[made.id] = made
    issue.updated_at = now
    _emit_comment(state, made, actor, "created")
    return made


def edit_comment(state: State, made: Comment, actor: Actor, body: str) -> None:
    refuse_archived(made.issue.repository)
    _check_comment(body)
    before, made.body = made.body, body
    made.updated_at = made.edited_at = made.issue.updated_at = state.now()
    made.editors.append(actor.account)
    if before != body:
        _emit_comment(state, made, actor, "edited", {"changes": {"body": {"from": before}}})


def delete_comment(state: State, made: Comment, actor: Actor) -> None:
    refuse_archived(made.issue.repository)
    del made.issue.comments[made.id]
    made.issue.updated_at = state.now()
    _emit_comment(state, made, actor, "deleted")


def label_named(state: State, repo: Repository, name: str) -> Label:
    """The repository's label, created on first use. Names that differ only in case are the same label."""
    if not name.strip() or len(name) > 50:
        raise Refusal.invalid(missing("Label", "name", "invalid"))
    if name.lower() not in repo.labels:
        repo.labels[name.lower()] = Label(state.next_id(), name)
    return repo.labels[name.lower()]


def add_labels(state: State, issue: Issue, actor: Actor, names: Iterable[str]) -> None:
    refuse_archived(issue.repository)
    for label in [label_named(state, issue.repository, name) for name in names]:
        if label not in issue.labels:
            issue.labels.append(label)
            _labelled(state, issue, actor, label, "labeled")


def remove_label(state: State, issue: Issue, actor: Actor, name: str) -> None:
    refuse_archived(issue.repository)
    label = issue.repository.labels.get(name.lower())
    if label is None or label not in issue.labels:
        raise Refusal(404, "Label does not exist")
    issue.labels.remove(label)
    _labelled(state, issue, actor, label, "unlabeled")


def set_labels(state: State, issue: Issue, actor: Actor, names: Sequence[str]) -> None:
    wanted = {name.lower() for name in names}
    for label in [label for label in issue.labels if label.name.lower() not in wanted]:
        remove_label(state, issue, actor, label.name)
    add_labels(state, issue, actor, names)


def assign(state: State, issue: Issue, actor: Actor, account: Account) -> None:
    refuse_archived(issue.repository)
    if account not in issue.assignees:
        issue.assignees.append(account)
        record(state, issue, actor, "assigned", assignee=account)
        announce(state, issue, actor, "assigned", {"assignee": user(state.url, account)})


def unassign(state: State, issue: Issue, actor: Actor, account: Account) -> None:
    refuse_archived(issue.repository)
    if account in issue.assignees:
        issue.assignees.remove(account)
        record(state, issue, actor, "unassigned", assignee=account)
        announce(state, issue, actor, "unassigned", {"assignee": user(state.url, account)})


def react(state: State, target: Issue | Comment | ReviewComment, actor: Actor, content: str) -> tuple[Reaction, bool]:
    """The reaction, and whether it is new: an account has each reaction only once. GitHub sends no webhook."""
    refuse_archived(repository_of(target))
    if content not in REACTIONS:
        raise Refusal.invalid(missing("Reaction", "content", "invalid"))
    for reaction in target.reactions:
        if reaction.account is actor.account and reaction.content == content:
            return reaction, False
    made = Reaction(state.next_id(), actor.account, content, state.now())
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
    state: State,
    issue: Issue,
    actor: Actor,
    event: str,
    *,
    label: Label | None = None,
    assignee: Account | None = None,
    renamed_from: str | None = None,
    renamed_to: str | None = None,
) -> IssueEvent:
    """Add an entry to the issue's list of events."""
    row = IssueEvent(state.next_id(), event, actor, state.now(), label=label, assignee=assignee)
    row.renamed_from, row.renamed_to = renamed_from, renamed_to
    issue.events.append(row)
    issue.updated_at = row.created_at
    return row


def announce(state: State, issue: Issue, actor: Actor, action: str, extra: Json | None = None) -> None:
    """Send the webhook `issues`, or `pull_request` if the issue is one."""
    if issue.pull is not None:
        emit_pull(state, issue.pull, action, actor, extra)
    else:
        payload = {"action": action, "issue": shapes.issue(state.url, issue), **(extra or {})}
        emit(state, issue.repository, "issues", actor, payload)


def _labelled(state: State, issue: Issue, actor: Actor, label: Label, action: str) -> None:
    record(state, issue, actor, action, label=label)
    shape = shapes.label(state.url, issue.repository, label)
    announce(state, issue, actor, action, {"label": shape})


def _emit_comment(state: State, made: Comment, actor: Actor, action: str, extra: Json | None = None) -> None:
    payload = {
        "action": action,
        "issue": shapes.issue(state.url, made.issue),
        "comment": shapes.comment(state.url, made),
        **(extra or {}),
    }
    emit(state, made.issue.repository, "issue_comment", actor, payload)


def _check_comment(body: str) -> None:
    said = "Body cannot be blank" if not body.strip() else ""
    if len(body) > MAX_BODY:
        said = f"Body is too long (maximum is {MAX_BODY} characters)"
    if said:
        refusal = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": said}
        raise Refusal.invalid(refusal)
