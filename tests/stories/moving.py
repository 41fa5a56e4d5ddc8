"""What stories of a moving world are told with: moves before and after the look, and what a run has published."""

from __future__ import annotations

from collections.abc import Callable

from bot.rig.github.records import Pull
from bot.rig.http.faults import Fault, Request, Side
from tests.stories.story import BOT, HELD, Story

CHANGE = {"app.py": "def answer():\n    return 42\n"}
WORK = f"/amp go on\n\n- {HELD}\n- create new.txt: new\n- answer: Here it is.\n"
NEW = {"new.txt": ("100644", b"new\n")}
KEPT: tuple[list[str], bool] = (["changes"], True)

# Makes a move on GitHub, and lets the run come to its end.
Moves = Callable[[Story, Callable[[], object]], None]


def before_the_look(story: Story, move: Callable[[], object]) -> None:
    move()
    story.settle()


def after_the_look(story: Story, move: Callable[[], object]) -> None:
    """While the agent works there is no other query than that before publishing."""
    done: list[object] = []

    def make(_: Request) -> None:
        done.append(move())

    story.rig.github.server.faults.add(Fault("call", Side.AFTER, method="POST", path=r"/api/graphql$", call=make))
    story.settle()
    assert len(done) == 1, "GitHub was looked at before the work was published"


def after_the_push(story: Story, branch: str, move: Callable[[], object]) -> None:
    """Make the move once the bot's commit is on the branch, before GitHub's answer. However many queries there were:
    one that GitHub did not answer is sent again."""
    before = story.branches()[branch]
    done: list[object] = []

    def make(_: Request) -> None:
        if not done and story.branches()[branch] != before:
            done.append(move())

    story.rig.github.server.faults.add(
        Fault("call", Side.AFTER, method="POST", path=r"/api/graphql$", times=0, call=make)
    )


def at_work(story: Story, pull: Pull | None = None, text: str = WORK) -> int:
    """A pull request, or an issue, whose run has its agent at work."""
    number = pull.number if pull is not None else story.issue()
    story.say(number, text)
    story.until("the agent to work", lambda: story.states() == ["working"] and story.from_bot(number))
    return number


def own_branch(story: Story, number: int) -> str:
    run = story.runs()[0]["id"].replace("-", "")[:8]
    (own,) = (name for name in story.branches() if name.startswith(f"amp/{number}-"))
    assert own.endswith(f"-{run}")
    return own


def own_pull(story: Story, number: int) -> Pull:
    """The one pull request that the run opened."""
    (made,) = (pull for pull in story.pulls() if pull.issue.author.account.login == BOT)
    assert made.head_ref == own_branch(story, number)
    assert made.issue.state == "open"
    return made


def what_changes(story: Story, pull: Pull) -> dict[str, tuple[str, bytes]]:
    """What merging the pull request would add or alter. Fails if it cannot be merged."""
    bare, base = story.repo.bare, story.branches()[pull.base_ref]
    merged = bare.run("merge-tree", "--write-tree", base, pull.head_sha).decode().split("\n")[0]
    before = story.files(base)
    after = {entry.path: (entry.mode, bare.blob(entry.oid)) for entry in bare.entries(merged, recursive=True)
             if entry.kind == "blob"}  # fmt: skip
    assert set(before) <= set(after)
    return {path: entry for path, entry in after.items() if before.get(path) != entry}


def pushes_of(story: Story) -> list[str]:
    """The commits of runs that some branch contains."""
    bare = story.repo.bare
    return [oid for oid in bare.log("--branches") if "Ampbot-Run: " in bare.commit(oid).message]
