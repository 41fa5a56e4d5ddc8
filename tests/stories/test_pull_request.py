"""A request on a pull request becomes one commit on its branch, unless that is no longer ours to push to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.rig.github.diff import diff
from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.records import Pull
from tests.stories.story import BOT, HELD, MAINTAINER, Story

CHANGE = {"app.py": "def answer():\n    return 42\n"}


def own_branch(story: Story, pull: Pull) -> str:
    slug = pull.issue.title.lower().replace(" ", "-")
    return f"amp/{pull.number}-{slug}-{story.runs()[0]['id'].replace('-', '')[:8]}"


def test_a_request_adds_one_commit_to_the_branch(story: Story) -> None:
    pull = story.pull(CHANGE)
    main, before = story.branches()["main"], pull.head_sha
    comment = story.say(
        pull.number,
        """/amp test this

- create test_app.py: from app import answer
- run: cp ~/.ampbot/pull.diff seen.diff
- title: Test the answer
- answer: There is a test now.
""",
    )
    story.settle()

    (run,) = story.runs()
    commit = story.repo.bare.commit(pull.head_sha)
    person = comment.author.account
    trailer = f"Co-authored-by: {MAINTAINER} <{person.id}+{MAINTAINER}@users.noreply.127.0.0.1>"
    assert commit.parents == (before,)
    assert commit.message == f"Test the answer\n\nAmpbot-Run: {run['id']}\n{trailer}\n"
    assert (commit.author.name, pull.head_sha in story.repo.verified) == (BOT, True)
    assert story.files(pull.head_sha) == story.files(before) | {
        "test_app.py": ("100644", b"from app import answer\n"),
        "seen.diff": ("100644", diff(story.repo.bare, main, before).encode()),
    }

    assert story.branches() == {"main": main, "feature": pull.head_sha}
    assert story.pulls() == [pull]
    assert (story.reviews(pull.number), pull.issue.labels, pull.issue.body) == ([], [], "What it does.")
    assert story.states() == ["published"]
    assert story.reactions(comment) == [(BOT, "eyes")]
    answer = story.only_answer(pull.number)
    assert "### ✅ Done" in answer
    assert f"Added {pull.head_sha} to `feature` (2 files changed)." in answer
    assert "There is a test now." in answer


def pushed(story: Story) -> str | None:
    return story.rig.github.push_commit(story.repo, "feature", {"other.txt": "other\n"}, MAINTAINER)


def rewritten(story: Story) -> str | None:
    story.rig.github.push_commit(story.repo, "again", {"other.txt": "other\n"}, MAINTAINER)
    story.rig.github.force_push(story.repo, "feature", story.branches()["again"], MAINTAINER)
    return story.branches()["again"]


def deleted(story: Story) -> str | None:
    story.rig.github.delete_branch(story.repo, "feature", MAINTAINER)
    return None


@pytest.mark.parametrize("meanwhile", [pushed, rewritten, deleted])
def test_where_the_branch_moved_the_work_is_kept_beside_it(
    story: Story, meanwhile: Callable[[Story], str | None]
) -> None:
    pull = story.pull(CHANGE)
    before = pull.head_sha
    story.say(pull.number, f"/amp go on\n\n- {HELD}\n- create new.txt: new\n- answer: Here it is.\n")
    story.until("the agent to be at work", lambda: story.states() == ["working"])
    others = meanwhile(story)
    story.settle()

    own = own_branch(story, pull)
    assert story.branches().get("feature") == others, "nothing is forced, and nothing brought back"
    commit = story.repo.bare.commit(story.branches()[own])
    start = others if meanwhile is rewritten and others is not None else before
    assert commit.parents == (start,), "what was rewritten does not come back"
    assert story.files(commit.oid) == story.files(start) | {"new.txt": ("100644", b"new\n")}
    assert commit.oid in story.repo.verified
    assert story.pulls() == [pull]
    assert story.states() == ["published"]
    answer = story.only_answer(pull.number)
    assert "`feature` moved or went away while Amp was at work, so nothing was pushed to it." in answer
    page = f"{story.rig.github.url}/{story.repo.full_name}/compare/{start}...{own}"
    assert f"The work is on `{own}`: [look at it]({page})" in answer
    assert "Here it is." in answer


def test_a_question_is_answered_and_nothing_is_pushed(story: Story) -> None:
    pull = story.pull(CHANGE)
    branches = story.branches()
    story.say(pull.number, "/amp why 42?\n\n- answer: Because of the question.\n")
    story.settle()
    assert story.states() == ["answered"]
    assert "### 💬 Answered" in story.only_answer(pull.number)
    assert "Because of the question." in story.only_answer(pull.number)
    assert story.branches() == branches


def from_fork(story: Story) -> Pull:
    user = f"fay{story.repo.id}"
    story.rig.github.create_user(user)
    fork = story.rig.github.fork(story.repo, user)
    story.rig.github.push_commit(fork, "patch", CHANGE, user)
    return story.rig.github.open_pull(story.repo, user, (fork, "patch"), "A patch", "It should be 42.")


def test_questions_on_a_pull_request_from_a_fork_are_answered(story: Story) -> None:
    pull = from_fork(story)
    story.say(pull.number, "/amp is this right?\n\n- run: git rev-parse HEAD\n- answer: It is.\n")
    story.settle()
    assert story.states() == ["answered"]
    assert "It is." in story.only_answer(pull.number)
    assert f"at commit {pull.head_sha}, the head of pull request #{pull.number}" in story.prompt()
    assert "return 42" in diff(story.repo.bare, story.branches()["main"], pull.head_sha)


def test_work_on_a_fork_is_refused_in_one_sentence(story: Story) -> None:
    pull = from_fork(story)
    head, branches = pull.head_sha, story.branches()
    story.say(pull.number, "/amp test it\n\n- create test_app.py: import app\n")
    story.settle()
    assert story.states() == ["refused"]
    answer = story.only_answer(pull.number)
    assert "### 🚫 Not published" in answer
    assert "This pull request comes from a fork, and ampbot does not push to forks." in answer
    assert story.rig.query(
        "SELECT name FROM artifacts WHERE name <> 'paths' AND run = :run", run=story.runs()[0]["id"]
    ) == [{"name": "changes"}]
    assert story.branches() == branches
    assert pull.head_repository is not None
    assert (pull.head_sha, pull.head_repository.bare.branch("patch")) == (head, head)


def test_a_pull_request_from_a_fork_is_reviewed(story: Story) -> None:
    pull = from_fork(story)
    head = pull.head_sha
    story.say(pull.number, "/amp review")
    story.settle()
    assert story.states() == ["reviewed"]
    (review,) = story.reviews(pull.number)
    assert (review.state, review.commit, pull.head_sha) == ("COMMENTED", head, head)
    assert "### 🔎 Reviewed" in story.only_answer(pull.number)


def closed(story: Story, pull: Pull) -> None:
    story.rig.github.close(story.repo, pull.number, MAINTAINER)


def merged(story: Story, pull: Pull) -> None:
    story.rig.github.merge(story.repo, pull.number, MAINTAINER)


def without_branch(story: Story, pull: Pull) -> None:
    story.rig.github.delete_branch(story.repo, pull.head_ref, MAINTAINER)


@pytest.mark.parametrize("end", [closed, merged, without_branch])
def test_a_question_is_answered_whatever_became_of_the_pull_request(
    story: Story, end: Callable[[Story, Pull], None]
) -> None:
    pull = story.pull(CHANGE)
    end(story, pull)
    branches = story.branches()
    story.say(pull.number, "/amp why is it 42?\n\n- answer: That was the question.\n")
    story.settle()
    assert story.states() == ["answered"]
    assert "That was the question." in story.only_answer(pull.number)
    assert story.branches() == branches


def test_what_is_asked_for_on_a_merged_pull_request_becomes_one_of_its_own(story: Story) -> None:
    pull = story.pull(CHANGE)
    merged(story, pull)
    story.say(pull.number, "/amp test it\n\n- create test_app.py: import app\n- title: Test it\n")
    story.settle()
    assert story.states() == ["published"]
    own = story.pulls()[-1]
    assert (own.issue.title, own.base_ref, own.issue.number != pull.number) == ("Test it", "main", True)
    assert story.files(own.head_sha)["test_app.py"] == ("100644", b"import app\n")
    assert f"has been merged, so the work is in #{own.issue.number} (1 file changed)." in story.only_answer(pull.number)


@pytest.mark.parametrize("end", [closed, without_branch])
def test_there_is_nothing_to_push_to_once_it_is_closed(story: Story, end: Callable[[Story, Pull], None]) -> None:
    pull = story.pull(CHANGE)
    end(story, pull)
    branches = story.branches()
    story.say(pull.number, "/amp test it\n\n- create test_app.py: import app\n")
    story.settle()
    assert story.states() == ["refused"]
    answer = story.only_answer(pull.number)
    assert "This pull request is closed or its branch is gone, so there is nothing to push to." in answer
    assert "What Amp changed is kept with the run." in answer
    assert story.branches() == branches
    assert "changes" in story.kept()[0]


@pytest.mark.parametrize("replies", [False, True], ids=["first of its thread", "reply"])
def test_a_request_on_a_line_of_the_diff_tells_the_agent_which(story: Story, replies: bool) -> None:
    pull = story.pull(CHANGE)
    request = '/amp say why\n\n- replace app.py: "42" -> "42  # the question is lost"\n'
    on_line = DraftComment("app.py", "Why 42?" if replies else request, 2)
    comment = story.rig.github.review_comment(story.repo, pull.number, MAINTAINER, on_line)
    if replies:
        again = DraftComment("", request, None)
        comment = story.rig.github.review_comment(story.repo, pull.number, MAINTAINER, again, reply_to=comment.id)
    story.settle()

    assert f'by="{MAINTAINER}" on="app.py:2">\nsay why' in story.prompt()
    assert story.states() == ["published"]
    assert story.files(pull.head_sha)["app.py"] == (
        "100644",
        b"def answer():\n    return 42  # the question is lost\n",
    )
    assert [(each.account.login, each.content) for each in comment.reactions] == [(BOT, "eyes")]
    assert "### ✅ Done" in story.only_answer(pull.number)


def test_a_request_in_the_body_of_a_review_is_one(story: Story) -> None:
    pull = story.pull(CHANGE)
    before = pull.head_sha
    body = "Nice.\n\n/amp mention it\n\n- append README.md: It is 42.\n"
    story.rig.github.submit_review(
        story.repo, pull.number, MAINTAINER, body, comments=[DraftComment("app.py", "Fine: not a /amp command.", 2)]
    )
    story.settle()
    assert story.states() == ["published"]
    assert story.repo.bare.commit(pull.head_sha).parents == (before,)
    assert story.files(pull.head_sha) == story.files(before) | {"README.md": ("100644", b"# Pages\nIt is 42.\n")}
    assert "### ✅ Done" in story.only_answer(pull.number)
