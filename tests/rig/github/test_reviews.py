"""Reviews and comments on lines."""

from __future__ import annotations

from typing import Any

import github as pygithub
import pytest
from github.PullRequest import PullRequest

from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.records import Pull

from .conftest import Scene

OLD = "".join(f"line {number}\n" for number in range(1, 41))
NEW = OLD.replace("line 5\n", "LINE 5\nmore\n").replace("line 30\n", "")


@pytest.fixture
def pull(scene: Scene) -> Pull:
    """Pull request 1 with two hunks: around lines 2-9 and 27-34 of the new file."""
    scene.github.push_commit(scene.repo, "main", {"long.txt": OLD}, "ann")
    scene.github.push_commit(scene.repo, "topic", {"long.txt": NEW}, "ann")
    return scene.github.open_pull(scene.repo, "ann", "topic", "Topic")


@pytest.fixture
def found(scene: Scene, pull: Pull) -> PullRequest:
    return scene.client().get_repo(scene.repo.full_name).get_pull(pull.number)


def test_a_review_with_comments_stands_on_its_commit(scene: Scene, pull: Pull, found: PullRequest) -> None:
    review = found.create_review(
        scene.client().get_repo(scene.repo.full_name).get_commit(pull.head_sha),
        "Two comments",
        "COMMENT",
        [
            {"path": "long.txt", "line": 6, "side": "RIGHT", "body": "why?"},
            {"path": "long.txt", "line": 30, "side": "LEFT", "body": "needed", "start_line": 28, "start_side": "LEFT"},
        ],
    )
    assert (review.state, review.user.login, review.commit_id) == ("COMMENTED", "ampbot[bot]", pull.head_sha)
    comments = [(each.line, each.side, each.start_line, each.body) for each in found.get_review_comments()]
    assert comments == [(6, "RIGHT", None, "why?"), (30, "LEFT", 28, "needed")]
    assert found.get_review_comments()[0].diff_hunk.endswith("+LINE 5\n+more")
    assert [each.id for each in found.get_single_review_comments(review.id)] == [
        each.id for each in found.get_review_comments()
    ]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"line": 20}, "Pull request review thread line must be part of the diff"),
    ({"line": None}, "Pull request review thread line must be part of the diff"),
    ({"path": "nowhere"}, "Path could not be resolved"),
    (
        {"start_line": 3, "line": 28},
        "Pull request review thread start line must be part of the same hunk as the line.",
    ),
    ({"start_line": 6, "line": 5}, "Pull request review thread start line must precede the end line."),
    ({"body": " "}, "Body can't be blank"),
]


@pytest.mark.parametrize(("wrong", "said"), REFUSED)
def test_one_bad_comment_refuses_the_whole_review(scene: Scene, pull: Pull, wrong: dict[str, Any], said: str) -> None:
    good = {"path": "long.txt", "line": 6, "side": "RIGHT", "body": "good"}
    body = {"body": "b", "event": "COMMENT", "comments": [good, {**good, **wrong}]}
    answer = scene.ask("POST", "{repo}/pulls/1/reviews", scene.token(), body)
    assert (answer.status_code, answer.json()["errors"][0]) == (422, said)
    assert (pull.reviews, pull.comments) == ({}, {})


def test_a_review_of_a_strange_commit_is_refused(scene: Scene, pull: Pull) -> None:
    strange = scene.github.push_commit(scene.repo, "other", {"x": "y"}, "ann")
    for commit in (strange, "f" * 40):
        body = {"body": "b", "event": "COMMENT", "commit_id": commit}
        assert scene.ask("POST", "{repo}/pulls/1/reviews", scene.token(), body).status_code == 422


def test_a_review_needs_a_text_unless_it_approves(scene: Scene, pull: Pull) -> None:
    token = scene.token()
    assert scene.ask("POST", "{repo}/pulls/1/reviews", token, {"event": "COMMENT"}).status_code == 422
    assert scene.ask("POST", "{repo}/pulls/1/reviews", token, {"event": "REQUEST_CHANGES"}).status_code == 422
    assert scene.ask("POST", "{repo}/pulls/1/reviews", token, {"event": "APPROVE"}).status_code == 200


