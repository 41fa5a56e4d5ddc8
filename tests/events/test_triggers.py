"""The names that triggers give to what is stored: they never change."""

from __future__ import annotations

from bot.events import triggers
from bot.model import CommentKind


def test_a_text_is_named_by_its_kind_and_id() -> None:
    """(part of the GUID under which the sweep stores it, its key)."""
    names = {(text.name, triggers.text_key(text.kind, 7)) for text in triggers.TEXTS}
    assert names == {
        ("issue", "issue:7"),
        ("body", "body:7"),
        ("pull", "body:7"),
        ("line", "line:7"),
        ("review", "review:7"),
    }
    assert {text.kind for text in triggers.TEXTS} == set(CommentKind)


def test_an_issue_event_is_named_by_githubs_id_and_else_by_its_delivery() -> None:
    assert (triggers.ISSUE_EVENT, triggers.issue_event_key(7)) == ("event", "event:7")
    assert triggers.delivery_key("guid") == "delivery:guid"
