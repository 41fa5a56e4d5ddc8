"""Reviews and their comments on lines of the diff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.rig.github.diff import FileChange, Hunk, compare
from bot.rig.github.effects.emit import emit
from bot.rig.github.effects.issues import MAX_BODY, refuse_archived
from bot.rig.github.records import Actor, Pull, Review, ReviewComment
from bot.rig.github.refusal import Refusal
from bot.rig.github.shapes import Json
from bot.rig.github.shapes.pulls import pull as pull_shape
from bot.rig.github.shapes.pulls import review as review_shape
from bot.rig.github.shapes.pulls import review_comment as comment_shape
from bot.rig.github.state import State

STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


@dataclass(frozen=True, slots=True)
class DraftComment:
    """A review comment to be created. `line` None: on the whole file."""

    path: str
    body: str
    line: int | None
    side: str = "RIGHT"
    start_line: int | None = None
    start_side: str | None = None


def create_review(
    state: State,
    pull: Pull,
    actor: Actor,
    *,
    body: str,
    event: str | None,
    commit: str | None = None,
    comments: Sequence[DraftComment] = (),
) -> Review:
    """With event None the review stays PENDING. One invalid comment refuses the whole review."""
    refuse_archived(pull.repository)
    _check_event(pull, actor, event, body, has_comments=bool(comments))
    if len(body) > MAX_BODY:
        raise _unprocessable(f"Body is too long (maximum is {MAX_BODY} characters)")
    mine = [review for review in pull.reviews.values() if review.author.account is actor.account]
    if any(review.state == "PENDING" for review in mine):
        raise _unprocessable("User can only have one pending review per pull request")
    commit = commit or pull.head_sha
    comparison = _files_at(pull, commit)
    placed = [(draft, _place(comparison, draft)) for draft in comments]
    review = Review(state.next_id(), pull, actor, body, "PENDING", commit, state.now(), None)
    pull.reviews[review.id] = review
    for draft, hunk in placed:
        _add(state, review, draft, hunk)
    if event is not None:
        submit(state, review, actor, event, body)
    return review


def submit(state: State, review: Review, actor: Actor, event: str, body: str) -> None:
    """Make a pending review visible."""
    pull = review.pull
    refuse_archived(pull.repository)
    if review.state != "PENDING":
        raise _unprocessable("Can not submit a review that is not pending")
    comments = [comment for comment in pull.comments.values() if comment.review is review]
    _check_event(pull, actor, event, body, has_comments=bool(comments))
    review.state = STATES[event]
    review.body = body
    review.submitted_at = pull.issue.updated_at = state.now()
    if actor.account in pull.reviewers:
        pull.reviewers.remove(actor.account)
    shape = {**review_shape(state.url, review), "state": review.state.lower()}
    payload: Json = {"action": "submitted", "review": shape, "pull_request": pull_shape(state.url, pull)}
    emit(state, pull.repository, "pull_request_review", actor, payload)
    for comment in comments:
        _emit_comment(state, comment, actor, "created")


def edit_review(state: State, review: Review, actor: Actor, body: str) -> None:
    """Change the text of a review; while it is pending, nobody is told."""
    refuse_archived(review.pull.repository)
    _check_body(body)
    before, review.body = review.body, body
    if review.state == "PENDING":
        return
    review.edited_at = state.now()
    review.editors.append(actor.account)
    shape = {**review_shape(state.url, review), "state": review.state.lower()}
    payload: Json = {"action": "edited", "review": shape, "pull_request": pull_shape(state.url, review.pull)}
    emit(
        state, review.pull.repository, "pull_request_review", actor, {**payload, "changes": {"body": {"from": before}}}
    )


def comment(state: State, pull: Pull, actor: Actor, draft: DraftComment, commit: str | None) -> ReviewComment:
    """A single comment: GitHub wraps it in a review without a body."""
    refuse_archived(pull.repository)
    hunk = _place(_files_at(pull, commit or pull.head_sha), draft)
    review = _bare_review(state, pull, actor, commit or pull.head_sha)
    made = _add(state, review, draft, hunk)
    _emit_comment(state, made, actor, "created")
    return made


def reply(state: State, to: ReviewComment, actor: Actor, body: str) -> ReviewComment:
    """A reply to a comment; GitHub attaches it to the thread's first one."""
    pull = to.pull
    refuse_archived(pull.repository)
    _check_body(body)
    review = _bare_review(state, pull, actor, to.commit)
    now = state.now()
    made = ReviewComment(
        id=state.next_id(),
        pull=pull,
        review=review,
        author=actor,
        body=body,
        path=to.path,
        commit=to.commit,
        hunk=to.hunk,
        created_at=now,
        updated_at=now,
        line=to.line,
        side=to.side,
        start_line=to.start_line,
        start_side=to.start_side,
        position=to.position,
        outdated=to.outdated,
        reply_to=to.reply_to or to.id,
    )
    pull.comments[made.id] = made
    _emit_comment(state, made, actor, "created")
    return made


