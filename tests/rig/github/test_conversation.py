"""Issues, comments, labels, reactions and events, seen through PyGithub and raw requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.rig.github.refusal import Refusal
from bot.rig.github.server import GitHub

from .conftest import Scene


def test_a_comment_of_the_app_is_its_bots_and_says_so(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken", "It is.")
    issue = scene.client().get_repo(scene.repo.full_name).get_issue(1)
    made = issue.create_comment("On it.")
    made.edit("Done.")
    found = issue.get_comment(made.id)
    assert (found.body, found.user.login, found.user.type) == ("Done.", "ampbot[bot]", "Bot")
    assert found.raw_data["performed_via_github_app"]["slug"] == "ampbot"
    made.delete()
    assert issue.get_comments().totalCount == 0
    assert scene.ask("GET", f"{{repo}}/issues/comments/{made.id}", scene.token()).status_code == 404


def test_ids_of_comments_do_not_fit_into_32_bits(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    assert scene.github.comment(scene.repo, 1, "ann", "hello").id > 2**31


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x" * 65_537, "Body is too long (maximum is 65536 characters)"),
        (" ", "Body cannot be blank"),
    ],
)
def test_a_comment_has_a_length(scene: Scene, body: str, said: str) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    answer = scene.ask("POST", "{repo}/issues/1/comments", scene.token(), {"body": body})
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (422, said)
    longest = scene.ask("POST", "{repo}/issues/1/comments", scene.token(), {"body": "x" * 65_536})
    assert longest.status_code == 201


def test_wrong_bodies_are_refused_in_githubs_words(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    token, path = scene.token(), "{repo}/issues/1/comments"
    assert scene.ask("POST", path, token, {}).json()["message"] == 'Invalid request.\n\n"body" wasn\'t supplied.'
    wrong = scene.ask("POST", path, token, {"body": None, "labels": 1})
    assert wrong.status_code == 422
    listed = scene.ask("POST", path, token, [1])
    assert (listed.status_code, listed.json()["message"]) == (400, "Body should be a JSON object")


def test_a_reaction_is_made_once_and_found_the_second_time(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    comment = scene.github.comment(scene.repo, 1, "ann", "/amp fix")
    path, token = f"{{repo}}/issues/comments/{comment.id}/reactions", scene.token()
    first = scene.ask("POST", path, token, {"content": "eyes"})
    again = scene.ask("POST", path, token, {"content": "eyes"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert scene.ask("POST", path, token, {"content": "tada"}).status_code == 422
    counts = scene.ask("GET", f"{{repo}}/issues/comments/{comment.id}", token).json()["reactions"]
    assert (counts["eyes"], counts["total_count"]) == (1, 1)
    assert scene.ask("DELETE", f"{path}/{first.json()['id']}", token).status_code == 204
    assert scene.ask("GET", path, token).json() == []


def test_nobody_takes_back_anothers_reaction(scene: Scene) -> None:
    issue = scene.github.open_issue(scene.repo, "ann", "Broken")
    reaction = scene.github.react(issue, "ann", "heart")
    path = f"{{repo}}/issues/1/reactions/{reaction.id}"
    assert scene.ask("DELETE", path, scene.token()).status_code == 403


def test_labels_are_one_whatever_their_case(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken", labels=["Amp"])
    issue = scene.client().get_repo(scene.repo.full_name).get_issue(1)
    issue.remove_from_labels("amp")
    assert [label.name for label in issue.get_labels()] == []
    absent = scene.ask("DELETE", "{repo}/issues/1/labels/amp", scene.token())
    assert (absent.status_code, absent.json()["message"]) == (404, "Label does not exist")
    issue.add_to_labels("AMP", "bug")
    assert [label.name for label in issue.get_labels()] == ["Amp", "bug"]
    issue.set_labels("bug")
    assert [label.name for label in issue.get_labels()] == ["bug"]


def test_the_list_of_events_says_who_labelled_and_assigned(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    scene.github.label(scene.repo, 1, "ann", "amp")
    scene.github.assign(scene.repo, 1, "bob", "ann")
    scene.github.unlabel(scene.repo, 1, "bob", "amp")
    scene.github.close(scene.repo, 1, "ann")
    issue = scene.client().get_repo(scene.repo.full_name).get_issue(1)
    events = [(event.event, event.actor.login) for event in issue.get_events()]
    assert events == [("labeled", "ann"), ("assigned", "ann"), ("unlabeled", "bob"), ("closed", "ann")]
    assert issue.get_events()[1].assigner.login == "bob", "the actor is whoever was assigned"
    assert issue.get_events()[0].label.name == "amp"
    scene.github.comment(scene.repo, 1, "bob", "why?")
    assert [row.event for row in issue.get_timeline()][-1] == "commented"


def test_assigning_strangers_and_bots_does_nothing_without_a_word(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    asked = {"assignees": ["ann", "bob", "nobody", "ampbot[bot]"]}
    answer = scene.ask("POST", "{repo}/issues/1/assignees", scene.token(), asked)
    assert answer.status_code == 201
    assert [account["login"] for account in answer.json()["assignees"]] == ["ann"]


def test_lists_come_in_pages_linked_by_the_repositorys_id(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    for number in range(105):
        scene.github.comment(scene.repo, 1, "ann", f"comment {number}")
    issue = scene.client().get_repo(scene.repo.full_name).get_issue(1)
    assert [comment.body for comment in issue.get_comments()] == [f"comment {number}" for number in range(105)]
    token = scene.token()
    page = scene.ask("GET", "{repo}/issues/1/comments?per_page=500", token)
    assert len(page.json()) == 100
    following = page.links["next"]["url"]
    assert following.startswith(f"{scene.github.api_url}/repositories/{scene.repo.id}/issues/1/comments?")
    assert scene.ask("GET", following, token).json()[0]["body"] == "comment 100"
    assert set(scene.ask("GET", following, token).links) == {"prev", "first"}


def test_a_list_can_begin_at_a_time(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    comment = scene.github.comment(scene.repo, 1, "ann", "old")
    comment.updated_at -= 3600
    scene.github.comment(scene.repo, 1, "ann", "new")
    issue = scene.client().get_repo(scene.repo.full_name).get_issue(1)
    since = issue.created_at
    assert [found.body for found in issue.get_comments(since=since)] == ["new"]


def test_a_list_lags_behind_what_is_found_by_its_id(scene: Scene, hub: GitHub) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    hub.settings.list_lag_seconds = 5
    try:
        comment = scene.github.comment(scene.repo, 1, "ann", "new")
        issue = scene.client().get_repo(scene.repo.full_name).get_issue(1)
        assert list(issue.get_comments()) == []
        assert issue.get_comment(comment.id).body == "new"
        comment.created_at -= 6
        assert [found.id for found in issue.get_comments()] == [comment.id]
    finally:
        hub.settings.list_lag_seconds = 0


def test_what_a_deleted_account_wrote_is_the_ghosts(scene: Scene, hub: GitHub) -> None:
    hub.create_user("zed")
    scene.github.open_issue(scene.repo, "zed", "Broken")
    hub.delete_user("zed")
    assert scene.ask("GET", "{repo}/issues/1", scene.token()).json()["user"]["login"] == "ghost"
    assert scene.ask("GET", "/users/zed", scene.token()).status_code == 404


def test_what_is_known_already_is_not_sent_nor_counted_again(scene: Scene, hub: GitHub) -> None:
    hub.settings.limits = replace(hub.settings.limits, core=3)
    try:
        token = scene.token()
        first = scene.ask("GET", "{repo}/pulls", token)
        for _ in range(5):
            again = scene.ask("GET", "{repo}/pulls", token, headers={"if-none-match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        assert again.headers["x-ratelimit-used"] == "1"
    finally:
        hub.settings.limits = replace(hub.settings.limits, core=5000)


def test_a_locked_conversation_is_open_to_those_who_may_write_but_to_no_app(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    scene.github.lock(scene.repo, 1, "ann")
    with pytest.raises(Refusal, match="issue is locked"):
        scene.github.comment(scene.repo, 1, "bob", "hello")
    answer = scene.ask("POST", "{repo}/issues/1/comments", scene.token(), {"body": "hello"})
    assert (answer.status_code, answer.json()["message"]) == (403, "Unable to create comment because issue is locked.")
    assert scene.github.comment(scene.repo, 1, "ann", "hello").body == "hello"
    scene.github.lock(scene.repo, 1, "ann", locked=False)
    assert scene.ask("POST", "{repo}/issues/1/comments", scene.token(), {"body": "hello"}).status_code == 201
