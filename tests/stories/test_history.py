"""What Amp can do with the history, and what becomes of the commits and merges that it makes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bot.rig.github.records import Pull
from tests.stories.conftest import RigWith
from tests.stories.story import MAINTAINER, Story

FEATURE = {"app.py": "def answer():\n    return 42\n"}
THEIRS = {"docs/guide.md": "A better guide\n"}


def push(story: Story, files: Mapping[str, str | None], branch: str = "main", message: str = "Change") -> str:
    return story.rig.github.push_commit(story.repo, branch, files, MAINTAINER, message)


def ask(story: Story, number: int, *lines: str) -> None:
    story.say(number, "/amp do it\n\n" + "".join(f"- {line}\n" for line in (*lines, "answer: Did it.")))
    story.settle()


def apart(story: Story) -> Pull:
    """A pull request, after whose beginning the base branch has moved."""
    pull = story.pull(FEATURE)
    push(story, THEIRS)
    return pull


def head(story: Story, pull: Pull) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """The parents of the pull request's head, and its files."""
    files = {path: content for path, (_, content) in story.files(pull.head_sha).items()}
    return story.repo.bare.commit(pull.head_sha).parents, files


def test_the_last_commit_can_be_reverted(story: Story) -> None:
    before = story.files(story.branches()["main"])
    push(story, {"app.py": "broken\n", "new.txt": "new\n", "docs/guide.md": None})
    ask(story, story.issue(), "run: git revert --no-edit HEAD")
    pull = story.only_pull()
    assert story.states() == ["published"]
    assert story.files(pull.head_sha) == before
    assert story.repo.bare.commit(pull.head_sha).parents == (story.branches()["main"],)


def test_what_changed_since_can_be_told(story: Story) -> None:
    for each in range(5):
        push(story, {"app.py": f"{each}\n"}, message=f"Change {each}")
    ask(story, story.issue(), "run: git log --format=%s > log.txt", "run: git diff HEAD~4 HEAD~1 -- app.py > diff.txt")
    change = story.change()
    assert change["log.txt"][1].decode().split("\n")[:-1] == [
        *(f"Change {n}" for n in (4, 3, 2, 1, 0)),
        "Initial commit",
    ]
    assert change["diff.txt"][1].decode().endswith("-0\n+3\n")


@pytest.mark.parametrize(("history", "seen"), [("1", 1), ("3", 3)])
def test_the_history_ends_where_the_operator_says(rig_with: RigWith, history: str, seen: int) -> None:
    story = Story.begin(rig_with(AMPBOT_HISTORY=history))
    for each in range(5):
        push(story, {"app.py": f"{each}\n"})
    ask(story, story.issue(), "run: git rev-list --count HEAD > count.txt")
    assert story.change()["count.txt"] == ("100644", f"{seen}\n".encode())
    said = {"1": "the newest commit of", "3": "the 3 newest commits of"}[history]
    assert f"Of the history at most {said} each branch are here" in story.prompt()


def test_on_a_pull_request_all_its_commits_are_there(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(AMPBOT_HISTORY="1"))
    pull = story.pull(FEATURE)
    for each in range(4):
        push(story, {"other.txt": f"{each}\n"}, "feature")
    for each in range(6):
        push(story, {"docs/guide.md": f"{each}\n"})
    ask(
        story,
        pull.number,
        "run: git rev-list --count origin/main..HEAD > count.txt",
        "run: git merge-base HEAD origin/main > base.txt",
    )
    _, files = head(story, pull)
    first = story.repo.bare.run("rev-list", "--max-parents=0", "main").decode()
    assert (files["count.txt"], files["base.txt"]) == (b"5\n", first.encode())


MERGE = "run: git merge --no-edit origin/main"