def edit_comment(state: State, made: ReviewComment, actor: Actor, body: str) -> None:
    refuse_archived(made.pull.repository)
    _check_body(body)
    before, made.body = made.body, body
    made.updated_at = made.edited_at = state.now()
    made.editors.append(actor.account)
    _emit_comment(state, made, actor, "edited", {"changes": {"body": {"from": before}}})


def delete_comment(state: State, made: ReviewComment, actor: Actor) -> None:
    refuse_archived(made.pull.repository)
    del made.pull.comments[made.id]
    _emit_comment(state, made, actor, "deleted")


def set_resolved(state: State, first: ReviewComment, actor: Actor, *, resolved: bool) -> None:
    """Resolve or unresolve the thread that begins with this comment."""
    refuse_archived(first.pull.repository)
    if resolved:
        first.pull.resolved[first.id] = actor.account
    else:
        first.pull.resolved.pop(first.id, None)
    thread = {"node_id": first.node_id, "comments": [comment_shape(state.url, first)]}
    payload = {
        "action": "resolved" if resolved else "unresolved",
        "thread": thread,
        "pull_request": pull_shape(state.url, first.pull),
    }
    emit(state, first.pull.repository, "pull_request_review_thread", actor, payload)


def _check_event(pull: Pull, actor: Actor, event: str | None, body: str, *, has_comments: bool) -> None:
    if event is None:
        return
    if event not in STATES:
        raise _unprocessable(f"Variable $event of type PullRequestReviewEvent was provided invalid value {event}")
    own = actor.account is pull.issue.author.account
    if own and event != "COMMENT":
        action = "approve" if event == "APPROVE" else "request changes on"
        raise _unprocessable(f"Can not {action} your own pull request")
    if not body.strip() and (event == "REQUEST_CHANGES" or (event == "COMMENT" and not has_comments)):
        raise _unprocessable(f"Could not {event.lower().replace('_', ' ')}: body can't be blank")


def _files_at(pull: Pull, commit: str) -> dict[str, FileChange]:
    bare = pull.repository.bare
    if bare.kind(commit) != "commit":
        raise _unprocessable("Commit could not be resolved")
    known = commit == pull.head_sha or bare.is_ancestor(commit, pull.head_sha)
    if not known:  # a former head, before a force push, is still part of the pull request
        known = any(review.commit == commit for review in pull.reviews.values())
    if not known:
        raise _unprocessable("commit_id is not part of the pull request")
    return {change.path: change for change in compare(bare, pull.base_sha, commit).files}


def _place(files: dict[str, FileChange], draft: DraftComment) -> Hunk | None:
    """The hunk of a comment; None for a whole file. Raises Refusal with GitHub's message."""
    _check_body(draft.body)
    change = files.get(draft.path)
    if change is None:
        raise _unprocessable("Path could not be resolved")
    if draft.line is None:
        return None
    hunk = change.hunk_at(draft.line, draft.side)
    if hunk is None:
        raise _unprocessable(
            "Pull request review thread line must be part of the diff",
            "Pull request review thread diff hunk can't be blank",
        )
    if draft.start_line is not None:
        start_side = draft.start_side or draft.side
        first, last = hunk.index(draft.start_line, start_side), hunk.index(draft.line, draft.side)
        if first is None:
            raise _unprocessable("Pull request review thread start line must be part of the same hunk as the line.")
        if last is not None and first >= last:
            raise _unprocessable("Pull request review thread start line must precede the end line.")
    return hunk


def _bare_review(state: State, pull: Pull, actor: Actor, commit: str) -> Review:
    now = state.now()
    review = Review(state.next_id(), pull, actor, "", "COMMENTED", commit, now, now)
    pull.reviews[review.id] = review
    pull.issue.updated_at = now
    return review


def _add(state: State, review: Review, draft: DraftComment, hunk: Hunk | None) -> ReviewComment:
    now = state.now()
    line = draft.line
    made = ReviewComment(
        id=state.next_id(),
        pull=review.pull,
        review=review,
        author=review.author,
        body=draft.body,
        path=draft.path,
        commit=review.commit,
        hunk=hunk.upto(line, draft.side) if hunk and line is not None else "",
        created_at=now,
        updated_at=now,
        line=line,
        side=draft.side,
        start_line=draft.start_line,
        start_side=(draft.start_side or draft.side) if draft.start_line is not None else None,
        position=hunk.offset + (hunk.index(line, draft.side) or 0) if hunk and line is not None else 1,
    )
    review.pull.comments[made.id] = made
    return made


def _emit_comment(state: State, made: ReviewComment, actor: Actor, action: str, extra: Json | None = None) -> None:
    payload = {
        "action": action,
        "comment": comment_shape(state.url, made),
        "pull_request": pull_shape(state.url, made.pull),
        **(extra or {}),
    }
    emit(state, made.pull.repository, "pull_request_review_comment", actor, payload)


def _check_body(body: str) -> None:
    if not body.strip():
        raise _unprocessable("Body can't be blank")
    if len(body) > MAX_BODY:
        raise _unprocessable(f"Body is too long (maximum is {MAX_BODY} characters)")


def _unprocessable(*errors: str) -> Refusal:
    return Refusal(422, "Unprocessable Entity", errors=errors)
