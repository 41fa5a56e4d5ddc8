"""Reviews, threads and titles in GraphQL: who sees them, where they stand, and how much one query may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from bot.rig.contract.contract import Contract
from bot.rig.github.effects.reviews import DraftComment
from tests.rig.github.conftest import Scene

THREADS = """reviewThreads(first: 9) { totalCount nodes {
  line startLine originalLine originalStartLine isOutdated comments(first: 9) { totalCount nodes {
    body pullRequestReview { submittedAt }
  } } } }"""


def ask(scene: Scene, fields: str, token: str | None = None) -> Any:
    """The answer about the repository's pull request 1, or the errors."""
    owner, name = scene.repo.full_name.split("/")
    query = f'{{ repository(owner: "{owner}", name: "{name}") {{ pullRequest(number: 1) {{ {fields} }} }} }}'
    headers = {"authorization": f"bearer {token or scene.token()}"}
    answer = scene.http.post(f"{scene.github.url}/api/graphql", json={"query": query}, headers=headers).json()
    if "errors" in answer:
        return answer["errors"]
    assert Contract.load().check(scene.github.server.request_log.entries[-1]) == ()
    return answer["data"]["repository"]["pullRequest"]


def opened(scene: Scene) -> None:
    scene.github.push_commit(scene.repo, "topic", {"new": "one\ntwo\nthree\n"}, "ann")
    scene.github.open_pull(scene.repo, "ann", "topic", "Topic")


def test_only_its_author_sees_a_pending_review_and_its_comments(scene: Scene) -> None:
    opened(scene)
    comments = [DraftComment("new", "draft", 1)]
    pending = scene.github.submit_review(scene.repo, 1, "bob", "not yet", event=None, comments=comments)
    fields = f"reviews(first: 9) {{ totalCount nodes {{ body state submittedAt }} }} {THREADS}"
    nothing = {"totalCount": 0, "nodes": []}
    assert ask(scene, fields) == {"reviews": nothing, "reviewThreads": nothing}
    theirs = ask(scene, fields, scene.github.personal_token("bob"))
    assert theirs["reviews"]["nodes"] == [{"body": "not yet", "state": "PENDING", "submittedAt": None}]
    assert theirs["reviewThreads"]["nodes"][0]["comments"]["nodes"] == [
        {"body": "draft", "pullRequestReview": {"submittedAt": None}}
    ]
    scene.github.submit_pending(pending)
    shown = ask(scene, fields)
    assert (shown["reviews"]["totalCount"], shown["reviewThreads"]["totalCount"]) == (1, 1)


def test_an_outdated_thread_has_only_its_original_lines(scene: Scene) -> None:
    opened(scene)
    scene.github.review_comment(scene.repo, 1, "bob", DraftComment("new", "why", 2, start_line=1))
    before = ask(scene, THREADS)["reviewThreads"]["nodes"][0]
    scene.github.push_commit(scene.repo, "topic", {"new": "other\n"}, "ann")
    after = ask(scene, THREADS)["reviewThreads"]["nodes"][0]
    keys = ("line", "startLine", "originalLine", "originalStartLine", "isOutdated")
    assert [before[key] for key in keys] == [2, 1, 2, 1, False]
    assert [after[key] for key in keys] == [None, None, 2, 1, True]


def test_an_edited_review_says_when_and_is_announced(scene: Scene) -> None:
    opened(scene)
    hub = scene.github
    review = hub.submit_review(scene.repo, 1, "bob", "Hm.")
    pending = hub.submit_review(scene.repo, 1, "bob", "draft", event=None)
    hub.wait_deliveries()
    scene.hook.received.clear()
    hub.edit_review(pending, "bob", "another draft")
    hub.edit_review(review, "bob", "Hm!")
    hub.hide(review, "SPAM")
    (found,) = ask(scene, "reviews(first: 9) { nodes { body lastEditedAt isMinimized minimizedReason } }")["reviews"][
        "nodes"
    ]
    assert found.pop("lastEditedAt") is not None
    assert found == {"body": "Hm!", "isMinimized": True, "minimizedReason": "spam"}
    hub.wait_deliveries()
    (event,) = scene.hook.events()
    assert event == "pull_request_review"
    assert b'"from":"Hm."' in scene.hook.received[0][1].replace(b'": "', b'":"')


def test_new_titles_stand_in_the_timeline(scene: Scene) -> None:
    opened(scene)
    scene.github.edit_issue(scene.repo, 1, "ann", title="Topics")
    renamed = "... on RenamedTitleEvent { previousTitle currentTitle actor { login } }"
    found = ask(scene, f"timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) {{ nodes {{ {renamed} }} }}")
    assert found["timelineItems"]["nodes"] == [
        {"previousTitle": "Topic", "currentTitle": "Topics", "actor": {"login": "ann"}}
    ]


@pytest.mark.parametrize(("inner", "refused"), [(48, False), (50, True)])
def test_a_query_may_ask_for_half_a_million_nodes(scene: Scene, inner: int, *, refused: bool) -> None:
    opened(scene)
    users = f"reactions(first: {inner}) {{ nodes {{ content }} }}"
    answer = ask(scene, f"reviewThreads(first: 100) {{ nodes {{ comments(last: 100) {{ nodes {{ {users} }} }} }} }}")
    if not refused:
        assert answer == {"reviewThreads": {"nodes": []}}
        return
    (error,) = answer
    assert error["type"] == "MAX_NODE_LIMIT_EXCEEDED"
    said = "This query requests up to 510,100 possible nodes which exceeds the maximum limit of 500,000."
    assert error["message"] == said
