"""Transferring an issue, as GitHub tells of it in the repository that it comes to."""

from __future__ import annotations

from typing import Any

from bot.rig.github.effects import issues
from bot.rig.github.effects.emit import emit
from bot.rig.github.records import Actor, Comment, Issue, Repository
from bot.rig.github.shapes import issues as shapes
from bot.rig.github.shapes.repositories import repository
from tests.stories.story import MAINTAINER, STRANGER, Story

# What `changes` may be: GitHub's schema has null for the old issue.
TOLD = ("both", "old_issue null", "both null")


def heirs(story: Story) -> Repository:
    """Another repository of the same owner, in which our App is installed."""
    made = story.rig.github.create_repository(f"{story.repo.owner.login}/heirs", files={"README.md": "Heirs\n"})
    story.rig.github.set_permission(made, MAINTAINER, "write")
    story.rig.github.set_permission(made, STRANGER, "read")
    story.rig.github.install(story.rig.app, [made])
    return made


def transfer(story: Story, number: int, to: Repository, by: str, told: str = "both") -> Issue:
    """The issue and its comments keep their authors and times. Returns it under its new number."""
    state, old = story.rig.github.state, story.repo.issues[number]
    with state.lock:
        actor = Actor(state.user(by))
        made = issues.new_issue(state, to, old.author, old.title, old.body)
        made.created_at, made.editors = old.created_at, old.editors
        to.issues[made.number] = made
        for each in old.comments.values():
            moved = Comment(state.next_id(), made, each.author, each.body, each.created_at, each.updated_at)
            made.comments[moved.id] = moved
        issues.record(state, made, actor, "transferred")
        changes: dict[str, Any] = {"old_issue": None, "old_repository": None}
        if told == "both":
            changes["old_issue"] = shapes.issue(state.url, old)
        if told != "both null":
            changes["old_repository"] = repository(state.url, story.repo)
        shape = shapes.issue(state.url, made)
        emit(state, to, "issues", actor, {"action": "opened", "issue": shape, "changes": changes})
    return made
