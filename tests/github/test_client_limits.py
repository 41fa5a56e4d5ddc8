"""GitHub's limits are waited out within reason, its redirects followed to itself alone, GraphQL treated alike."""

from __future__ import annotations

from typing import Any

import pytest

from bot.github.client import LIMIT_WAITS, Answer, Client, GitHubApi
from bot.github.errors import ForbiddenError, GitHubError, LimitedError, NotFoundError
from bot.github.rate_limit import RateLimit
from bot.rig.http.faults import Fault
from bot.text.redact import Redactor
from tests.github.conftest import TOKEN, GitHub, Time, moved, said


class Thing(Answer):
    id: int


@pytest.fixture
def client(api: GitHubApi) -> Client:
    return Client.as_installation(api, TOKEN, 1)


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_after_a_secondary_limit_without_a_word_it_waits_a_minute_then_longer(
    client: Client, github: GitHub, time: Time, status: int, method: str
) -> None:
    github.server.faults.add(Fault("secondary_limit", status=status, times=2))
    assert await client.call(method, "/x", Thing) == Thing(id=1)  # a POST too: it was refused, not done
    assert time.waits == [60, 120]


async def test_it_gives_up_when_the_limit_stays(client: Client, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("secondary_limit", times=0))
    with pytest.raises(LimitedError) as raised:
        await client.call("GET", "/x", Thing)
    assert (time.waits, raised.value.wait, raised.value.status) == (list(LIMIT_WAITS), 0, 403)
    assert "secondary rate limit" in raised.value.message


async def test_it_waits_as_long_as_it_is_told(client: Client, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("secondary_limit", seconds=7), Fault("secondary_limit", seconds=90))
    await client.call("GET", "/x", Thing)
    assert time.waits == [7, 90]


async def test_it_waits_for_the_reset_of_a_primary_limit(client: Client, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("primary_limit", seconds=100))
    await client.call("GET", "/x", Thing)
    [wait] = time.waits
    assert 99 <= wait <= 102


@pytest.mark.parametrize("fault", [Fault("primary_limit", seconds=3_000), Fault("secondary_limit", seconds=3_000)])
async def test_it_does_not_wait_for_an_hour(client: Client, github: GitHub, time: Time, fault: Fault) -> None:
    github.server.faults.add(fault)
    with pytest.raises(LimitedError) as raised:
        await client.call("GET", "/x", Thing)
    assert time.waits == []
    assert 2_999 <= raised.value.wait <= 3_002


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"retry-after": "0"}, 1),
        ({"retry-after": "-5"}, 1),
        ({"retry-after": "soon"}, 60),
        ({"retry-after": "nan"}, 1),
        ({"x-ratelimit-remaining": "0"}, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "never"}, 0.5),  # PyGithub cannot read it: trouble
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1),  # long past
    ],
)
async def test_odd_headers_neither_stop_nor_hurry_it(
    client: Client, github: GitHub, time: Time, headers: dict[str, str], waited: float
) -> None:
    limited = said(403, {"message": "You have exceeded a secondary rate limit"})
    limited.headers.update(headers)
    github.answers["/x"] = [limited, said(200, {"id": 1})]
    await client.call("GET", "/x", Thing)
    assert time.waits == [waited]


async def test_a_refusal_is_no_limit(client: Client, github: GitHub, time: Time) -> None:
    refused = said(403, {"message": "Resource not accessible by integration"})
    refused.headers["x-ratelimit-remaining"] = "4999"
    github.answers["/x"] = refused
    with pytest.raises(ForbiddenError):
        await client.call("GET", "/x", Thing)
    assert time.waits == []


async def test_a_limit_holds_every_request_of_its_installation_and_no_other(
    client: Client, api: GitHubApi, github: GitHub, time: Time
) -> None:
    github.server.faults.add(Fault("secondary_limit", seconds=3_000))
    github.server.faults.add(Fault("secondary_limit", seconds=30))
    with pytest.raises(LimitedError):
        await client.call("GET", "/x", Thing)  # too long to wait for here; the next request waits it out
    await client.call("GET", "/x", Thing)
    assert time.waits == [3000, 30]
    api.rate_limit.block(1, 50)
    await Client.as_installation(api, "other", 2).call("GET", "/x", Thing)
    assert time.waits == [3000, 30]
    await Client.as_installation(api, "other", 1).call("GET", "/x", Thing, urgent=True)
    assert time.waits == [3000, 30, 50]


