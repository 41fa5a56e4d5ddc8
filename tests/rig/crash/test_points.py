"""Points have the same name in every run of a story, and different ends are detected."""

from __future__ import annotations

from bot.rig.crash.end import differences, differences_from_all, more
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


def test_of_two_versions_each_part_of_an_end_may_be_as_either_has_it() -> None:
    older = {"title": "old", "comments": [{"body": "a"}], "runs": [1]}
    newer = {"title": "new", "comments": [{"body": "b"}], "runs": [1]}
    assert differences_from_all((older, newer), {**older, "comments": [{"body": "b"}]}) == []
    assert differences_from_all((older, newer), {**newer, "title": "other"}) == ["title: 'old' became 'other'"]
    assert differences_from_all((older, newer), {**newer, "runs": [1, 1]}) == ["runs: [1] became [1, 1]"]
    # Where one of them has a part more, it may be there or not, but in no other form.
    longer = {**newer, "comments": [{"body": "b"}, {"body": "c"}]}
    assert differences_from_all((older, longer), longer) == []
    assert len(differences_from_all((older, longer), {**longer, "comments": [{"body": "b"}, {"body": "d"}]})) == 1


def test_more_is_not_the_same_as_other() -> None:
    one = {"comments": [{"body": "a"}], "github": {"pulls": (1,)}}
    assert not more(one, one)
    assert not more(one, {"comments": [{"body": "b"}], "github": {"pulls": ()}})
    assert more(one, {**one, "github": {"pulls": (1, 2)}})
    assert more({"pulls": [one]}, {"pulls": [{**one, "comments": [{"body": "a"}] * 2}]})
