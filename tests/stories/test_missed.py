"""What GitHub could not deliver, or never tried to, is found and answered once: the bot was down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from bot.rig.contract.contract import Contract
from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.webhooks import Handling
from bot.rig.http.faults import Fault
from bot.rig.rig import Rig
from tests.stories.conftest import LITTLE_LAG
from tests.stories.sleeping import sleep, wake
from tests.stories.story import BOT, MAINTAINER, STRANGER, Story
from tests.stories.transferring import heirs, transfer

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'
HELPED = "What you can ask of ampbot here"


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig of its own: its bot is ended, and its database is looked at as a whole."""
    with Rig(tmp_path_factory.mktemp("missed"), LITTLE_LAG | {"AMPBOT_REVIEWERS": "amp-reviewer"}) as rig:
        rig.serve()
        yield rig
        rig.github.handle_deliveries(Handling())
        rig.wait_idle()
        contract = Contract.load()
        entries = rig.github.server.request_log.entries
        assert [found for entry in entries for found in contract.check(entry)] == []
        assert dict(rig.e2b.sandboxes) == {}, "a sandbox outlived its run"


def never_delivered(rig: Rig) -> None:
    """From here on GitHub tries nothing, and its log holds nothing of it."""
    rig.github.wait_deliveries()
    rig.github.handle_deliveries(Handling(drop=True))


def delivered(rig: Rig) -> None:
    rig.github.handle_deliveries(Handling())


def test_a_hundred_commands_while_the_bot_was_down_are_all_answered_once(rig: Rig) -> None:
    """In five installations: 50 are in the log as failed, 50 in no log at all; 5 of each are real work."""
    stories = [Story.begin(rig) for _ in range(5)]
    issues = [(story, story.issue(f"Issue {number}")) for story in stories for number in range(2)]
    sleep(rig)
    for lost in (False, True):
        if lost:
            never_delivered(rig)
        for story, number in issues:
            for _ in range(4):
                story.say(number, "/amp help")
        for story in stories:
            second = story.repo.issues[2].number if lost else 1
            story.say(second, f"/amp write it\n\n- answer: This is it, {'lost' if lost else 'failed'}.\n")
            story.say(second, "/amp help")
    delivered(rig)
    wake(rig)
    for story in stories:
        answers = [body for number in (1, 2) for body in story.from_bot(number)]
        assert Counter(HELPED in body for body in answers) == {True: 18, False: 2}
        assert sorted(story.states()) == ["answered", "answered"]
        text = "\n".join(answers)
        assert (text.count("\nThis is it, failed.\n"), text.count("\nThis is it, lost.\n")) == (1, 1)
    sandboxes = Counter(sandbox.options.metadata["run"] for sandbox in rig.e2b.records)
    assert sorted(sandboxes.values()) == [1] * 10
    outcomes = Counter(
        (row["guid"].startswith("sweep-"), row["outcome"])
        for row in rig.query("SELECT guid, outcome FROM deliveries WHERE outcome LIKE '%effects'")
    )
    assert outcomes == {
        (False, "1 effects"): 45,
        (False, "2 effects"): 5,
        (True, "1 effects"): 45,
        (True, "2 effects"): 5,
    }
    # And another start changes nothing.
    rig.bot.stop()
    before = [story.from_bot(number) for story, number in issues]
    wake(rig)
    assert [story.from_bot(number) for story, number in issues] == before
    assert len(rig.e2b.records) == 10


