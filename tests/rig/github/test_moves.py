"""What people do to a repository while an App works: compare-and-swap, merges, issues that go, branches renamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bot.rig.github.git import ZERO
from bot.rig.github.server import GitHub

from .conftest import Scene

SWAP = "mutation ($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }"


def ask(scene: Scene, query: str, token: str | None = None, **variables: Any) -> Any:
    answer = scene.http.post(
        f"{scene.github.url}/api/graphql",
        json={"query": query, "variables": variables},
        headers={"authorization": f"bearer {token or scene.token()}"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def swap(scene: Scene, *updates: dict[str, Any], token: str | None = None) -> Any:
    rows = [{**update, "name": f"refs/heads/{update['name']}"} for update in updates]
    return ask(scene, SWAP, token, input={"repositoryId": scene.repo.node_id, "refUpdates": rows})


def tip(scene: Scene, branch: str = "main") -> str | None:
    return scene.repo.bare.branch(branch)


def commits(scene: Scene) -> tuple[str, str, str]:
    """Three commits in a row; `topic` is at the second."""
    first = tip(scene) or ""
    second = scene.github.push_commit(scene.repo, "topic", {"a.txt": "a\n"}, "ann")
    third = scene.github.push_commit(scene.repo, "later", {"b.txt": "b\n"}, "ann")
    scene.github.force_push(scene.repo, "later", second, "ann")
    third = scene.github.push_commit(scene.repo, "later", {"b.txt": "b\n"}, "ann")
    return first, second, third


# --- updateRefs -----------------------------------------------------------------------------------


def test_a_ref_moves_from_where_it_is_expected(scene: Scene) -> None:
    _, second, third = commits(scene)
    answer = swap(scene, {"name": "topic", "beforeOid": second, "afterOid": third})
    assert answer == {"data": {"updateRefs": {"clientMutationId": None}}}
    assert tip(scene, "topic") == third


@pytest.mark.parametrize("name", ["topic", "nowhere"])
def test_a_ref_that_is_elsewhere_or_gone_stays(scene: Scene, name: str) -> None:
    first, second, third = commits(scene)
    before = scene.repo.bare.refs()
    (error,) = swap(scene, {"name": name, "beforeOid": first, "afterOid": third})["errors"]
    at = second if name == "topic" else ZERO
    assert (error["type"], error["path"]) == ("UNPROCESSABLE", ["updateRefs"])
    assert error["message"] == f"refs/heads/{name} is at {at} but expected {first}"
    assert scene.repo.bare.refs() == before


def test_a_move_back_needs_force(scene: Scene) -> None:
    first, second, _ = commits(scene)
    back = {"name": "topic", "beforeOid": second, "afterOid": first}
    (error,) = swap(scene, back)["errors"]
    assert (error["type"], error["message"]) == ("UNPROCESSABLE", "Update is not a fast forward")
    swap(scene, {**back, "force": True})
    assert tip(scene, "topic") == first


def test_all_updates_are_done_or_none(scene: Scene) -> None:
    first, second, third = commits(scene)
    good = {"name": "topic", "beforeOid": second, "afterOid": third}
    assert "errors" in swap(scene, good, {"name": "main", "beforeOid": second, "afterOid": third})
    assert (tip(scene, "topic"), tip(scene)) == (second, first)
    created = {"name": "new", "beforeOid": ZERO, "afterOid": first}
    deleted = {"name": "later", "beforeOid": third, "afterOid": ZERO}
    assert "errors" not in swap(scene, good, created, deleted)
    assert (tip(scene, "topic"), tip(scene, "new"), tip(scene, "later")) == (third, first, None)


def test_rules_archives_and_permissions_hold_for_it_too(scene: Scene) -> None:
    _, second, third = commits(scene)
    update = {"name": "topic", "beforeOid": second, "afterOid": third}
    (error,) = swap(scene, update, token=scene.token({"contents": "read"}))["errors"]
    assert (error["type"], error["message"]) == ("FORBIDDEN", "Resource not accessible by integration")
    scene.github.protect(scene.repo, "refs/heads/topic", update=True, why="Not so.")
    (error,) = swap(scene, update)["errors"]
    assert (error["type"], error["message"].split("\n")[0]) == ("UNPROCESSABLE", "Repository rule violations found")
    scene.github.archive(scene.repo)
    (error,) = swap(scene, update)["errors"]
    assert (error["type"], error["message"]) == ("FORBIDDEN", "Repository was archived so is read-only.")
    assert tip(scene, "topic") == second


def test_a_pull_request_follows_and_the_push_is_announced(scene: Scene) -> None:
    _, second, third = commits(scene)
    pull = scene.github.open_pull(scene.repo, "ann", "topic", "A topic")
    scene.github.wait_deliveries()
    scene.hook.received.clear()
    swap(scene, {"name": "topic", "beforeOid": second, "afterOid": third})
    assert pull.head_sha == third
    scene.github.wait_deliveries()
    assert sorted(scene.hook.events()) == ["pull_request", "push"]


# --- merging a branch -----------------------------------------------------------------------------


def merge(scene: Scene, base: str, head: str) -> Any:
    return scene.ask("POST", "{repo}/merges", scene.token({"contents": "write"}), {"base": base, "head": head})


def test_a_branch_is_merged_into_another_once(scene: Scene) -> None:
    first, second, _ = commits(scene)
    other = scene.github.push_commit(scene.repo, "main", {"c.txt": "c\n"}, "ann")
    made = merge(scene, "topic", "main")
    assert made.status_code == 201
    commit = scene.repo.bare.commit(tip(scene, "topic") or "")
    assert (made.json()["sha"], commit.parents) == (commit.oid, (second, other))
    assert commit.oid in scene.repo.verified
    assert merge(scene, "topic", "main").status_code == 204
    assert merge(scene, "topic", first).status_code == 204


def test_a_merge_that_conflicts_or_has_no_branch_changes_nothing(scene: Scene) -> None:
    commits(scene)
    scene.github.push_commit(scene.repo, "main", {"a.txt": "quite another\n"}, "ann")
    before = scene.repo.bare.refs()
    answers = [merge(scene, base, head) for base, head in (("topic", "main"), ("no", "main"), ("topic", "no"))]
    assert [(each.status_code, each.json()["message"]) for each in answers] == [
        (409, "Merge conflict"),
        (404, "Base does not exist"),
        (404, "Head does not exist"),
    ]
    assert scene.repo.bare.refs() == before


def test_a_merge_does_not_bring_in_workflows_without_the_permission(scene: Scene) -> None:
    commits(scene)
    scene.github.push_commit(scene.repo, "main", {".github/workflows/ci.yml": "on: push\n"}, "ann")
    answer = merge(scene, "topic", "main")
    assert (answer.status_code, "`workflows` permission" in answer.json()["message"]) == (403, True)


@pytest.fixture(params=[False, True])
def of_branches(scene: Scene, request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether GitHub takes workflows that a branch has. It documents that for OAuth apps alone."""
    scene.github.settings.workflows_of_branches = request.param
    yield request.param
    scene.github.settings.workflows_of_branches = False


