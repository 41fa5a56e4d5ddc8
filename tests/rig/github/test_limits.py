"""Rate limits with low thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest

from bot.rig.github.limits import Cost, Limits, Meter
from bot.rig.github.refusal import Refusal
from bot.rig.github.server import GitHub

from .conftest import Scene


@pytest.fixture
def limited(scene: Scene) -> Iterator[Scene]:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    yield scene
    scene.github.settings.limits = Limits()


def _limit(hub: GitHub, limits: Limits) -> None:
    hub.settings.limits = limits


def test_every_answer_tells_the_limit(limited: Scene) -> None:
    token = limited.token()
    first = limited.ask("GET", "{repo}", token)
    second = limited.ask("GET", "{repo}/nowhere", token)
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-resource"]) == ("5000", "core")
    assert [answer.headers["x-ratelimit-used"] for answer in (first, second)] == ["1", "2"]
    assert second.headers["x-ratelimit-remaining"] == "4998"
    shown = limited.ask("GET", "/rate_limit", token).json()["resources"]
    assert set(shown) == {"core", "search", "graphql"}


def test_the_primary_limit_belongs_to_the_installation(limited: Scene) -> None:
    _limit(limited.github, Limits(core=2))
    one, other = limited.token(), limited.token()
    statuses = [limited.ask("GET", "{repo}", token).status_code for token in (one, other, one)]
    refused = limited.ask("GET", "{repo}", other)
    assert statuses == [200, 200, 403]
    assert f"API rate limit exceeded for installation ID {limited.installation.id}." in refused.json()["message"]
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in refused.headers


def test_content_is_limited_by_the_minute_and_edits_count(limited: Scene) -> None:
    _limit(limited.github, Limits(content_minute=2))
    token, path = limited.token(), "{repo}/issues/1/comments"
    made = limited.ask("POST", path, token, {"body": "one"}).json()
    edit = limited.ask("PATCH", f"{{repo}}/issues/comments/{made['id']}", token, {"body": "two"})
    refused = limited.ask("POST", path, token, {"body": "three"})
    assert (edit.status_code, refused.status_code, refused.headers["retry-after"]) == (200, 403, "60")
    assert "temporarily blocked from content creation" in refused.json()["message"]
    assert limited.ask("GET", path, token).status_code == 200
    assert len(limited.repo.issues[1].comments) == 1


def test_points_are_limited_by_the_minute(limited: Scene) -> None:
    _limit(limited.github, Limits(points=11, retry_after=None, status=429))
    token = limited.token()
    for _ in range(2):
        assert limited.ask("POST", "{repo}/issues/1/reactions", token, {"content": "eyes"}).status_code < 300
    assert limited.ask("GET", "{repo}", token).status_code == 200
    refused = limited.ask("GET", "{repo}", token)
    assert (refused.status_code, "retry-after" in refused.headers) == (429, False)
    assert "You have exceeded a secondary rate limit." in refused.json()["message"]


def test_so_are_requests_at_once(limited: Scene) -> None:
    _limit(limited.github, Limits(concurrent=2))
    token = limited.token()
    with ThreadPoolExecutor(4) as pool, limited.github.state.lock:
        asked = [pool.submit(limited.ask, "GET", "{repo}", token) for _ in range(4)]
        # The lock is held here, so a request that gets an answer was refused before it needed the lock.
        refused = list(islice(as_completed(asked, timeout=10), 2))
    assert [each.result().status_code for each in refused] == [403, 403]
    assert sorted(each.result().status_code for each in asked) == [200, 200, 403, 403]


def test_graphql_has_points_of_its_own_and_says_so_within_a_200(limited: Scene) -> None:
    _limit(limited.github, Limits(graphql=1))
    headers = {"authorization": f"bearer {limited.token()}"}
    url, body = f"{limited.github.url}/api/graphql", {"query": "{ viewer { login } }"}
    first = limited.http.post(url, json=body, headers=headers)
    second = limited.http.post(url, json=body, headers=headers)
    assert (first.headers["x-ratelimit-resource"], first.json()["data"]["viewer"]["login"]) == (
        "graphql",
        "ampbot[bot]",
    )
    assert (second.status_code, second.json()["errors"][0]["type"]) == (200, "RATE_LIMITED")


def test_a_window_passes() -> None:
    now = 1000.0
    limits = Limits(core=3, content_minute=1, content_hour=2)
    meter = Meter(lambda: limits, lambda: now)
    write = Cost("core", 5, content=True)
    name = "installation ID 1"
    meter.charge(name, write)
    with pytest.raises(Refusal, match="content creation"):
        meter.charge(name, write)
    now += 61
    meter.charge(name, write)
    with pytest.raises(Refusal, match="API rate limit exceeded"):
        meter.charge(name, write)
    assert meter.standing(name, "core") == {"limit": 3, "remaining": 0, "reset": 4600, "used": 3}
    now += 3600
    meter.charge(name, write)
    assert meter.standing(name, "core")["used"] == 1


def test_nobody_has_a_smaller_limit() -> None:
    meter = Meter(Limits, lambda: 0.0)
    assert meter.standing("127.0.0.1", "core")["limit"] == 60