def test_every_way_of_asking_is_found_when_nothing_was_delivered(rig: Rig) -> None:
    story = Story.begin(rig)
    old = story.issue()
    story.say(old, "/amp help")
    pull = story.pull({"new.py": "print('new')\n"})
    if rig.github.state.account("amp-reviewer") is None:
        rig.github.create_user("amp-reviewer")
    rig.github.set_permission(story.repo, "amp-reviewer", "write")
    sleep(rig)
    never_delivered(rig)
    labelled = story.issue("Labelled")
    rig.github.label(story.repo, labelled, MAINTAINER, "amp")
    opened = story.issue("Opened", "/amp answer me\n\n- answer: By the body.\n")
    rig.github.request_review(story.repo, pull.number, MAINTAINER, "amp-reviewer")
    rig.github.submit_review(story.repo, pull.number, MAINTAINER, "/amp tell me\n\n- answer: By a review.\n")
    rig.github.review_comment(
        story.repo, pull.number, MAINTAINER, DraftComment("new.py", "/amp say why\n\n- answer: By a line.\n", 1)
    )
    closed = story.issue("Closed")
    story.say(closed, "/amp help")
    rig.github.close(story.repo, closed, MAINTAINER)
    gone = story.say(old, "/amp help")
    rig.github.delete_comment(gone, MAINTAINER)
    changed = story.say(old, "/amp help")
    rig.github.edit_comment(changed, MAINTAINER, "Never mind.")
    story.say(old, "/amp help", by=STRANGER)
    story.say(old, "Only talk.")
    delivered(rig)
    wake(rig)
    assert ("### ✅ Done" in story.only_answer(labelled), story.repo.issues[labelled].labels) == (True, [])
    assert "By the body." in story.only_answer(opened)
    assert story.from_bot(closed) == []
    answers = story.from_bot(old)
    assert [HELPED in body for body in answers] == [True, False]
    assert "write access" in answers[1], "the stranger's one denial"
    told = "\n".join(story.from_bot(pull.number))
    assert ("By a review." in told, "By a line." in told) == (True, True)
    assert len(story.reviews(pull.number)) == 3, "the maintainer's, that of the line, and ours"
    assert sorted(story.states()) == ["answered", "answered", "answered", "published", "reviewed"]
    (asked,) = [run["request"] for run in story.runs() if "By a line." in run["request"]]
    assert (json.loads(asked)["path"], json.loads(asked)["line"]) == ("new.py", 1)
    found = rig.query("SELECT guid FROM deliveries WHERE guid LIKE 'sweep-%'")
    assert Counter(row["guid"].split("-")[1] for row in found) == {
        "issue": 1,
        "body": 1,
        "event": 2,
        "review": 1,
        "line": 1,
    }


def test_what_the_log_tells_is_asked_for_again_on_the_timer_and_nothing_twice(rig: Rig) -> None:
    story = Story.begin(rig)
    number = story.issue()
    sleep(rig)
    story.say(number, FIX)
    rig.github.wait_deliveries()
    wake(rig)
    (list_own,) = {
        each.guid
        for each in rig.github.deliveries
        if each.event == "issue_comment"
        and each.action == "created"
        and "make the answer right" in each.body.decode()
        and each.repository == story.repo.id
        and json.loads(each.body)["sender"]["login"] == MAINTAINER
    }
    attempts = [(each.redelivery, each.status_code) for each in rig.github.deliveries if each.guid == list_own]
    assert attempts == [(False, 502), (True, 202)]
    assert story.states() == ["published"]
    assert "### ✅ Done" in story.only_answer(number)
    assert [comment.author.account.login for comment in story.comments(number)] == [MAINTAINER, BOT]
    assert json.loads(story.runs()[0]["request"])["text"].startswith("make the answer right")


def test_what_was_asked_before_the_database_was_made_is_left_alone(rig: Rig) -> None:
    story = Story.begin(rig)
    sleep(rig)
    number = story.issue()
    never_delivered(rig)
    story.say(number, "/amp help")
    delivered(rig)
    for path in rig.folder.glob("ampbot.sqlite3*"):
        path.unlink()
    story.seconds_pass()
    rig.bot.start()
    sleep(rig)
    wake(rig)
    assert story.from_bot(number) == []
    assert rig.query("SELECT guid FROM deliveries WHERE event = 'issue_comment'") == []


