"""Only people who may write are served; others get one polite sentence, or silence where that is right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.rig.github.effects import issues
from bot.rig.github.records import Actor
from bot.rig.http.faults import Fault
from bot.rig.rig import Rig
from tests.stories.story import BOT, HELD, MAINTAINER, STRANGER, Story
from tests.stories.transferring import TOLD, heirs, transfer

ASK = "/amp go on\n\n- create new.txt: new\n"
SENTENCE = "only people with write access to this repository can ask ampbot to work here."


def somebody(story: Story, role: str, *, kind: str = "User", login: str = "") -> str:
    login = login or f"{role}{story.repo.id}"
    if story.rig.github.state.account(login) is None:
        story.rig.github.create_user(login, kind)
    story.rig.github.set_permission(story.repo, login, role)
    return login


def outcomes(story: Story) -> list[str]:
    """What became of each delivery of this repository."""
    rows = story.rig.query("SELECT outcome, body FROM deliveries ORDER BY received_at")
    return [row["outcome"] for row in rows if f'"full_name":"{story.repo.full_name}"'.encode() in row["body"]]


@pytest.mark.parametrize(
    ("role", "may"),
    [("none", False), ("read", False), ("triage", False), ("write", True), ("maintain", True), ("admin", True)],
)
def test_who_may_write_may_ask(story: Story, role: str, may: bool) -> None:
    number = story.issue()
    comment = story.say(number, ASK, by=somebody(story, role))
    story.settle()
    assert story.states() == (["published"] if may else [])
    assert len(story.pulls()) == may
    assert story.reactions(comment) == ([(BOT, "eyes")] if may else [])
    assert (SENTENCE in story.only_answer(number)) is not may


def test_strangers_get_one_sentence_a_thread(story: Story) -> None:
    first, second = story.issue(), story.issue("Another")
    story.say(first, "/amp one\n\n/amp two\n\n/amp help\n", by=STRANGER)
    story.settle()
    story.say(first, ASK, by=STRANGER)
    story.settle()
    story.say(first, ASK, by=somebody(story, "read"))
    story.say(second, "/amp help", by=STRANGER)
    story.settle()
    assert SENTENCE in story.only_answer(first)
    assert f"Sorry {STRANGER}, " in story.only_answer(first)
    assert SENTENCE in story.only_answer(second)
    assert story.runs() == []


@pytest.mark.usefixtures("no_lag")
def test_a_private_repository_is_silent_to_who_may_not_read_it(rig: Rig) -> None:
    story = Story.begin(rig, private=True)
    number = story.issue()
    mark = story.mark()
    story.say(number, ASK, by=STRANGER)
    story.settle()
    assert story.from_bot(number) == []
    assert outcomes(story)[-1] == "denied: no read access to a private repository"
    assert story.requests(mark) == [f"GET /collaborators/{STRANGER}/permission"]
    story.say(number, ASK, by=somebody(story, "read"))
    story.settle()
    assert SENTENCE in story.only_answer(number)
    assert story.runs() == []


def test_machines_are_not_answered(story: Story) -> None:
    number = story.issue()
    mark = story.mark()
    story.say(number, ASK, by=somebody(story, "admin", kind="Bot", login="dependabot[bot]"))
    story.say(number, f"> quoted\n\n{ASK}", by=BOT)
    with story.rig.github.state.lock:  # a person's browser, with our own App's hand
        by = Actor(story.rig.github.state.user(MAINTAINER), story.rig.app)
        issues.comment(story.rig.github.state, story.repo.issues[number], by, ASK)
    story.settle()
    assert outcomes(story)[-3:] == ["ignored: written by a machine"] * 3
    assert (story.runs(), story.requests(mark), len(story.comments(number))) == ([], [], 3)


def test_its_own_words_are_no_commands(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp say it\n\n- answer: Comment this:\n- answer: /amp help\n- say: /amp help\n")
    story.settle()
    assert story.states() == ["answered"]
    assert "\\/amp help" in story.only_answer(number)
    assert len(story.comments(number)) == 2


NOT_YOURS = "This one was edited into somebody else's text, so nothing was started."


def test_correcting_the_words_of_another_lends_them_no_rights_and_is_told_once(story: Story) -> None:
    number = story.issue("Asked by a stranger", by=STRANGER)
    comment = story.say(number, "I wonder.", by=STRANGER)
    for text in (f"I wonder!\n\n{ASK}", f"I wonder.\n\n{ASK}\n\n/amp stop\n", "I wonder.", f"Again\n\n{ASK}"):
        story.rig.github.edit_comment(comment, MAINTAINER, text)
    story.settle()
    assert NOT_YOURS in story.only_answer(number)
    story.rig.github.edit_issue(story.repo, number, MAINTAINER, body=f"It should be 42.\n\n{ASK}")
    story.settle()
    assert [NOT_YOURS in said for said in story.from_bot(number)] == [True, True], "once for each text"
    assert (story.runs(), story.reactions(comment)) == ([], [])


def test_a_text_of_another_that_only_changes_is_nothing_to_speak_of(story: Story) -> None:
    asked = story.say(story.issue(), ASK)
    story.settle()
    editor = somebody(story, "admin")
    story.rig.github.edit_comment(asked, editor, f"Corrected.\n\n{ASK}")
    story.settle()
    assert story.states() == ["published"]
    assert len(story.from_bot(1)) == 1


@pytest.mark.parametrize("author", [STRANGER, MAINTAINER])
@pytest.mark.parametrize("told", TOLD)
def test_whoever_transfers_an_issue_does_not_say_what_is_in_it(story: Story, told: str, author: str) -> None:
    number, to = story.issue(body=f"Somewhere else.\n\n{ASK}", by=author), heirs(story)
    story.settle()
    assert len(story.runs()) == (author == MAINTAINER), "where it was said"
    moved = transfer(story, number, to, MAINTAINER, told)
    story.settle()
    assert len(story.rig.query("SELECT id FROM runs WHERE repository = :id", id=to.id)) == 0
    assert (len(moved.comments), to.pulls) == (len(story.from_bot(number)), [])
    ended = story.rig.query("SELECT outcome FROM deliveries WHERE event = 'issues' ORDER BY received_at DESC LIMIT 1")
    assert ended == [{"outcome": "ignored: opened by a transfer: its text was said elsewhere"}]


@pytest.mark.parametrize("role", ["none", "read", "triage"])
def test_who_may_not_ask_gets_no_answer_to_an_edit(story: Story, role: str) -> None:
    number = story.issue()
    comment = story.say(number, "Hm.")
    story.rig.github.edit_comment(comment, somebody(story, role), ASK)
    story.settle()
    assert outcomes(story)[-1].startswith("denied: ")
    assert (story.runs(), story.from_bot(number)) == ([], [])


def demoted(story: Story, login: str) -> None:
    story.rig.github.set_permission(story.repo, login, "triage")


def deleted(story: Story, login: str) -> None:
    story.rig.github.delete_user(login)


@pytest.mark.parametrize("meanwhile", [demoted, deleted])
def test_what_they_may_no_longer_ask_for_is_not_published(
    story: Story, meanwhile: Callable[[Story, str], None]
) -> None:
    number, login = story.issue(), somebody(story, "write")
    story.say(number, f"{ASK}- {HELD}\n", by=login)
    story.until("the agent to be at work", lambda: story.states() == ["working"])
    mark = story.mark()
    meanwhile(story, login)
    story.settle()
    assert story.states() == ["refused"]
    answer = story.only_answer(number)
    assert "### 🚫 Not published" in answer
    assert f"{login} no longer has write access here, so nothing was published." in answer
    assert (story.pulls(), list(story.branches())) == ([], ["main"])
    assert [request for request in story.requests(mark) if "/git/" in request] == []
    kept = story.rig.query("SELECT name FROM artifacts WHERE name <> 'paths' AND run = :run", run=story.runs()[0]["id"])
    assert kept == [{"name": "changes"}]


def test_a_review_they_may_no_longer_ask_for_is_not_posted(rig: Rig) -> None:
    story = Story.begin(rig, {"app.py": "1\n", "AMP-SCRIPT.md": f"- {HELD}\n"})
    pull = story.pull({"app.py": "2\n"})
    story.say(pull.number, "/amp review")
    story.until("the agent to be at work", lambda: story.states() == ["working"])
    demoted(story, MAINTAINER)
    story.settle()
    assert story.states() == ["refused"]
    assert "no longer has write access" in story.only_answer(pull.number)
    assert story.reviews(pull.number) == []


@pytest.mark.parametrize(("status", "says"), [(404, SENTENCE), (403, "")], ids=["unknown there", "refused to the App"])
def test_who_cannot_be_looked_up_may_not_ask(story: Story, status: int, says: str) -> None:
    number = story.issue()
    story.rig.github.server.faults.add(Fault("error", path=f"/collaborators/{MAINTAINER}/permission", status=status))
    story.say(number, ASK)
    story.settle()
    assert story.runs() == []
    assert [says in said for said in story.from_bot(number)] == ([True] if says else [])


def test_a_look_up_that_fails_for_a_moment_is_made_again(story: Story) -> None:
    number = story.issue()
    story.rig.github.server.faults.add(Fault("error", path=f"/collaborators/{MAINTAINER}/permission", status=500))
    story.say(number, ASK)
    story.settle()
    assert story.states() == ["published"]


def test_an_issue_outlives_its_author(story: Story) -> None:
    author = somebody(story, "read")
    number = story.issue("Left behind", by=author)
    story.rig.github.delete_user(author)
    story.say(number, ASK)
    story.settle()
    assert story.states() == ["published"]
    assert f"Closes #{number}" in (story.only_pull().issue.body or "")
    assert f"Asked by @{MAINTAINER} in #{number}" in (story.only_pull().issue.body or "")
