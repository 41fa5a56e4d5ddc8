"""Unusual repositories, and what GitHub refuses: each ends with its own sentence, and what was done is kept."""

from __future__ import annotations

from bot.rig.github.webhooks import Handling
from bot.rig.http.faults import Fault
from bot.rig.rig import Rig
from tests.stories.conftest import RigWith
from tests.stories.story import BOT, FILES, HELD, MAINTAINER, STRANGER, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'
SLOW = f"{FIX}- {HELD}\n"
FIXED = {"app.py": ("100644", b"def answer():\n    return 42\n")}

KEPT = (["changes"], True)
NOTHING_KEPT: tuple[list[str], bool] = ([], False)


def at_work(story: Story, text: str = SLOW) -> int:
    """An issue whose run has its agent at work."""
    number = story.issue()
    story.say(number, text)
    story.until("the agent to work", lambda: story.states() == ["working"] and story.from_bot(number))
    return number


def test_archived_before_the_run_starts(story: Story) -> None:
    number = story.issue()
    story.rig.github.handle_deliveries(Handling(hold=True))
    comment = story.say(number, FIX)
    story.rig.github.archive(story.repo)
    story.rig.github.handle_deliveries(Handling())
    assert story.rig.github.release_deliveries() == 1
    story.settle()
    says = "This repository is archived, so nothing can be changed here. Unarchive it and ask again."
    assert story.endings() == [("refused", says)]
    assert story.kept() == NOTHING_KEPT
    assert (story.from_bot(number), story.reactions(comment)) == ([], []), "an archived repository is read-only"


def test_archived_while_the_agent_works(story: Story) -> None:
    number = at_work(story)
    story.rig.github.archive(story.repo)
    story.settle()
    ((state, says),) = story.endings()
    assert state == "failed"
    assert "GitHub refused to publish the work:\n\n> Repository was archived so is read-only." in says
    assert says.endswith("The change set is kept with the run. Unarchive the repository, then comment `/amp retry`.")
    assert story.kept() == KEPT
    assert (story.pulls(), list(story.branches())) == ([], ["main"])
    assert "### ⏳ Working on it" in story.only_answer(number), "GitHub takes no edit of it any more"


def test_an_end_that_github_refused_to_show_is_shown_once_it_is_let(rig_with: RigWith) -> None:
    """The sweep tries it again after an hour, which is made to have passed."""
    rig = rig_with.mortal()
    story = Story.begin(rig)
    number = at_work(story)
    rig.github.archive(story.repo)
    story.settle()
    assert "### ⏳ Working on it" in story.only_answer(number)
    rig.bot.stop()
    rig.github.archive(story.repo, archived=False)
    rig.execute("UPDATE runs SET unshown_at = unshown_at - 3601")
    rig.serve()
    story.until("the end to be shown", lambda: "### ⏳" not in story.only_answer(number))
    assert "Unarchive the repository, then comment `/amp retry`." in story.only_answer(number)
    story.until("it to be known", lambda: [row["unshown_at"] for row in story.runs()] == [None])


def test_an_empty_repository(rig: Rig) -> None:
    story = Story.begin(rig, None)
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    says = "This repository has no commit yet, so there is nothing to start from. Push one and ask again."
    assert story.endings() == [("refused", says)]
    assert says in story.only_answer(number)
    assert story.kept() == NOTHING_KEPT
    assert story.branches() == {}


def test_renamed_while_the_agent_works(story: Story) -> None:
    number = at_work(story)
    story.rig.github.rename(story.repo, "book", MAINTAINER)
    story.settle()
    assert story.change() == FIXED
    assert story.states() == ["published"]
    assert f"Opened #{story.only_pull().number} (1 file changed)." in story.only_answer(number)
    assert sorted(story.branches()) == sorted(["main", story.only_pull().head_ref]), "and nothing else is left there"


def test_renamed_between_the_comment_and_its_delivery(story: Story) -> None:
    number = story.issue()
    story.rig.github.handle_deliveries(Handling(hold=True))
    comment = story.say(number, FIX)
    story.rig.github.rename(story.repo, "book", MAINTAINER)
    story.rig.github.handle_deliveries(Handling())
    story.rig.github.release_deliveries()
    story.settle()
    assert story.change() == FIXED
    assert story.reactions(comment) == [(BOT, "eyes")]
    assert "### ✅ Done" in story.only_answer(number)


def test_renamed_while_another_repository_takes_the_name(story: Story) -> None:
    github, name = story.rig.github, story.repo.full_name
    number = story.issue()
    github.handle_deliveries(Handling(hold=True))
    story.say(number, FIX)
    github.rename(story.repo, "book", MAINTAINER)
    other = github.create_repository(name, files={"README.md": "Another one\n"})
    github.open_issue(other, MAINTAINER, "Something else")
    github.handle_deliveries(Handling())
    github.release_deliveries()
    story.settle()
    assert story.change() == FIXED
    assert story.states() == ["published"]
    assert (list(other.bare.refs()), [len(issue.comments) for issue in other.issues.values()]) == (
        ["refs/heads/main"],
        [0],
    )