def test_nor_does_a_commit_that_the_app_made(scene: Scene, *, of_branches: bool) -> None:
    _, second, _ = commits(scene)
    bare, token = scene.repo.bare, scene.token()
    main = scene.github.push_commit(scene.repo, "main", {".github/workflows/ci.yml": "on: push\n"}, "ann")
    own = scene.github.push_commit(scene.repo, "other", {".github/workflows/mine.yml": "on: push\n"}, "ann")
    by = bare.commit(main).author
    merged = bare.write_commit(bare.resolve(f"{main}^{{tree}}") or "", [second, main], "Merge", by, by)
    changed = bare.write_commit(bare.resolve(f"{own}^{{tree}}") or "", [second], "Mine", by, by)
    for sha in (merged, changed):
        taken = of_branches and sha == merged
        ref = {"ref": f"refs/heads/made-{sha}", "sha": sha}
        made = scene.ask("POST", "{repo}/git/refs", token, ref)
        if taken:
            scene.github.delete_branch(scene.repo, f"made-{sha}", "ann")
        moved = swap(scene, {"name": "topic", "beforeOid": second, "afterOid": sha})
        assert (made.status_code, tip(scene, "topic")) == ((201, sha) if taken else (403, second))
        assert ("without `workflows` permission" in str(moved)) is not taken
        if taken:
            bare.set_ref("refs/heads/topic", second)