@pytest.mark.parametrize(
    "lines",
    [
        (MERGE,),
        ("run: git merge --no-commit origin/main",),
        (MERGE, "create more.txt: more", "run: git add -A && git commit -qm more"),
        ("create more.txt: more", "run: git add -A && git commit -qm more", MERGE),
        (MERGE, "create more.txt: more"),
    ],
)
def test_a_merge_of_the_base_is_published_as_one(story: Story, lines: tuple[str, ...]) -> None:
    pull = apart(story)
    before, main = pull.head_sha, story.branches()["main"]
    files = {path: content for path, (_, content) in story.files(main).items()}
    ask(story, pull.number, *lines)
    assert story.states() == ["published"]
    more = {"more.txt": b"more\n"} if len(lines) > 1 else {}
    parents = (before, main)
    assert head(story, pull) == (parents, files | {"app.py": FEATURE["app.py"].encode()} | more)
    assert pull.head_sha in story.repo.verified
    assert story.branches() == {"main": main, "feature": pull.head_sha}
    assert f"Added {pull.head_sha} to `feature`" in story.only_answer(pull.number)


@pytest.mark.parametrize("committed", [True, False])
def test_a_merge_with_a_conflict_that_amp_resolved(story: Story, *, committed: bool) -> None:
    pull = story.pull(FEATURE)
    push(story, {"app.py": "def answer():\n    return 43\n", **THEIRS})
    before, main = pull.head_sha, story.branches()["main"]
    end = ["run: git add -A && git commit -q --no-edit"] if committed else []
    ask(story, pull.number, "run: git merge origin/main || true", "create app.py: both", *end)
    assert story.states() == ["published"]
    parents, files = head(story, pull)
    assert parents == (before, main)
    assert (files["app.py"], files["docs/guide.md"]) == (b"both\n", b"A better guide\n")


def test_a_merge_of_an_older_commit_of_the_base(story: Story) -> None:
    pull = apart(story)
    before, older = pull.head_sha, story.branches()["main"]
    push(story, {"README.md": "# Newer\n"})
    ask(story, pull.number, "run: git merge --no-edit origin/main~1")
    parents, files = head(story, pull)
    assert parents == (before, older)
    assert files["README.md"] == b"# Pages\n"


def foreign(story: Story) -> str:
    """A commit of a stranger's fork, which GitHub serves for this repository, too."""
    hub = story.rig.github
    fork = hub.fork(story.repo, "eve")
    commit = hub.push_commit(fork, "evil", {"evil.txt": "evil\n"}, "eve")
    story.repo.bare.take(fork.bare, commit, "refs/pull/999/head")
    return commit


COMMIT = "git commit -q --allow-empty -m more"
SIDE = f"git checkout -q -b side && {COMMIT} && git checkout -q amp-work && git merge -q --no-ff --no-edit side"
ORPHAN = f"git checkout -q --orphan other && {COMMIT}"
OTHERS = {
    "a branch of its own": f"run: {SIDE}",
    "a history of its own": f"run: {ORPHAN}",
    "a merge into a history of its own": (
        f"run: {ORPHAN} && git merge -q --no-edit --allow-unrelated-histories -X ours origin/main"
    ),
    "a rebase": "run: git rebase -q origin/main",
    "the base itself, whose history has merges": "run: git reset -q --hard origin/main",
    "a stranger's commit": "run: echo FOREIGN > .git/MERGE_HEAD",
    "no commit": f"run: echo {'0' * 39}1 > .git/MERGE_HEAD",
    "a pipe": "run: mkfifo .git/MERGE_HEAD",
    "no history at all": "run: rm -rf .git",
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS)
def test_any_other_history_becomes_one_commit(story: Story, line: str) -> None:
    pull, hub = story.pull(FEATURE), story.rig.github
    hub.push_commit(story.repo, "side", THEIRS, MAINTAINER)
    hub.merge(story.repo, hub.open_pull(story.repo, MAINTAINER, "side", "Aside").number, MAINTAINER)
    before = pull.head_sha
    ask(story, pull.number, line.replace("FOREIGN", foreign(story)), "create new.txt: new")
    assert story.states() == ["published"]
    parents, files = head(story, pull)
    assert parents == (before,)
    assert files["new.txt"] == b"new\n"


def test_on_an_issue_a_merge_becomes_one_commit(story: Story) -> None:
    push(story, THEIRS)
    main = story.branches()["main"]
    ask(story, story.issue(), "run: git rev-parse HEAD~1 > .git/MERGE_HEAD", "create new.txt: new")
    assert head(story, story.only_pull())[0] == (main,)