def test_renamed_while_the_agent_works_and_another_repository_takes_the_name(story: Story) -> None:
    github, name = story.rig.github, story.repo.full_name
    number = at_work(story)
    github.rename(story.repo, "book", MAINTAINER)
    other = github.create_repository(name, files={"README.md": "Another one\n"})
    story.settle()
    assert story.change() == FIXED
    assert story.states() == ["published"]
    assert "### ✅ Done" in story.only_answer(number)
    assert (list(other.bare.refs()), list(other.issues)) == (["refs/heads/main"], [])


def test_a_label_is_taken_up_although_another_repository_has_the_name(story: Story) -> None:
    github, name = story.rig.github, story.repo.full_name
    number = story.issue(body=FIX.removeprefix("/amp "))
    github.handle_deliveries(Handling(hold=True))
    github.label(story.repo, number, MAINTAINER, "amp")
    github.rename(story.repo, "book", MAINTAINER)
    github.create_repository(name, files={"README.md": "Another one\n"})
    github.handle_deliveries(Handling())
    github.release_deliveries()
    story.settle()
    assert len(story.states()) == 1
    assert story.repo.issues[number].labels == []


def test_a_branch_in_the_way_of_ours_is_found_before_amp_is_paid(story: Story) -> None:
    story.rig.github.push_commit(story.repo, "amp", {"a": "b"}, MAINTAINER)
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    ((state, says),) = story.endings()
    assert state == "refused"
    assert says.startswith("This repository has a branch `amp`, so git allows no branch that begins with `amp/`")
    assert "Nothing was started. Rename or delete that branch, or let the operator set another" in says
    assert says in story.only_answer(number)
    assert story.kept() == NOTHING_KEPT
    assert "amp" in story.branches()


def test_a_pull_request_without_a_common_ancestor(story: Story) -> None:
    pull = story.pull({"docs/guide.md": "Guide\n"})
    bare = story.repo.bare
    orphan = bare.write_commit(bare.commit(pull.head_sha).tree, [], "Alone", *[bare.commit(pull.head_sha).author] * 2)
    story.rig.github.force_push(story.repo, "feature", orphan, MAINTAINER)
    story.say(pull.number, "/amp review")
    story.settle()
    ((state, says),) = story.endings()
    assert (state, "has no commit in common with `main`" in says) == ("refused", True)
    assert says in story.only_answer(pull.number)
    assert (story.kept(), story.reviews(pull.number)) == (NOTHING_KEPT, [])


def test_a_repository_that_git_may_not_fetch(story: Story) -> None:
    """As where an organization's allow list has the bot's address, but not the sandbox's."""
    path = f"^/{story.repo.full_name}.git/"
    story.rig.github.server.faults.add(Fault("error", status=403, plain=True, path=path, times=0))
    number = story.issue()
    story.say(number, FIX)
    try:
        story.settle()
    finally:
        story.rig.github.server.faults.clear()
    ((state, says),) = story.endings()
    assert state == "failed"
    assert says.startswith("The repository could not be fetched into the sandbox, and git says:\n\n> ")
    assert "The requested URL returned error: 403" in says
    assert "Nothing was changed." in says
    assert says in story.only_answer(number)
    assert story.kept() == NOTHING_KEPT


def test_transferred_while_the_agent_works(story: Story) -> None:
    number = at_work(story)
    story.rig.github.transfer(story.repo, f"heirs-of-{story.repo.owner.login}", MAINTAINER)
    story.settle()
    ((state, says),) = story.endings()
    assert state == "failed"
    assert says.startswith(
        "The App no longer has access to this repository, or the repository was deleted or transferred."
    )
    assert story.kept() == KEPT
    assert story.pulls() == []
    assert "### ⏳ Working on it" in story.only_answer(number), "the App may not write there any more"


def test_uninstalled_while_the_agent_works(story: Story) -> None:
    number = at_work(story)
    story.rig.github.uninstall(story.installation)
    story.settle()
    ((state, says),) = story.endings()
    assert state == "failed"
    assert says.startswith("The App no longer has access to this repository")
    assert "Nothing was published; what was done is kept with the run." in says
    assert story.kept() == KEPT
    assert story.pulls() == []
    assert "### ⏳ Working on it" in story.only_answer(number)


def test_suspended_while_the_agent_works(story: Story) -> None:
    number = at_work(story)
    story.rig.github.suspend(story.installation)
    story.settle()
    ((state, says),) = story.endings()
    assert state == "failed"
    assert "> This installation has been suspended" in says
    assert says.endswith("Whoever installed the App can lift the suspension; then comment `/amp retry`.")
    assert story.kept() == KEPT
    assert story.pulls() == []
    assert "### ⏳ Working on it" in story.only_answer(number)


