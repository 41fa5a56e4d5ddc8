"""`app.yml` is read in one place, and says what an App's manifest says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bot.github.manifest import NOT_USED_YET, Manifest, lacking, load


def test_the_manifest_as_it_is_given_to_github() -> None:
    assert load() == Manifest(
        name="ampbot",
        url="https://github.com/apps/ampbot",
        public=False,
        hook_attributes={"url": "https://ampbot.example.com/webhook", "active": True},
        default_permissions={
            "contents": "write",
            "issues": "write",
            "pull_requests": "write",
            "checks": "write",
            "actions": "read",
            "metadata": "read",
        },
        default_events=(
            "issue_comment",
            "issues",
            "pull_request",
            "pull_request_review",
            "pull_request_review_comment",
            "check_run",
            "check_suite",
        ),
    )


def test_nobody_but_github_can_be_asked_for_more() -> None:
    """Without these no mistake of ours can change a workflow, a setting or a team."""
    assert {"workflows", "administration", "members", "secrets"}.isdisjoint(load().default_permissions)


def test_what_is_not_used_yet_is_declared_and_has_its_reason() -> None:
    declared = load()
    known = {f"permission {name}" for name in declared.default_permissions}
    known |= {f"event {name}" for name in declared.default_events}
    assert set(NOT_USED_YET) <= known
    assert all(len(reason.split()) >= 3 for reason in NOT_USED_YET.values())


@pytest.mark.parametrize(
    ("declared", "granted", "expected"),
    [
        ({"issues": "write"}, {"issues": "write"}, ()),
        ({"issues": "read"}, {"issues": "write"}, ()),
        ({"issues": "write"}, {"issues": "admin"}, ()),
        ({"issues": "write"}, {"issues": "read"}, ("issues: write",)),
        ({"issues": "write", "checks": "read"}, {"actions": "write"}, ("issues: write", "checks: read")),
        ({"issues": "write"}, {"issues": "a level of tomorrow"}, ("issues: write",)),
        ({}, {"issues": "write"}, ()),
    ],
)
def test_a_permission_lacks_unless_it_is_granted_in_full(
    declared: Mapping[str, str], granted: Mapping[str, str], expected: tuple[str, ...]
) -> None:
    assert lacking(declared, granted) == expected
