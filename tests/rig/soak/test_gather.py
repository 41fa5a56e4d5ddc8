"""The evidence comes from the real state: a real story is clean, and each tampering is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.rig.rig import Rig
from bot.rig.soak.check import check
from bot.rig.soak.evidence import Evidence, Expect, UserAction
from bot.rig.soak.gather import BOT, gather
from tests.stories.story import MAINTAINER, Story

FIX = '/amp s1 make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Story, tuple[UserAction, ...]]]:
    """A finished, successful story; the tests below tamper with its state and restore it."""
    with Rig(tmp_path_factory.mktemp("gather")) as rig:
        rig.serve()
        story = Story.begin(rig)
        number = story.issue()
        story.say(number, FIX)
        story.settle().settle()  # again, for deliveries caused by the end of the run
        yield story, (UserAction(story.repo.id, number, MAINTAINER, Expect.RUN, "s1", FIX),)


def seen(told: tuple[Story, tuple[UserAction, ...]]) -> Evidence:
    story, actions = told
    return gather(story.rig, actions, (0.0,))


def rules(evidence: Evidence) -> set[str]:
    return {violation.rule for violation in check(evidence)}


def test_a_story_without_trouble_breaks_no_promise(told: tuple[Story, tuple[UserAction, ...]]) -> None:
    evidence = seen(told)
    assert check(evidence) == ()
    (run,) = evidence.runs
    assert (run.state, run.agents) == ("published", 1)
    assert [sandbox.agent for sandbox in evidence.sandboxes] == [True]
    assert {made.kind for made in evidence.made if made.run == run.id} == {"pull", "commit", "branch"}
    assert len([asked for asked in evidence.permissions if asked.actor == MAINTAINER]) == 2
    written = [write.what.rpartition("/")[2] for write in evidence.writes]
    assert written == ["trees", "commits", "refs", "pulls"]
    assert [bool(write.run) for write in evidence.writes] == [False, True, True, True]
    assert evidence.sent
    assert all(sent.accepted and sent.stored for sent in evidence.sent)


def test_without_the_permission_before_publishing_it_complains(told: tuple[Story, tuple[UserAction, ...]]) -> None:
    evidence = seen(told)
    first = replace(evidence, permissions=evidence.permissions[:1])
    assert rules(first) == {"nothing is published without asking who may"}


def test_a_second_comment_is_seen(told: tuple[Story, tuple[UserAction, ...]]) -> None:
    story, (action,) = told
    issue = story.repo.issues[action.number]
    (comment,) = [each for each in issue.comments.values() if each.author.account.login == BOT]
    issue.comments[1] = comment
    assert rules(seen(told)) == {"every command has exactly one answer", "nothing is said unasked"}
    del issue.comments[1]
    body, comment.body = comment.body, comment.body.replace("✅ Done", "⏳ Working on it")
    assert rules(seen(told)) == {"every command has exactly one answer"}
    comment.body = body
    del issue.comments[comment.id]
    assert rules(seen(told)) == {"every command has exactly one answer"}
    issue.comments[comment.id] = comment


def test_a_second_commit_and_pull_request_are_seen(told: tuple[Story, tuple[UserAction, ...]]) -> None:
    """Not restored: refs/pull/N/head keeps the commit."""
    story, _ = told
    evidence = seen(told)
    run = evidence.runs[0].id
    message = f"Again\n\nAmpbot-Run: {run}\n"
    story.rig.github.push_commit(story.repo, "again", {"a": "b"}, MAINTAINER, message)
    assert rules(seen(told)) == {"a run publishes once"}
    story.rig.github.open_pull(story.repo, MAINTAINER, "again", "Again", f"<!-- ampbot:run:{run} -->")
    assert sum("of pull" in violation.what for violation in check(seen(told))) == 1


def test_open_rows_and_secrets_are_seen(told: tuple[Story, tuple[UserAction, ...]]) -> None:
    """Must be the last test: deleted data stays in the database's pages."""
    story, _ = told
    story.settle().settle()
    before = rules(seen(told))
    engine = sa.create_engine(story.rig.database_url)

    def change(sql: str, **values: object) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(sql), values)

    guid = story.rig.query("SELECT guid FROM deliveries WHERE event = 'issue_comment'")[0]["guid"]
    change(
        "UPDATE deliveries SET closed_at = NULL, outcome = :key WHERE guid = :guid", guid=guid, key=story.rig.amp_key
    )
    assert rules(seen(told)) - before == {"every delivery gets in and is closed", "no secret is seen"}
    engine.dispose()
