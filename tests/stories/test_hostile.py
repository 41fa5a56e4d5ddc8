"""An agent that turns its sandbox against us: the bot stays up, and nothing unverified is published."""

from __future__ import annotations

import httpx

from bot.rig.rig import Rig
from tests.stories.story import MAINTAINER, Story


def memory(rig: Rig) -> int:
    """Resident bytes of the bot."""
    with open(f"/proc/{rig.bot.pid}/status") as status:  # noqa: PTH123 - no file, but the kernel
        (row,) = [row for row in status if row.startswith("VmRSS:")]
    return int(row.split()[1]) * 1024


def test_a_shell_that_talks_before_every_command_changes_nothing(story: Story) -> None:
    number = story.issue()
    chatter = "echo hello; echo 'exit 0'; echo 0; echo hello >&2"
    story.say(number, f'/amp do it\n\n- run: echo "{chatter}" >> ~/.bash_profile\n- create a.txt: a\n- wait 0.5\n')
    story.settle()
    assert story.states() == ["published"]
    assert "a.txt" in story.files(story.only_pull().head_sha)


def test_a_shell_that_floods_us_ends_the_run_and_not_the_bot(story: Story) -> None:
    number = story.issue()
    before = memory(story.rig)
    flood = "head -c 60000000 /dev/zero | tr '\\\\0' x"
    story.say(number, f'/amp do it\n\n- run: echo "{flood}" >> ~/.bash_profile\n- create a.txt: a\n')
    story.settle()
    assert story.states() == ["failed"]
    assert "something in it changed its shell" in story.only_answer(number)
    assert story.pulls() == []
    assert memory(story.rig) - before < 60_000_000
    assert httpx.get(f"{story.rig.bot.url}/healthz", trust_env=False).status_code == 200


def test_a_shell_that_runs_nothing_ends_the_run(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp do it\n\n- create a.txt: a\n- run: echo 'exit 0' >> ~/.bash_profile\n")
    story.settle()
    assert story.states() == ["failed"]
    assert "something in it changed its shell" in story.only_answer(number)
    assert story.pulls() == []


def test_a_name_that_collides_with_an_unchanged_one_is_refused(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp do it\n\n- create readme.MD: mine\n- create Docs/new.md: mine\n")
    story.settle()
    assert story.states() == ["refused"]
    answer = story.only_answer(number)
    assert "`readme.MD`" in answer
    assert "Docs" in answer


def test_a_label_put_on_again_runs_again_though_githubs_list_lags(rig: Rig) -> None:
    story = Story.begin(rig)
    number = story.issue(body="Make it right.\n")
    story.rig.github.label(story.repo, number, MAINTAINER, "amp")
    story.settle()
    story.seconds_pass(2)  # gestures closer than that are one
    rig.github.settings.list_lag_seconds = 2.0
    try:
        story.rig.github.label(story.repo, number, MAINTAINER, "amp")
        story.settle()
    finally:
        rig.github.settings.list_lag_seconds = 0.0
    assert len(story.runs()) == 2
    assert story.repo.issues[number].labels == []
