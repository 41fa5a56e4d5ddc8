"""What Amp can do with the history, and what becomes of the commits and merges that it makes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bot.rig.github.git import Change
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


# --- what a merge brings that Amp itself may not change ---------------------------------------------

GUARDED: dict[str, str | None] = {
    "CODEOWNERS": "* @ann\n",
    ".github/dependabot.yml": "version: 2\n",
    ".vscode/settings.json": "{}\n",
    ".gitignore": "build/\n",
    "build/kept.txt": "tracked all the same\n",
}


def bring(story: Story, entries: Mapping[str, tuple[str, str]]) -> str:
    """The base branch with links and submodules: (mode, target or commit) by path."""
    bare, main = story.repo.bare, story.branches()["main"]
    made = [
        Change(path, mode, bare.write_blob(what.encode()) if mode == "120000" else what)
        for path, (mode, what) in entries.items()
    ]
    tree = bare.write_tree(bare.resolve(f"{main}^{{tree}}"), made)
    by = bare.commit(main).author
    tip = bare.write_commit(tree, [main], "Links", by, by)
    bare.set_ref("refs/heads/main", tip, main)
    return tip


def whole(story: Story, commit: str) -> dict[str, tuple[str, str]]:
    return {entry.path: (entry.mode, entry.oid) for entry in story.repo.bare.entries(commit, recursive=True)}


def test_a_merge_brings_what_amp_itself_may_not_change(story: Story) -> None:
    pull = story.pull(FEATURE)
    push(story, GUARDED | THEIRS)
    main = bring(story, {"link": ("120000", "/etc/passwd"), "lib": ("160000", "1" * 40), "gone": ("120000", "x")})
    before = pull.head_sha
    ask(story, pull.number, MERGE, "create more.txt: more")
    assert story.states() == ["published"]
    assert head(story, pull)[0] == (before, main)
    mine = {path: whole(story, pull.head_sha)[path] for path in ("app.py", "more.txt")}
    assert whole(story, pull.head_sha) == whole(story, main) | mine
    assert "Left out" not in story.only_answer(pull.number)


def test_a_merge_takes_away_and_moves_on_what_the_base_did(story: Story) -> None:
    push(story, GUARDED)
    bring(story, {"lib": ("160000", "1" * 40), "other": ("160000", "2" * 40), "link": ("120000", "/etc/passwd")})
    pull = story.pull(FEATURE)
    push(story, {"CODEOWNERS": None, ".vscode/settings.json": "{1}\n", "link": None})
    main = bring(story, {"lib": ("160000", "3" * 40)})
    before = pull.head_sha
    ask(story, pull.number, MERGE)
    assert story.states() == ["published"]
    assert head(story, pull)[0] == (before, main)
    assert whole(story, pull.head_sha) == whole(story, main) | {"app.py": whole(story, before)["app.py"]}


def test_a_merge_of_many_files_sends_none_of_them(story: Story) -> None:
    pull = story.pull(FEATURE)
    main = push(story, {f"many/{n}.bin": f"\0{n}" for n in range(60)} | {".github/dependabot.yml": "version: 2\n"})
    before = pull.head_sha
    ask(story, pull.number, MERGE, "create more.txt: more")
    assert story.states() == ["published"]
    assert head(story, pull)[0] == (before, main)
    mine = {path: whole(story, pull.head_sha)[path] for path in ("app.py", "more.txt")}
    assert whole(story, pull.head_sha) == whole(story, main) | mine


WORKFLOW = ".github/workflows/ci.yml"


def test_github_takes_no_workflows_in_a_merge(story: Story) -> None:
    pull = story.pull(FEATURE)
    push(story, {WORKFLOW: "on: push\n"})
    branches = story.branches()
    ask(story, pull.number, MERGE)
    assert (story.states(), story.branches(), story.pulls()) == (["refused"], branches, [pull])
    said = story.only_answer(pull.number)
    assert "The merge of `main` brings changed files below `.github/workflows/`" in said
    assert "Merge `main` by hand, for example with the button *Update branch*" in said


def test_github_takes_workflows_that_the_base_branch_has(story: Story) -> None:
    pull = story.pull(FEATURE)
    main = push(story, {WORKFLOW: "on: push\n"})
    before, github = pull.head_sha, story.rig.github
    github.settings.workflows_of_branches = True
    try:
        ask(story, pull.number, MERGE)
    finally:
        github.settings.workflows_of_branches = False
    assert story.states() == ["published"]
    assert head(story, pull)[0] == (before, main)
    assert whole(story, pull.head_sha) == whole(story, main) | {"app.py": whole(story, before)["app.py"]}


SMUGGLED = {
    "a workflow that differs": (WORKFLOW, f"create {WORKFLOW}: evil"),
    "a workflow that the base does not have": (".github/workflows/evil.yml", "create .github/workflows/evil.yml: evil"),
    "a workflow under another name": (
        ".github/workflows/evil.yml",
        f"run: cp {WORKFLOW} .github/workflows/evil.yml",
    ),
    "another mode": (WORKFLOW, f"run: chmod +x {WORKFLOW}"),
    "one that the base has kept": ("CODEOWNERS", "run: rm CODEOWNERS"),
    "one that only the pull request has": (".github/mine.yml", "run: rm .github/mine.yml"),
}


@pytest.mark.parametrize(("path", "line"), SMUGGLED.values(), ids=SMUGGLED)
@pytest.mark.parametrize("claimed", [MERGE, "run: git rev-parse origin/main > .git/MERGE_HEAD"])
def test_a_merge_smuggles_nothing_in(story: Story, claimed: str, path: str, line: str) -> None:
    push(story, {"CODEOWNERS": "* @ann\n"})
    pull = story.pull(FEATURE | {".github/mine.yml": "mine\n"})
    push(story, {WORKFLOW: "on: push\n"})
    branches = story.branches()
    ask(
        story,
        pull.number,
        claimed,
        f"run: mkdir -p .github/workflows; git show origin/main:{WORKFLOW} > {WORKFLOW}",
        line,
    )
    assert (story.states(), story.branches(), story.pulls()) == (["refused"], branches, [pull])
    said = story.only_answer(pull.number)
    assert "Amp made a change that ampbot does not publish" in said
    assert f"- `{path}`" in said


@pytest.mark.parametrize("committed", [True, False])
def test_a_merge_that_changes_no_file(story: Story, *, committed: bool) -> None:
    pull = apart(story)
    before, main = pull.head_sha, story.branches()["main"]
    files = whole(story, before)
    line = "run: git merge -q -s ours --no-edit origin/main"
    ask(story, pull.number, line if committed else "run: git rev-parse origin/main > .git/MERGE_HEAD")
    assert story.states() == ["published"]
    assert head(story, pull)[0] == (before, main)
    assert whole(story, pull.head_sha) == files
    assert f"Added {pull.head_sha} to `feature`" in story.only_answer(pull.number)


def test_a_merge_of_what_is_there_already_is_none(story: Story) -> None:
    pull = apart(story)
    before = pull.head_sha
    ask(story, pull.number, "run: git merge-base HEAD origin/main > .git/MERGE_HEAD")
    assert story.states() == ["answered"]
    assert pull.head_sha == before


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