def test_a_squashed_pull_request_is_merged_though_its_base_lacks_its_commits(scene: Scene) -> None:
    _, second, _ = commits(scene)
    pull = scene.github.open_pull(scene.repo, "ann", "topic", "A topic")
    made = scene.github.merge(scene.repo, pull.number, "ann", squash=True)
    assert (pull.merge_sha, pull.issue.state, pull.head_sha) == (made, "closed", second)
    assert not scene.repo.bare.is_ancestor(second, made)
    scene.github.push_commit(scene.repo, "topic", {"d.txt": "d\n"}, "ann")
    assert pull.head_sha == second, "no push changes it any more"


# --- issues that go -------------------------------------------------------------------------------

STATE = """query ($owner: String!, $name: String!, $number: Int!) { repository(owner: $owner, name: $name) {
  issueOrPullRequest(number: $number) { __typename ... on Issue { state stateReason(enableDuplicate: true) } } } }"""


def state(scene: Scene, number: int) -> Any:
    owner, name = scene.repo.full_name.split("/")
    return ask(scene, STATE, owner=owner, name=name, number=number)


@pytest.mark.parametrize("reason", [None, "completed", "not_planned", "duplicate"])
def test_an_issue_is_closed_for_a_reason(scene: Scene, reason: str | None) -> None:
    issue = scene.github.open_issue(scene.repo, "ann", "Broken")
    scene.github.close(scene.repo, issue.number, "ann", reason)
    found = state(scene, issue.number)["data"]["repository"]["issueOrPullRequest"]
    assert (found["state"], found["stateReason"]) == ("CLOSED", (reason or "completed").upper())


@pytest.mark.parametrize(("goes", "status"), [("deleted", 410), ("transferred", 404)])
def test_an_issue_that_is_gone_is_not_found_and_its_number_not_used_again(
    scene: Scene, hub: GitHub, goes: str, status: int
) -> None:
    issue = scene.github.open_issue(scene.repo, "ann", "Broken", "It is.")
    comment = scene.github.comment(scene.repo, issue.number, "ann", "Really.")
    scene.github.wait_deliveries()
    scene.hook.received.clear()
    if goes == "deleted":
        hub.delete_issue(scene.repo, issue.number, "ann")
    else:
        other = hub.create_repository(f"{scene.repo.owner.login}/other", files={"a": "a\n"})
        moved = hub.transfer_issue(scene.repo, issue.number, "ann", other)
        assert (moved.title, moved.body, [each.body for each in moved.comments.values()]) == (
            "Broken",
            "It is.",
            ["Really."],
        )
    answer = state(scene, issue.number)
    assert answer["data"] == {"repository": {"issueOrPullRequest": None}}
    (error,) = answer["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["repository", "issueOrPullRequest"])
    token = scene.token()
    assert scene.ask("GET", f"{{repo}}/issues/{issue.number}", token).status_code == status
    assert scene.ask("GET", f"{{repo}}/issues/comments/{comment.id}", token).status_code == 404
    assert scene.github.open_issue(scene.repo, "ann", "Another").number == issue.number + 1
    scene.github.wait_deliveries()
    assert f'"action":"{goes}"' in scene.hook.received[0][1].decode().replace('": "', '":"')


# --- renamed branches -----------------------------------------------------------------------------


def test_a_renamed_default_branch_takes_its_pull_requests_along(scene: Scene) -> None:
    first, second, _ = commits(scene)
    pull = scene.github.open_pull(scene.repo, "ann", "topic", "A topic")
    scene.github.rename_branch(scene.repo, "main", "trunk", "ann")
    assert (scene.repo.default_branch, tip(scene, "trunk"), tip(scene, "main")) == ("trunk", first, None)
    assert (pull.base_ref, pull.issue.state, pull.head_sha) == ("trunk", "open", second)
    scene.github.rename_branch(scene.repo, "topic", "theme", "ann")
    assert (pull.issue.state, tip(scene, "theme")) == ("closed", second)
