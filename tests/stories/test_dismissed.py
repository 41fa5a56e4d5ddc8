"""Deliveries that ask nothing are closed with their reason, and cost no workflow."""

from __future__ import annotations

from tests.stories.story import Story


def rows(story: Story, text: str) -> list[tuple[str, bool, int]]:
    """(outcome, closed, workflows) of each delivery of this story whose body holds `text`."""
    list_own = [each.guid for each in story.rig.github.deliveries if each.repository == story.repo.id]
    found = story.rig.query(
        "SELECT guid, body, outcome, closed_at IS NOT NULL AS closed, "
        "(SELECT count(*) FROM workflow_status WHERE workflow_uuid = 'delivery:' || guid) AS workflows FROM deliveries"
    )
    return [
        (row["outcome"], bool(row["closed"]), row["workflows"])
        for row in found
        if row["guid"] in list_own and text.encode() in row["body"]
    ]


def test_words_and_our_own_comments_are_closed_without_a_workflow(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp help")
    story.settle()
    story.say(number, "Just words among ourselves.")
    story.settle()
    assert rows(story, "Just words among ourselves.") == [("ignored: asks nothing", True, 0)]
    assert rows(story, '"body":"/amp help"') == [("1 effects", True, 1)]
    answer = story.only_answer(number).split("\n")[0]
    assert all(workflows == 0 and closed for _, closed, workflows in rows(story, answer))
    assert rows(story, answer) != []