def test_when_the_log_cannot_be_read_the_lists_are_searched(rig: Rig) -> None:
    story = Story.begin(rig)
    number = story.issue()
    sleep(rig)
    story.say(number, "/amp help")
    rig.github.wait_deliveries()
    rig.github.server.faults.add(Fault("error", path="/app/hook/deliveries", status=404, times=0))
    wake(rig)
    assert HELPED in story.only_answer(number)
    assert [row["guid"][:12] for row in rig.query("SELECT guid FROM deliveries")][-1] == "sweep-issue-"


def test_what_is_found_is_its_authors_alone_and_was_said_there(rig: Rig) -> None:
    """GitHub's lists name the author of a text, not who edited it, nor that its issue was transferred."""
    story = Story.begin(rig)
    editor, leaver = "second-maintainer", "leaver"
    for login in (editor, leaver):
        rig.github.create_user(login)
        rig.github.set_permission(story.repo, login, "write")
    number, to = story.issue("Here", "Only talk."), heirs(story)
    pull = story.pull({"new.py": "print('new')\n"})
    sleep(rig)
    never_delivered(rig)
    own = story.say(number, "Only talk.")
    rig.github.edit_comment(own, MAINTAINER, "/amp say it\n\n- answer: My own edit.\n")
    lent = story.say(number, "Only talk.")
    rig.github.edit_comment(lent, editor, "/amp say it\n\n- answer: Lent.\n")
    hidden = story.say(number, "Only talk.")
    rig.github.edit_comment(hidden, editor, "/amp say it\n\n- answer: Hidden.\n")
    rig.github.edit_comment(hidden, MAINTAINER, "/amp say it\n\n- answer: Hidden.\n\nTypo.")
    left = story.say(number, "Only talk.")
    rig.github.edit_comment(left, leaver, "/amp say it\n\n- answer: By one who left.\n")
    opened = story.issue("Edited", "Only talk.")
    rig.github.edit_issue(story.repo, opened, editor, body="/amp say it\n\n- answer: In a description.\n")
    rig.github.edit_issue(story.repo, pull.number, editor, body="/amp say it\n\n- answer: In a pull request.\n")
    line = rig.github.review_comment(story.repo, pull.number, MAINTAINER, DraftComment("new.py", "Only talk.", 1))
    rig.github.edit_review_comment(line, editor, "/amp say it\n\n- answer: On a line.\n")
    moved = story.issue("Moved", "/amp say it\n\n- answer: Moved.\n")
    story.say(moved, "/amp say it\n\n- answer: Moved too.\n")
    rig.github.label(story.repo, moved, MAINTAINER, "amp")
    rig.github.delete_user(leaver)
    story.seconds_pass()
    arrived = transfer(story, moved, to, MAINTAINER)
    with rig.github.state.lock:
        arrived.labels, arrived.events[:0] = story.repo.issues[moved].labels, story.repo.issues[moved].events
    story.seconds_pass()
    rig.github.comment(to, arrived.number, MAINTAINER, "/amp say it\n\n- answer: Said there.\n")
    rig.github.close(story.repo, moved, MAINTAINER)
    delivered(rig)
    wake(rig)
    assert "My own edit." in story.only_answer(number)
    assert [story.from_bot(where) for where in (opened, pull.number, moved)] == [[], [], []]
    there = [comment.body for comment in arrived.comments.values() if comment.author.account.login == BOT]
    assert ["Said there." in body for body in there] == [True]
    assert story.states() == ["answered"]
    assert len(rig.e2b.records) == 2


def test_a_text_whose_author_github_does_not_tell_holds_nothing_else_up(rig: Rig) -> None:
    story = Story.begin(rig)
    number, other = story.issue("One"), story.issue("Another")
    sleep(rig)
    never_delivered(rig)
    story.say(number, "/amp help")
    story.say(other, "/amp help")
    delivered(rig)
    rig.github.server.faults.add(Fault("error", method="POST", path="/graphql$", status=403, message="Forbidden"))
    wake(rig)
    answers = [len(story.from_bot(where)) for where in (number, other)]
    assert sorted(answers) == [0, 1]
