"""Reviews and review comments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.rig.github.diff import compare
from bot.rig.github.effects import reviews as effects
from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.records import Pull, Review, ReviewComment
from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import NOTHING, Answer, Call, created
from bot.rig.github.rest.issues import since
from bot.rig.github.rest.pulls import the_pull
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import Json
from bot.rig.github.shapes import pulls as shapes
from bot.rig.github.state import review_comment_of

routes = Routes()


def _the_review(call: Call) -> Review:
    review = the_pull(call).reviews.get(call.number("review_id"))
    if review is None or not _shown(call, review):
        raise Refusal.not_found()
    return review


def _shown(call: Call, review: Review) -> bool:
    """Only its author sees a pending review."""
    return review.state != "PENDING" or review.author.account is call.identity.account


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}/reviews", "pull_requests:read")
def list_reviews(call: Call) -> Answer:
    """Oldest first."""
    found = [review for review in the_pull(call).reviews.values() if _shown(call, review)]
    return call.page(found, lambda review: shapes.review(call.url, review), created_at=lambda one: one.created_at)


@routes.post("/repos/{owner}/{repo}/pulls/{pull_number}/reviews", "pull_requests:write")
def create_review(call: Call) -> Answer:
    pull = the_pull(call)
    commit = call.string_or_none("commit_id")
    review = effects.create_review(
        call.state,
        pull,
        call.actor,
        body=call.string("body"),
        event=call.string_or_none("event") or None,
        commit=commit,
        comments=[_draft(pull, commit, row) for row in call.objects("comments")],
    )
    return Answer(body=shapes.review(call.url, review))


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}", "pull_requests:read")
def get_review(call: Call) -> Answer:
    return Answer(body=shapes.review(call.url, _the_review(call)))


@routes.put("/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}", "pull_requests:write")
def edit_review(call: Call) -> Answer:
    call.require("body")
    review = _the_review(call)
    effects.edit_review(call.state, review, call.actor, call.string("body"))
    return Answer(body=shapes.review(call.url, review))


@routes.delete("/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}", "pull_requests:write")
def delete_pending_review(call: Call) -> Answer:
    review = _the_review(call)
    if review.state != "PENDING":
        raise Refusal(422, "Unprocessable Entity", errors=["Can not delete a non-pending pull request review"])
    pull = review.pull
    del pull.reviews[review.id]
    pull.comments = {number: each for number, each in pull.comments.items() if each.review is not review}
    return Answer(body=shapes.review(call.url, review))


@routes.post("/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/events", "pull_requests:write")
def submit_review(call: Call) -> Answer:
    call.require("event")
    review = _the_review(call)
    effects.submit(call.state, review, call.actor, call.string("event"), call.string("body", review.body))
    return Answer(body=shapes.review(call.url, review))


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments", "pull_requests:read")
def list_comments_of_review(call: Call) -> Answer:
    review = _the_review(call)
    found = [each for each in review.pull.comments.values() if each.review is review]
    return _rows(call, found)


# --- comments -------------------------------------------------------------------------------------


def _rows(call: Call, found: list[ReviewComment]) -> Answer:
    after = since(call)
    seen = [each for each in found if _shown(call, each.review) and each.updated_at >= after]
    return call.page(seen, lambda each: _comment(call, each), created_at=lambda each: each.created_at)


def _comment(call: Call, comment: ReviewComment) -> Json:
    return shapes.review_comment(call.url, comment)


def _the_comment(call: Call) -> ReviewComment:
    comment = review_comment_of(call.repo, call.number("comment_id"))
    if not _shown(call, comment.review):
        raise Refusal.not_found()
    return comment


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}/comments", "pull_requests:read")
def list_comments(call: Call) -> Answer:
    return _rows(call, list(the_pull(call).comments.values()))


@routes.get("/repos/{owner}/{repo}/pulls/comments", "pull_requests:read")
def list_repository_comments(call: Call) -> Answer:
    return _rows(call, [each for pull in call.repo.pulls for each in pull.comments.values()])


@routes.post("/repos/{owner}/{repo}/pulls/{pull_number}/comments", "pull_requests:write")
def create_comment(call: Call) -> Answer:
    pull = the_pull(call)
    reply_to = call.integer("in_reply_to")
    if reply_to is not None:
        return _reply(call, pull, reply_to)
    call.require("body", "commit_id", "path")
    commit = call.string("commit_id")
    draft = _draft(pull, commit, call.fields)
    return created(_comment(call, effects.comment(call.state, pull, call.actor, draft, commit)))


@routes.post("/repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies", "pull_requests:write")
def create_reply(call: Call) -> Answer:
    call.require("body")
    return _reply(call, the_pull(call), call.number("comment_id"))


def _reply(call: Call, pull: Pull, number: int) -> Answer:
    to = pull.comments.get(number)
    if to is None:
        raise Refusal.not_found()
    return created(_comment(call, effects.reply(call.state, to, call.actor, call.string("body"))))


@routes.get("/repos/{owner}/{repo}/pulls/comments/{comment_id}", "pull_requests:read")
def get_comment(call: Call) -> Answer:
    return Answer(body=_comment(call, _the_comment(call)))


@routes.patch("/repos/{owner}/{repo}/pulls/comments/{comment_id}", "pull_requests:write")
def edit_comment(call: Call) -> Answer:
    call.require("body")
    comment = _the_comment(call)
    effects.edit_comment(call.state, comment, call.actor, call.string("body"))
    return Answer(body=_comment(call, comment))


@routes.delete("/repos/{owner}/{repo}/pulls/comments/{comment_id}", "pull_requests:write")
def delete_comment(call: Call) -> Answer:
    effects.delete_comment(call.state, _the_comment(call), call.actor)
    return NOTHING


def _draft(pull: Pull, commit: str | None, row: Mapping[str, Any]) -> DraftComment:
    """The comment in a body: by line, by the older `position`, or on the whole file."""
    path, body = row.get("path"), row.get("body")
    if not isinstance(path, str) or not isinstance(body, str):
        raise Refusal.unprocessable('Invalid request.\n\nNo subschema in "oneOf" matched.')
    line, side = row.get("line"), row.get("side") or "RIGHT"
    position = row.get("position")
    if row.get("subject_type") == "file":
        return DraftComment(path, body, None)
    if line is None and position is not None:
        line, side = _line_at(pull, commit or pull.head_sha, path, position)
    if not isinstance(line, int) or side not in ("LEFT", "RIGHT"):
        raise Refusal(
            422,
            "Unprocessable Entity",
            errors=[
                "Pull request review thread line must be part of the diff",
                "Pull request review thread diff hunk can't be blank",
            ],
        )
    return DraftComment(path, body, line, side, row.get("start_line"), row.get("start_side"))


def _line_at(pull: Pull, commit: str, path: str, position: int) -> tuple[int | None, str]:
    """The line at a `position`, which counts lines from the first hunk of a file's patch."""
    if pull.repository.bare.kind(commit) != "commit":
        return None, "RIGHT"
    for change in compare(pull.repository.bare, pull.base_sha, commit).files:
        for hunk in change.hunks if change.path == path else ():
            at = position - hunk.offset
            if 0 < at < len(hunk.numbers):
                old, new = hunk.numbers[at]
                return (new, "RIGHT") if new is not None else (old, "LEFT")
    return None, "RIGHT"