def test_nobody_approves_what_is_their_own(scene: Scene) -> None:
    scene.github.push_commit(scene.repo, "amp/1", {"new": "x"}, "ann")
    own = scene.client().get_repo(scene.repo.full_name).create_pull(title="Own", head="amp/1", base="main")
    with pytest.raises(pygithub.GithubException) as refused:
        own.create_review(body="fine", event="APPROVE")
    assert refused.value.data["errors"] == ["Can not approve your own pull request"]


def test_a_pending_review_is_its_authors_secret(scene: Scene, pull: Pull) -> None:
    token, ann = scene.token(), scene.github.personal_token("ann")
    comment = {"path": "long.txt", "line": 6, "side": "RIGHT", "body": "hm"}
    made = scene.ask("POST", "{repo}/pulls/1/reviews", token, {"body": "later", "comments": [comment]}).json()
    assert made["state"] == "PENDING"
    assert scene.ask("GET", "{repo}/pulls/1/reviews", ann).json() == []
    assert scene.ask("GET", "{repo}/pulls/1/comments", ann).json() == []
    again = scene.ask("POST", "{repo}/pulls/1/reviews", token, {"body": "two"})
    assert again.json()["errors"] == ["User can only have one pending review per pull request"]
    path = f"{{repo}}/pulls/1/reviews/{made['id']}"
    done = scene.ask("POST", f"{path}/events", token, {"event": "COMMENT", "body": "now"}).json()
    assert (done["state"], done["body"]) == ("COMMENTED", "now")
    assert len(scene.ask("GET", "{repo}/pulls/1/comments", ann).json()) == 1
    assert scene.ask("DELETE", path, token).status_code == 422


def test_comments_are_answered_edited_and_reacted_to(scene: Scene, pull: Pull, found: PullRequest) -> None:
    first = scene.github.review_comment(scene.repo, 1, "bob", DraftComment("long.txt", "/amp explain", 6))
    answer = found.create_review_comment_reply(first.id, "Because.")
    later = found.create_review_comment_reply(answer.id, "And so.")
    assert (answer.in_reply_to_id, later.in_reply_to_id) == (first.id, first.id)
    answer.edit("Since.")
    assert found.get_review_comment(answer.id).body == "Since."
    assert found.get_review_comment(first.id).create_reaction("eyes").content == "eyes"
    later.delete()
    assert [each.id for each in found.get_review_comments()] == [first.id, answer.id]


def test_a_comment_alone_is_placed_by_line_position_or_file(scene: Scene, pull: Pull) -> None:
    token = scene.token()
    base = {"body": "b", "commit_id": pull.head_sha, "path": "long.txt"}
    by_line = scene.ask("POST", "{repo}/pulls/1/comments", token, {**base, "line": 6, "side": "RIGHT"}).json()
    by_position = scene.ask("POST", "{repo}/pulls/1/comments", token, {**base, "position": by_line["position"]}).json()
    by_file = scene.ask("POST", "{repo}/pulls/1/comments", token, {**base, "subject_type": "file"})
    assert by_position["line"] == by_line["line"] == 6
    assert (by_file.status_code, by_file.json()["subject_type"], by_file.json()["line"]) == (201, "file", 1)


def test_a_comment_is_outdated_once_its_line_is_gone(scene: Scene, pull: Pull, found: PullRequest) -> None:
    scene.github.review_comment(scene.repo, 1, "bob", DraftComment("long.txt", "why?", 6))
    scene.github.review_comment(scene.repo, 1, "bob", DraftComment("long.txt", "stays", 5))
    scene.github.push_commit(scene.repo, "topic", {"long.txt": NEW.replace("more\n", "")}, "ann")
    comments = [(each.body, each.line, each.original_line) for each in found.get_review_comments()]
    assert comments == [("why?", None, 6), ("stays", 5, 5)]


def test_a_review_answers_the_request_for_it(scene: Scene, pull: Pull) -> None:
    scene.github.request_review(scene.repo, 1, "ann", "bob")
    scene.github.submit_review(scene.repo, 1, "bob", "Good", event="APPROVE")
    assert pull.reviewers == []
