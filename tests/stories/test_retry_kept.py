"""What Amp did is paid for: where it could not be published, it is kept, and `/amp retry` publishes it without Amp."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bot.rig.http.faults import Fault, Side
from tests.stories.conftest import RigWith
from tests.stories.moving import at_work
from tests.stories.stopping import Gate, asked, changed, sandboxes
from tests.stories.story import BOT, ENDLESS, MAINTAINER, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n- answer: It is 42.\n'
FIXED = {"app.py": ("100644", b"def answer():\n    return 42\n")}
WHY = "Cannot create ref due to creations being restricted."
NO_AMP = "Amp was not started again."


def forbid(story: Story) -> None:
    story.rig.github.protect(story.repo, "refs/heads/amp/*", create=True, why=WHY)


def allow(story: Story) -> None:
    story.repo.rules.clear()


def refused(story: Story) -> int:
    """An issue whose change a rule does not let through."""
    forbid(story)
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    assert (story.states(), story.pulls(), list(story.branches())) == (["failed"], [], ["main"])
    return number


def run_ids(story: Story) -> list[str]:
    return [row["id"][:8] for row in story.runs()]


def agents(story: Story) -> int:
    return len(sandboxes(story))


def assert_published(story: Story, number: int, by: str = MAINTAINER) -> None:
    """By the second run, without Amp: the whole of what is seen."""
    first, second = run_ids(story)
    pull = story.only_pull()
    assert story.states() == ["failed", "published"]
    assert story.change() == FIXED
    assert sorted(story.branches()) == sorted(["main", pull.head_ref])
    assert pull.head_ref.endswith(f"-{second}")
    assert pull.issue.title == "Answer 42"
    assert f"Co-authored-by: {by} <" in story.repo.bare.commit(pull.head_sha).message
    assert f"Asked by @{by} in #{number}" in (pull.issue.body or "")
    _, answer = story.from_bot(number)
    assert "### ✅ Done\n" in answer
    assert f"\n\nPublished the change set kept from run `{first}`. {NO_AMP}\n\nOpened #{pull.number}" in answer
    assert re.search(rf"<sub>\d+ s · no new tokens · \[Amp thread\]\(\S+\) · run `{second}`</sub>$", answer)
    assert agents(story) == 1


def test_it_is_published_once_the_rule_is_gone(story: Story) -> None:
    number = refused(story)
    (first,) = run_ids(story)
    assert (
        "The change set is kept with the run. Allow the App in this rule of the repository, or ask on an issue "
        "instead; then comment `/amp retry`.\n\n`/amp retry` publishes the kept change set, and starts Amp again only "
        f"if it no longer applies. The operator of ampbot sees the change set with `ampbot runs diff {first}`."
    ) in story.only_answer(number)
    allow(story)
    retry = story.say(number, "/amp retry")
    story.settle()
    assert_published(story, number)
    assert story.reactions(retry) == [(BOT, "eyes")]


def test_still_refused_it_is_still_kept(story: Story) -> None:
    number = refused(story)
    for _ in range(2):
        story.say(number, "/amp retry")
        story.settle()
    assert story.states() == ["failed"] * 3
    assert (story.pulls(), list(story.branches())) == ([], ["main"])
    first, second, third = run_ids(story)
    for run, answer in zip((second, third), story.from_bot(number)[1:], strict=True):
        assert f"This run had only to publish the change set kept from run `{first}`. {NO_AMP}" in answer
        assert f"GitHub refused to publish the work:\n\n> Repository rule violations found\n>\n> {WHY}" in answer
        assert f"`ampbot runs diff {run}`" in answer
        assert "no new tokens" in answer
    allow(story)
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["failed"] * 3 + ["published"]
    assert (story.change(), agents(story)) == (FIXED, 1)
    assert f"Published the change set kept from run `{first}`" in story.from_bot(number)[3]


def test_who_retries_is_its_author_and_needs_the_permission(story: Story) -> None:
    number = refused(story)
    allow(story)
    other = f"omar{story.repo.id}"
    story.rig.github.create_user(other)
    story.rig.github.set_permission(story.repo, other, "write")
    story.say(number, "/amp retry", by=other)
    story.settle()
    assert_published(story, number, by=other)


def test_the_base_moved_in_other_files(story: Story) -> None:
    number = refused(story)
    allow(story)
    base = story.rig.github.push_commit(story.repo, "main", {"docs/guide.md": "A better guide\n"}, MAINTAINER)
    story.say(number, "/amp retry")
    story.settle()
    assert_published(story, number)
    assert story.repo.bare.commit(story.only_pull().head_sha).parents == (base,)


def test_a_large_one_on_a_base_that_moved(story: Story) -> None:
    forbid(story)
    number = story.issue()
    drawings = "\n".join(f"- binary art/{index}.bin 1000" for index in range(45))
    story.say(number, f"/amp draw\n\n{drawings}\n")
    story.settle()
    allow(story)
    story.rig.github.push_commit(story.repo, "main", {"docs/guide.md": "A better guide\n"}, MAINTAINER)
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["failed", "published"]
    assert set(story.change()) == {f"art/{index}.bin" for index in range(45)}
    assert sorted(story.branches()) == sorted(["main", story.only_pull().head_ref])
    assert agents(story) == 1


def test_the_base_moved_in_the_same_file_so_amp_works_again(story: Story) -> None:
    number = refused(story)
    allow(story)
    commented = "# Sums\ndef answer():\n    return 41\n"
    story.rig.github.push_commit(story.repo, "main", {"app.py": commented}, MAINTAINER)
    story.say(number, "/amp retry")
    story.settle()
    first, _ = run_ids(story)
    assert story.states() == ["failed", "published"]
    assert story.change() == {"app.py": ("100644", b"# Sums\ndef answer():\n    return 42\n")}
    answer = story.from_bot(number)[1]
    assert (
        f"\n\nThe change set kept from run `{first}` no longer applies, as files that it touches have changed since. "
        "So Amp worked again.\n\nOpened #"
    ) in answer
    assert re.search(r"[\d,]+ tokens in", answer)
    assert agents(story) == 2


def test_a_new_file_whose_name_collides_with_one_added_since(story: Story) -> None:
    forbid(story)
    number = story.issue()
    story.say(number, "/amp go\n\n- create Notes.md: new\n")
    story.settle()
    allow(story)
    story.rig.github.push_commit(story.repo, "main", {"notes.md": "theirs\n"}, MAINTAINER)
    story.say(number, "/amp retry")
    story.settle()
    assert agents(story) == 2
    assert "So Amp worked again." in story.from_bot(number)[1]
    assert story.pulls() == []


def test_where_it_is_kept_no_longer_amp_works_again(story: Story) -> None:
    number = refused(story)
    allow(story)
    (run,) = story.runs()
    story.rig.execute(f"DELETE FROM artifacts WHERE run = '{run['id']}'")
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["failed", "published"]
    assert (story.change(), agents(story)) == (FIXED, 2)
    said = f"The change set of run `{run['id'][:8]}` is no longer kept, so Amp worked again."
    assert said in story.from_bot(number)[1]


# --- on a pull request ------------------------------------------------------------------------------


def closed_meanwhile(story: Story) -> tuple[int, str]:
    """A pull request that was closed while Amp worked on it, and is open again. Its number and its head."""
    pull = story.pull({"feature.txt": "a feature\n"})
    number = at_work(story, pull)
    story.rig.github.close(story.repo, number, MAINTAINER)
    story.settle()
    assert story.states() == ["stopped"]
    story.rig.github.reopen(story.repo, number, MAINTAINER)
    return number, pull.head_sha


def test_a_pull_request_that_is_open_again(story: Story) -> None:
    number, head = closed_meanwhile(story)
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["stopped", "published"]
    commit = story.repo.bare.commit(story.branches()["feature"])
    assert commit.parents == (head,)
    assert story.files("feature")["new.txt"] == ("100644", b"new\n")
    assert sorted(story.branches()) == ["feature", "main"]
    assert NO_AMP in story.from_bot(number)[1]
    assert agents(story) == 1


def test_a_branch_that_has_grown_in_other_files(story: Story) -> None:
    number, _ = closed_meanwhile(story)
    head = story.rig.github.push_commit(story.repo, "feature", {"more.txt": "more\n"}, MAINTAINER)
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["stopped", "published"]
    assert story.repo.bare.commit(story.branches()["feature"]).parents == (head,)
    files = story.files("feature")
    assert (files["new.txt"], files["more.txt"]) == (("100644", b"new\n"), ("100644", b"more\n"))
    assert sorted(story.branches()) == ["feature", "main"]
    assert agents(story) == 1


def test_a_branch_in_which_the_file_is_there_by_now(story: Story) -> None:
    number, _ = closed_meanwhile(story)
    story.rig.github.push_commit(story.repo, "feature", {"new.txt": "theirs\n"}, MAINTAINER)
    asked(story, number, "/amp retry")  # until Amp works again
    story.settle()
    assert story.states() == ["stopped", "published"]
    assert story.files("feature")["new.txt"] == ("100644", b"new\n")
    assert "no longer applies" in story.from_bot(number)[1]
    assert agents(story) == 2


# --- other ends -------------------------------------------------------------------------------------


def test_what_was_stopped_and_kept_becomes_a_draft(story: Story) -> None:
    forbid(story)
    number = story.issue()
    asked(story, number, f"/amp count\n\n- create new.txt: new\n- {ENDLESS}\n")
    changed(story)
    story.say(number, "/amp stop keep")
    story.settle()
    assert story.pulls() == []
    allow(story)
    story.say(number, "/amp retry")
    story.settle()
    assert story.change() == {"new.txt": ("100644", b"new\n")}
    assert story.only_pull().draft
    assert agents(story) == 1


def test_what_our_own_rules_refuse_is_asked_of_amp_again(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp go\n\n- create .github/workflows/x.yml: on: push\n")
    story.settle()
    (run,) = run_ids(story)
    assert f"`ampbot runs diff {run}`" in story.only_answer(number)
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["refused", "refused"]
    assert agents(story) == 2


def test_a_retry_that_was_stopped_in_line_loses_nothing(story: Story, gate: Gate) -> None:
    number = refused(story)
    allow(story)
    story.rig.github.server.faults.add(gate.fault("POST", r"/api/graphql$"))
    story.say(number, "/amp retry")
    story.until("the look at the base", gate.reached.is_set)
    story.say(number, "/amp stop")
    story.until("it to be stopped", lambda: story.states() == ["failed", "stopped"])
    gate.open()
    story.settle()
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["failed", "stopped", "published"]
    assert (story.change(), agents(story)) == (FIXED, 1)


def test_a_pull_request_that_was_opened_while_github_failed_is_not_opened_twice(rig_with: RigWith) -> None:
    """The answer to its opening was lost, and so were all that followed."""
    story = Story.begin(rig_with())
    number = story.issue()
    path = rf"/{story.repo.full_name}/pulls$"
    story.rig.github.server.faults.add(
        Fault("error", Side.AFTER, status=422, method="POST", path=path, times=0, message="Not now")
    )
    story.say(number, FIX)
    story.settle()
    assert story.states() == ["failed"]
    story.rig.github.server.faults.clear()
    story.say(number, "/amp retry")
    story.settle()
    assert story.states() == ["failed", "published"]
    assert (story.change(), agents(story)) == (FIXED, 1)
    assert sorted(story.branches()) == sorted(["main", story.only_pull().head_ref])


# --- killed -----------------------------------------------------------------------------------------

Point = Callable[[Story], tuple[str, str]]
POINTS: dict[str, Point] = {
    "the comparison": lambda story: ("GET", rf"/{story.repo.full_name}/compare/"),
    "the look": lambda _: ("POST", r"/api/graphql$"),
    "the commit": lambda story: ("POST", rf"/{story.repo.full_name}/git/commits$"),
    "the branch": lambda story: ("POST", rf"/{story.repo.full_name}/git/refs$"),
    "the pull request": lambda story: ("POST", rf"/{story.repo.full_name}/pulls$"),
    "the ending": lambda story: ("PATCH", rf"/{story.repo.full_name}/issues/comments/"),
}


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_killed_it_is_published_once(rig_with: RigWith, gate: Gate, point: Point) -> None:
    rig = rig_with.mortal()
    story = Story.begin(rig)
    number = refused(story)
    allow(story)
    story.rig.github.push_commit(story.repo, "main", {"docs/guide.md": "A better guide\n"}, MAINTAINER)
    rig.github.server.faults.add(gate.fault(*point(story), Side.AFTER))
    story.say(number, "/amp retry")
    story.until("the request", gate.reached.is_set)
    rig.bot.kill()
    gate.open()
    rig.serve()
    story.settle()
    assert_published(story, number)
