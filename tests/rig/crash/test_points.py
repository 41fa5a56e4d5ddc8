"""Points have the same name in every run of a story, and different ends are detected."""

from __future__ import annotations

from bot.rig.crash.end import differences
from bot.rig.crash.points import shape


def test_what_varies_has_a_name() -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    assert shape(f"/api/v3/repos/crash10007/pages/git/commits/{sha}") == "/api/v3/repos/<crash>/pages/git/commits/<sha>"
    assert shape("/api/v3/app/installations/41000042/access_tokens") == "/api/v3/app/installations/<n>/access_tokens"
    assert shape("/sandboxes/ib23/timeout", ["ib23"]) == "/sandboxes/<box>/timeout"
    assert shape("/repos/crash10007/pages/issues/1/comments") == "/repos/<crash>/pages/issues/1/comments"
    assert shape("/git/ref/heads/amp/1-the-answer-0a1b2c3d") == "/git/ref/heads/amp/1-the-answer<run>"


def test_every_difference_is_a_line_that_says_where() -> None:
    one = {"comments": [{"body": "a"}, {"body": "b"}], "live": 0}
    assert differences(one, one) == []
    other = {"comments": [{"body": "a"}, {"body": "c"}], "live": 1, "more": True}
    assert differences(one, other) == [
        "comments/1/body: 'b' became 'c'",
        "live: 0 became 1",
        "more: None became True",
    ]
    doubled = {"comments": [{"body": "a"}, {"body": "b"}, {"body": "b"}], "live": 0}
    assert len(differences(one, doubled)) == 1