def test_uninstalled_before_the_delivery_is_read(story: Story) -> None:
    number = story.issue()
    story.rig.github.handle_deliveries(Handling(hold=True))
    story.say(number, FIX)
    story.rig.github.uninstall(story.installation)
    story.rig.github.handle_deliveries(Handling())
    story.rig.github.release_deliveries()
    story.settle()
    assert (story.runs(), story.from_bot(number)) == ([], [])
    (delivery,) = [each for each in story.rig.github.deliveries if each.body.find(b"make the answer right") > 0][-1:]
    stored = story.rig.query("SELECT outcome FROM deliveries WHERE guid = :guid", guid=delivery.guid)
    assert stored == [{"outcome": "refused by GitHub: 404 Not Found"}]


def test_a_ruleset_that_lets_nobody_create_the_branch(story: Story) -> None:
    why = "Cannot create ref due to creations being restricted."
    story.rig.github.protect(story.repo, "refs/heads/amp/*", create=True, why=why)
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    answer = story.only_answer(number)
    assert "### ⚠️ It did not work out\n" in answer
    assert "GitHub refused to publish the work:\n\n> Repository rule violations found\n" in answer
    assert f"> {why}\n" in answer
    assert "The change set is kept with the run. Allow the App in this rule of the repository" in answer
    assert story.states() == ["failed"]
    assert story.kept() == KEPT
    assert (story.pulls(), list(story.branches())) == ([], ["main"])


def test_a_ruleset_against_the_branch_of_a_large_change(story: Story) -> None:
    """Such a change goes up as a pack: here it is `git push` that is refused."""
    why = "Cannot create ref due to creations being restricted."
    story.rig.github.protect(story.repo, "refs/heads/amp/*", create=True, why=why)
    number = story.issue()
    drawings = "\n".join(f"- binary art/{index}.bin 1000" for index in range(45))
    story.say(number, f"/amp draw\n\n{drawings}\n")
    story.settle()
    answer = story.only_answer(number)
    assert "GitHub refused to publish the work:" in answer
    assert why in answer
    assert "ghs_" not in answer
    assert story.kept() == KEPT
    assert (story.pulls(), list(story.branches())) == ([], ["main"])


def test_a_default_branch_of_another_name(rig: Rig) -> None:
    story = Story.begin(rig, default_branch="trunk")
    story.say(story.issue(), FIX)
    story.settle()
    assert story.change() == FIXED
    assert story.only_pull().base_ref == "trunk"
    assert sorted(story.branches()) == sorted(["trunk", story.only_pull().head_ref])


def test_dots_dashes_and_underscores_in_names(rig: Rig) -> None:
    name = "octo-cats-2/my.site-2.0_git.io"
    repo = rig.github.create_repository(name, files=FILES)
    if rig.github.state.account("mona-lisa-2") is None:
        rig.github.create_user("mona-lisa-2")
    rig.github.set_permission(repo, "mona-lisa-2", "maintain")
    story = Story(rig, repo, rig.github.install(rig.app, [repo]))
    number = story.issue(title='"Ünïcode" & <b>`code`</b> -- $(rm -rf ~) ../..', by="mona-lisa-2")
    story.say(number, FIX, by="mona-lisa-2")
    story.settle()
    assert story.change() == FIXED
    (run,) = story.runs()
    assert story.only_pull().head_ref == f"amp/{number}-unicode-b-code-b-rm-rf-{run['id'].replace('-', '')[:8]}"


def test_a_private_repository(rig: Rig) -> None:
    story = Story.begin(rig, private=True)
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    assert story.change() == FIXED
    assert "### ✅ Done" in story.only_answer(number)


def test_strangers_to_a_private_repository_get_silence(rig: Rig) -> None:
    story = Story.begin(rig, private=True)
    number = story.issue()
    comment = story.say(number, FIX, by=STRANGER)  # as somebody whose access ended between the two
    story.settle()
    assert (story.runs(), story.from_bot(number), story.reactions(comment)) == ([], [], [])


# --- conversations --------------------------------------------------------------------------------


def test_a_locked_conversation_takes_no_comment_but_the_pull_request_comes(story: Story) -> None:
    number = story.issue()
    story.rig.github.lock(story.repo, number, MAINTAINER)
    comment = story.say(number, FIX)
    story.settle()
    assert story.states() == ["published"]
    assert story.change() == FIXED
    assert f"Closes #{number}" in (story.only_pull().issue.body or "")
    assert (story.from_bot(number), story.reactions(comment)) == ([], [(BOT, "eyes")])


def test_a_deleted_progress_comment_does_not_stop_the_run(story: Story) -> None:
    number = at_work(story)
    (progress,) = [each for each in story.comments(number) if each.author.account.login == BOT]
    story.rig.github.delete_comment(progress, MAINTAINER)
    story.settle()
    assert story.change() == FIXED
    assert (story.states(), story.from_bot(number)) == (["published"], [])


def test_an_issue_that_was_closed_meanwhile_still_gets_its_answer(story: Story) -> None:
    number = at_work(story)
    story.rig.github.close(story.repo, number, MAINTAINER)
    story.settle()
    assert story.change() == FIXED
    assert "### ✅ Done" in story.only_answer(number)