async def test_trouble_and_limits_are_counted_apart(client: Client, github: GitHub, time: Time) -> None:
    github.server.faults.add(
        Fault("error"), Fault("secondary_limit"), Fault("error"), Fault("secondary_limit"), Fault("error")
    )
    assert await client.call("GET", "/x", Thing) == Thing(id=1)
    assert time.waits == [0.5, 60, 2.0, 120, 8.0]


# --- redirects --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 301), ("GET", 307), ("POST", 307), ("PATCH", 307), ("DELETE", 308), ("POST", 308)]
)
async def test_a_renamed_repository_is_followed_with_method_and_body(
    client: Client, github: GitHub, method: str, status: int
) -> None:
    github.answers["/repos/old"] = moved(status, f"{github.url}/repositories/10")
    body = {"x": 1} if method in ("POST", "PATCH") else None
    assert await client.call(method, "/repos/old", Thing, body=body, query={"page": 2}) == Thing(id=1)
    assert github.paths == [f"{method} /repos/old", f"{method} /repositories/10"]
    assert [asked.body for asked in github.asked] == [body, body]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_other_host_is_ever_asked(
    client: Client, github: GitHub, elsewhere: GitHub, time: Time, method: str, status: int
) -> None:
    github.answers["/x"] = moved(status, elsewhere.url.replace("127.0.0.1", "localhost") + "/x")
    with pytest.raises(GitHubError) as raised:
        await client.call(method, "/x", Thing)
    assert (type(raised.value), raised.value.status) == (GitHubError, status)
    assert (len(github.asked), elsewhere.asked, time.waits) == (1, [], [])


@pytest.mark.parametrize("status", [307, 308])
async def test_nor_another_port_or_path(client: Client, github: GitHub, elsewhere: GitHub, status: int) -> None:
    for to in (f"{elsewhere.url}/x", f"{github.server.url}/evil", "/api/v3/x", ""):
        github.answers["/x"] = moved(status, to)
        with pytest.raises(GitHubError):
            await client.call("POST", "/x", Thing)
    assert (set(github.paths), elsewhere.asked) == ({"POST /x"}, [])


async def test_a_redirect_that_leads_nowhere_ends(client: Client, github: GitHub) -> None:
    github.answers["/x"] = moved(307, f"{github.url}/x")
    with pytest.raises(GitHubError):
        await client.call("GET", "/x", Thing)
    assert len(github.asked) == 2


# --- GraphQL ----------------------------------------------------------------------------------------

QUERY = "query Q($n: Int!) { x }"


@pytest.mark.parametrize(("root", "path"), [("/api/v3", "/api/graphql"), ("", "/graphql")])
async def test_graphql_has_an_address_of_its_own(github: GitHub, time: Time, root: str, path: str) -> None:
    api = GitHubApi(f"{github.server.url}{root}", RateLimit(time.clock, time.sleep), Redactor([]), time.sleep)
    github.answers[path] = {"data": {"id": 5}}
    assert await Client.as_installation(api, TOKEN, 1).graphql(QUERY, {"n": 1}, Thing) == Thing(id=5)
    assert github.paths == [f"POST {path}"]
    assert github.asked[0].body == {"query": QUERY, "variables": {"n": 1}}


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ({"errors": [{"type": "NOT_FOUND", "message": "No such thing"}]}, NotFoundError, "No such thing"),
        ({"errors": [{"message": "Parse error"}], "data": {"id": 1}}, GitHubError, "Parse error"),
        ({"errors": [{}]}, GitHubError, "GraphQL error"),
    ],
)
async def test_an_error_of_graphql_is_one_of_ours(
    client: Client, github: GitHub, answer: Any, kind: type[GitHubError], message: str
) -> None:
    github.answers["/api/graphql"] = answer
    with pytest.raises(GitHubError) as raised:
        await client.graphql(QUERY, {}, Thing)
    assert (type(raised.value), raised.value.message) == (kind, message)


async def test_a_limit_of_graphql_is_waited_for_like_any_other(client: Client, github: GitHub, time: Time) -> None:
    github.answers["/api/graphql"] = {"data": {"id": 1}}
    github.server.faults.add(Fault("primary_limit", seconds=40), Fault("secondary_limit"))
    assert await client.graphql(QUERY, {}, Thing) == Thing(id=1)
    assert (39 <= time.waits[0] <= 42, time.waits[1]) == (True, 120)


async def test_a_query_is_repeated_on_trouble(client: Client, github: GitHub, time: Time) -> None:
    github.answers["/api/graphql"] = {"data": {"id": 1}}
    github.server.faults.add(Fault("error"))
    assert (await client.graphql(QUERY, {}, Thing), time.waits) == (Thing(id=1), [0.5])
