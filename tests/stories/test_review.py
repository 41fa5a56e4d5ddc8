"""However it is asked for, a review is one review of what was read, and nothing is pushed.

A review has no words of its own, so the agent is told what to do by the AMP-SCRIPT.md of the repository.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from bot.rig.github.records import Pull, Review
from bot.rig.http.faults import Fault
from bot.rig.rig import Rig
from tests.stories.conftest import RigWith
from tests.stories.story import BOT, FILES, HELD, MAINTAINER, Story

BEFORE = [f"line {number}\n" for number in range(1, 41)]
AFTER = [*BEFORE[:9], "line ten\n", *BEFORE[10:29], *BEFORE[30:]]  # the tenth is another one, the thirtieth is gone
ROW = {"path": "app.py", "line": 10, "side": "RIGHT", "body": "Why in words?"}


def block(summary: str, *comments: Mapping[str, Any]) -> str:
    """The end of an answer as the prompt asks for it."""
    return f"```review\n{json.dumps({'summary': summary, 'comments': list(comments)})}\n```"


def answering(answer: str, *before: str) -> str:
    """A script: instructions, and then this very answer."""
    return "\n".join([*(f"- {line}" for line in before), "- answer:", "", "~~~~~", answer, "~~~~~", ""])


def begin(rig: Rig, script: str) -> tuple[Story, Pull]:
    story = Story.begin(rig, {**FILES, "app.py": "".join(BEFORE), "AMP-SCRIPT.md": script})
    return story, story.pull({"app.py": "".join(AFTER)})


def only_review(story: Story, pull: Pull) -> Review:
    (review,) = story.reviews(pull.number)
    return review


def inline(pull: Pull) -> list[tuple[str, str | None, int | None, int | None, str]]:
    return [(c.path, c.side, c.start_line, c.line, c.body) for c in pull.comments.values()]


def test_a_review_is_bound_to_what_was_read_and_pushes_nothing(rig: Rig) -> None:
    rows: Sequence[Mapping[str, Any]] = [
        ROW,
        {"path": "app.py", "line": 10, "side": "LEFT", "body": "This one was fine."},
        {"path": "app.py", "line": 30, "side": "LEFT", "body": "Where did it go?"},
        {"path": "app.py", "start_line": 8, "line": 12, "side": "RIGHT", "body": "These lines\nbelong together."},
        {"path": "app.py", "start_line": 10, "line": 30, "side": "RIGHT", "body": "Across two hunks."},
        {"path": "app.py", "line": 20, "side": "RIGHT", "body": "Outside the diff."},
        {"path": "README.md", "line": 1, "side": "RIGHT", "body": "Not in the diff at all."},
    ]
    answer = f"I have read it.\n\n{block('One question.', *rows)}"
    story, pull = begin(rig, answering(answer, "create evil.txt: evil", "append app.py: evil"))
    head, branches = pull.head_sha, story.branches()
    comment = story.say(pull.number, "/amp review")
    story.settle()

    review = only_review(story, pull)
    assert (review.author.account.login, review.state, review.commit) == (BOT, "COMMENTED", head)
    assert inline(pull) == [
        ("app.py", "RIGHT", None, 10, "Why in words?"),
        ("app.py", "LEFT", None, 10, "This one was fine."),
        ("app.py", "LEFT", None, 30, "Where did it go?"),
        ("app.py", "RIGHT", 8, 12, "These lines\nbelong together."),
    ]
    (run,) = story.runs()
    text, price = review.body.rsplit("\n\n", 1)
    assert text == (
        f"<!-- ampbot:run:{run['id']} -->\n\nI have read it.\n\nOne question.\n\n"
        "**On lines outside the diff**\n\n"
        "- `app.py:30`: Across two hunks.\n"
        "- `app.py:20`: Outside the diff.\n"
        "- `README.md:1`: Not in the diff at all."
    )
    assert price.startswith("<sub>")

    assert (story.branches(), story.pulls(), pull.head_sha) == (branches, [pull], head)
    assert story.rig.query("SELECT name FROM artifacts WHERE name <> 'paths' AND run = :run", run=run["id"]) == []
    assert story.states() == ["reviewed"]
    assert story.reactions(comment) == [(BOT, "eyes")]
    said = story.only_answer(pull.number)
    assert "### 🔎 Reviewed" in said
    page = f"{story.rig.github.url}/{story.repo.full_name}/pull/{pull.number}#pullrequestreview-{review.id}"
    assert f"The [review]({page}) is posted, with 4 comments on the diff. 3 more did not fit a line" in said


@pytest.fixture
def staffed(rig_with: RigWith) -> Iterator[Rig]:
    """Where a machine user and a team stand for ampbot, and GitHub lets its own bot be asked."""
    rig = rig_with(AMPBOT_REVIEWERS="amp-reviewer, reviewers")
    if rig.github.state.account("amp-reviewer") is None:
        rig.github.create_user("amp-reviewer")
    rig.github.settings.bots_may_review = True
    yield rig
    rig.github.settings.bots_may_review = False


def ask_user(story: Story, pull: Pull) -> None:
    story.rig.github.request_review(story.repo, pull.number, MAINTAINER, "amp-reviewer")


def ask_team(story: Story, pull: Pull) -> None:
    story.rig.github.create_team(story.repo.owner.login, "reviewers")
    story.rig.github.request_review(story.repo, pull.number, MAINTAINER, "reviewers")


def ask_bot(story: Story, pull: Pull) -> None:
    story.rig.github.request_review(story.repo, pull.number, MAINTAINER, BOT)


@pytest.mark.parametrize("ask", [ask_user, ask_team, ask_bot])
def test_there_are_ways_to_ask_without_a_word(staffed: Rig, ask: Callable[[Story, Pull], None]) -> None:
    story, pull = begin(staffed, answering(block("Good.", ROW)))
    user = "olga"
    if staffed.github.state.account(user) is None:
        staffed.github.create_user(user)
    staffed.github.request_review(story.repo, pull.number, MAINTAINER, user)
    story.settle()
    assert story.runs() == [], "asking somebody else is no business of ours"

    # Its author may not review a pull request, but may ask for one.
    ask(story, pull)
    story.settle()
    assert only_review(story, pull).commit == pull.head_sha
    assert inline(pull) == [("app.py", "RIGHT", None, 10, "Why in words?")]
    assert story.states() == ["reviewed"]
    assert [(each.account.login, each.content) for each in pull.issue.reactions] == [(BOT, "eyes")]
    assert "Review this pull request." in story.only_answer(pull.number)


def test_the_label_asks_each_time_it_is_put_on(rig: Rig) -> None:
    story, pull = begin(rig, answering("Good."))
    for _ in range(2):
        rig.github.label(story.repo, pull.number, MAINTAINER, "AMP:Review")
        story.settle()
    assert story.states() == ["reviewed", "reviewed"]
    assert [review.commit for review in story.reviews(pull.number)] == [pull.head_sha] * 2
    assert [(each.account.login, each.content) for each in pull.issue.reactions] == [(BOT, "eyes")]
    assert pull.issue.labels == []


def test_a_head_that_moves_meanwhile_does_not_move_the_review(rig: Rig) -> None:
    story, pull = begin(rig, answering(block("Good.", ROW), HELD))
    read = pull.head_sha
    story.say(pull.number, "/amp review")
    story.until("the agent to be at work", lambda: story.states() == ["working"])
    rig.github.push_commit(story.repo, "feature", {"app.py": "".join(["new\n"] * 50 + AFTER)}, MAINTAINER)
    story.settle()
    assert (only_review(story, pull).commit, pull.head_sha == read) == (read, False)
    assert inline(pull) == [("app.py", "RIGHT", None, 10, "Why in words?")]


def test_a_review_follows_its_repository_to_its_new_name(rig: Rig) -> None:
    """Another repository, without our App, has the former one: GitHub does not say who may write there."""
    story, pull = begin(rig, answering(block("Good.", ROW), HELD))
    read, name = pull.head_sha, story.repo.full_name
    story.say(pull.number, "/amp review")
    story.until("the agent to be at work", lambda: story.states() == ["working"])
    rig.github.rename(story.repo, "book", MAINTAINER)
    rig.github.create_repository(name, files={"README.md": "Another one\n"})
    story.settle()
    assert (only_review(story, pull).commit, story.states()) == (read, ["reviewed"])
    assert "### 🔎 Reviewed" in story.only_answer(pull.number)


@pytest.mark.parametrize(
    "answer",
    ["All is well.", '```review\n{"summary": "Half a\n```'],
    ids=["no block", "malformed block"],
)
def test_an_answer_that_is_not_as_asked_is_the_summary(rig: Rig, answer: str) -> None:
    story, pull = begin(rig, answering(answer))
    story.say(pull.number, "/amp review")
    story.settle()
    (run,) = story.runs()
    assert only_review(story, pull).body.startswith(f"<!-- ampbot:run:{run['id']} -->\n\n{answer}\n\n<sub>")
    assert inline(pull) == []


def test_what_a_review_says_does_nothing(rig: Rig) -> None:
    hostile = "@mona fixes #1\n/merge\n/amp do it\n<script>x</script> <!-- --> </details> ![i](http://x.example/i)"
    # Where one thing starts a line, or a word, there is an invisible character or a backslash now.
    harmless = (
        "@\u2060mona fixes #\u20601\n\\/merge\n\\/amp do it\n&lt;script>x&lt;/script> &lt;!-- --> &lt;/details> "
        "!\\[i](http://x.example/i)"
    )
    elsewhere = {"path": "a` @mona", "line": 1, "side": "RIGHT", "body": hostile}
    story, pull = begin(rig, answering(block(hostile, {**ROW, "body": hostile}, elsewhere)))
    rig.github.open_issue(story.repo, MAINTAINER, "Stays open")
    story.say(pull.number, "/amp review")
    story.settle()
    body = only_review(story, pull).body
    flat = " ".join(harmless.replace("\\/", "/").split())
    assert f" -->\n\n{harmless}\n\n**On lines" in body
    assert f"- ``a` @mona:1``: {flat}\n" in body
    assert inline(pull) == [("app.py", "RIGHT", None, 10, harmless)]
    assert len(story.runs()) == 1


REFUSED = "On lines, which are here because GitHub took no comments on them"


def test_where_github_refuses_a_line_the_review_goes_without(rig: Rig) -> None:
    story, pull = begin(rig, answering(block("Good.", ROW)))
    words = "Pull request review thread line must be part of the diff"
    rig.github.server.faults.add(Fault("error", method="POST", path="/reviews$", status=422, message=words))
    story.say(pull.number, "/amp review")
    story.settle()
    assert f"Good.\n\n**{REFUSED}**\n\n- `app.py:10`: Why in words?\n" in only_review(story, pull).body
    assert inline(pull) == []
    said = "with 0 comments on the diff. 1 more could not be put on lines, as GitHub refused that, and stands"
    assert said in story.only_answer(pull.number)


def test_a_review_of_what_a_force_push_took_away_is_on_the_new_head_without_lines(rig: Rig) -> None:
    story, pull = begin(rig, answering(block("Good.", ROW), HELD))
    read, base = pull.head_sha, pull.base_sha
    story.say(pull.number, "/amp review")
    story.until("the agent to be at work", lambda: story.states() == ["working"])
    rig.github.force_push(story.repo, "feature", base, MAINTAINER)
    head = rig.github.push_commit(story.repo, "feature", {"app.py": "".join(AFTER[1:])}, MAINTAINER)
    story.settle()
    review = only_review(story, pull)
    assert (review.commit, read != head) == (head, True)
    assert f" -->\n\nThis is about {read}, which a push has replaced since Amp read it." in review.body
    assert f"Good.\n\n**{REFUSED}**\n\n- `app.py:10`: Why in words?\n" in review.body
    assert inline(pull) == []
    assert story.states() == ["reviewed"]
    assert "### 🔎 Reviewed" in story.only_answer(pull.number)


def test_a_review_that_github_takes_in_no_form_is_in_the_comment(rig: Rig) -> None:
    story, pull = begin(rig, answering(block("Good.", ROW)))
    words = "commit_id is not part of the pull request"
    rig.github.server.faults.add(Fault("error", method="POST", path="/reviews$", status=422, message=words, times=3))
    story.say(pull.number, "/amp review")
    story.settle()
    assert story.reviews(pull.number) == []
    answer = story.only_answer(pull.number)
    assert "### 🔎 Reviewed" in answer
    assert f"GitHub took no review of {pull.head_sha}, so here is what Amp found." in answer
    assert f"Good.\n\n**{REFUSED}**\n\n- `app.py:10`: Why in words?\n" in answer
    assert story.states() == ["reviewed"]


def test_an_issue_cannot_be_reviewed(story: Story) -> None:
    number = story.issue()
    comment = story.say(number, "/amp review")
    story.settle()
    story.rig.github.label(story.repo, number, MAINTAINER, "amp:review")
    story.settle()
    assert [said.split("\n", 1)[1] for said in story.from_bot(number)] == [
        "There is no pull request here to review. Comment `/amp review` on a pull request."
    ] * 2
    assert story.repo.issues[number].labels == []
    assert story.reactions(comment) == []
    assert story.runs() == []


def test_a_pull_request_whose_diff_github_does_not_give_is_reviewed_all_the_same(rig: Rig) -> None:
    """GitHub refuses a diff of more than 300 files, which is laid beside the prompt and tells where comments may go."""
    answer = block("Many files.", {**ROW, "path": "many/7.txt", "line": 1})
    script = answering(answer, "run: cat ~/.ampbot/*.diff 2>/dev/null | head -c 80; ls many | wc -l")
    story = Story.begin(rig, {**FILES, "AMP-SCRIPT.md": script})
    pull = story.pull({f"many/{number}.txt": f"{number}\n" for number in range(301)})
    story.say(pull.number, "/amp review")
    story.settle()

    assert story.states() == ["reviewed"]
    review = only_review(story, pull)
    assert "Many files." in review.body
    heading = "**On lines, which are here because GitHub gives no diff of this size**"
    assert f"\n\n{heading}\n\n- `many/7.txt:1`: Why in words?" in review.body
    said = "1 more could not be put on lines, as GitHub gives no diff of this size, and stands in its summary."
    assert said in story.only_answer(pull.number)
    assert "outside the diff" not in review.body
    assert inline(pull) == []
    refused = [entry for entry in rig.github.server.request_log.entries if entry.status == 406]
    assert {entry.path.rpartition("/")[0] for entry in refused} >= {f"/api/v3/repos/{story.repo.full_name}/compare"}
