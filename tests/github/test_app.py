"""The App's tokens: cut to one repository and to a step's needs, kept while they live, ended when they have served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bot.github import manifest
from bot.github.app import CLONE, CONVERSE, MARGIN_SECONDS, PUBLISH, App, Token
from bot.github.client import GitHubApi
from bot.github.errors import ForbiddenError, NotFoundError, UnauthorizedError, UnavailableError, UnprocessableError
from bot.github.identity import Identity
from bot.rig.http.faults import Fault
from tests.events.deliveries import PLACE
from tests.github.conftest import GitHub, Time, said

REPO = PLACE.repo
MINT = "/app/installations/99/access_tokens"
HOUR = 3_600.0


@pytest.fixture
def app(api: GitHubApi, github: GitHub, time: Time, key: RSAPrivateKey) -> App:
    minted(github, "ghs_one", "ghs_two", "ghs_three")
    return App(api, 7, key, time.clock)


def minted(github: GitHub, *tokens: str, expires: float = HOUR) -> None:
    at = datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z")
    github.answers[MINT] = [said(201, {"token": token, "expires_at": at}) for token in tokens]


def tokens(github: GitHub) -> list[str]:
    """The installation tokens that requests came with, in order."""
    return [asked.headers["authorization"].removeprefix("token ") for asked in github.asked if asked.path != MINT]


def mints(github: GitHub) -> int:
    return github.paths.count(f"POST {MINT}")


async def test_a_token_is_minted_for_one_repository_and_one_purpose(app: App, github: GitHub) -> None:
    token = await app.mint(REPO, CLONE)
    assert (token.value, token.expires, token.installation) == ("ghs_one", HOUR, 99)
    [asked] = github.asked
    assert (asked.method, asked.path) == ("POST", MINT)
    assert asked.body == {"repository_ids": [10], "permissions": {"contents": "read", "metadata": "read"}}
    assert asked.headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize("permissions", [CONVERSE, CLONE, PUBLISH])
def test_no_token_has_more_than_the_app_declares(permissions: dict[str, str]) -> None:
    assert manifest.lacking(permissions, manifest.load().default_permissions) == ()


def test_what_a_sandbox_is_given_can_only_read() -> None:
    assert set(CLONE.values()) == {"read"}


def test_a_token_is_never_shown() -> None:
    assert "canary" not in repr(Token("ghs_canary", 0, 1, 0))


async def test_minting_is_tried_again_and_never_waits_for_its_turn(app: App, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("error"))
    for _ in range(30):
        await app.mint(REPO, CLONE)
    assert time.waits == [0.5]


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (422, "There is at least one repository that does not exist or is not accessible", NotFoundError),
        (422, "The permissions requested are not granted to this installation.", UnprocessableError),
        (403, "This installation has been suspended", ForbiddenError),
        (404, "Not Found", NotFoundError),
    ],
)
async def test_a_repository_that_is_gone_gives_no_token(
    app: App, github: GitHub, status: int, message: str, kind: type[Exception]
) -> None:
    github.answers[MINT] = said(status, {"message": message})
    with pytest.raises(kind, match=message):
        await app.mint(REPO, CLONE)


# --- conversations ----------------------------------------------------------------------------------


async def test_a_conversations_token_is_kept_while_it_lives(app: App, github: GitHub, time: Time) -> None:
    async def speak() -> None:
        await (await app.conversation(REPO)).edit_comment(1, "x")

    await speak()
    await speak()
    time.now = HOUR - MARGIN_SECONDS
    await speak()
    time.now += 1
    await speak()
    assert tokens(github) == ["ghs_one", "ghs_one", "ghs_one", "ghs_two"]
    assert [asked.body["permissions"] for asked in github.asked if asked.path == MINT] == [CONVERSE, CONVERSE]


async def test_many_at_once_share_one_token(app: App, github: GitHub) -> None:
    await asyncio.gather(*(app.conversation(REPO) for _ in range(10)))
    assert mints(github) == 1


async def test_each_repository_and_installation_has_its_own(app: App, github: GitHub) -> None:
    github.answers["/app/installations/98/access_tokens"] = said(
        201, {"token": "x", "expires_at": "2030-01-01T00:00:00Z"}
    )
    for repo in (REPO, replace(REPO, id=11), replace(REPO, installation=98), REPO):
        await app.conversation(repo)
    assert [(asked.path, asked.body["repository_ids"]) for asked in github.asked] == [
        (MINT, [10]),
        (MINT, [11]),
        ("/app/installations/98/access_tokens", [10]),
    ]


@pytest.mark.parametrize(
    "speak",
    [
        lambda repository: repository.edit_comment(1, "x"),
        lambda repository: repository.graphql("query", {"number": 1}, dict[str, Any]),
    ],
)
async def test_a_token_that_is_refused_is_renewed_once(app: App, github: GitHub, speak: Callable[[Any], Any]) -> None:
    github.answers["/api/graphql"] = {"data": {}}
    repository = await app.conversation(REPO)
    github.server.faults.add(Fault("error", status=401, path="comments|graphql"))
    await speak(repository)
    assert tokens(github) == ["ghs_two"]  # the refused one did not get through
    await speak(repository)
    await speak(await app.conversation(REPO))
    assert (tokens(github), mints(github)) == (["ghs_two"] * 3, 2)


async def test_a_renewed_token_that_is_refused_too_is_an_error(app: App, github: GitHub) -> None:
    repository = await app.conversation(REPO)
    github.server.faults.add(Fault("error", status=401, path="comments", times=0))
    with pytest.raises(UnauthorizedError):
        await repository.edit_comment(1, "x")
    assert mints(github) == 2


async def test_a_conversation_may_be_held_under_a_new_name(app: App, github: GitHub) -> None:
    await (await app.conversation(REPO)).edit_comment(1, "x")
    await (await app.conversation(REPO, "octo/renamed")).edit_comment(1, "x")
    assert github.paths[1:] == [
        "PATCH /repos/octo/hello/issues/comments/1",
        "PATCH /repos/octo/renamed/issues/comments/1",
    ]


# --- the end of a token -----------------------------------------------------------------------------


async def test_a_token_that_has_served_is_revoked_with_itself(app: App, github: GitHub) -> None:
    token = await app.mint(REPO, PUBLISH)
    async with app.using(token, "octo/hello") as repository:
        await repository.create_branch("amp/x", "c0ffee")
    assert github.paths[1:] == ["POST /repos/octo/hello/git/refs", "DELETE /installation/token"]
    assert tokens(github) == ["ghs_one", "ghs_one"]


async def test_it_is_revoked_when_the_work_fails_too(app: App, github: GitHub) -> None:
    token = await app.mint(REPO, PUBLISH)
    with pytest.raises(LookupError):
        async with app.using(token, "octo/hello"):
            raise LookupError
    assert github.paths[1:] == ["DELETE /installation/token"]


async def test_a_token_that_was_just_minted_is_not_renewed(app: App, github: GitHub) -> None:
    github.server.faults.add(Fault("error", status=401, path="refs"))
    with pytest.raises(UnauthorizedError):
        async with app.using(await app.mint(REPO, PUBLISH), "octo/hello") as repository:
            await repository.create_branch("amp/x", "c0ffee")
    assert mints(github) == 1


async def test_a_revocation_that_fails_does_not_undo_what_was_done(app: App, github: GitHub) -> None:
    github.server.faults.add(Fault("error", status=500, method="DELETE", times=0))
    async with app.using(await app.mint(REPO, PUBLISH), "octo/hello") as repository:
        assert await repository.create_branch("amp/x", "c0ffee")


async def test_a_token_that_is_dead_already_is_no_error_to_revoke(app: App, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("error", status=401))
    await app.revoke(Token("ghs_dead", HOUR, 99, 0))
    github.server.faults.add(Fault("error", status=502, times=0))
    with pytest.raises(UnavailableError):
        await app.revoke(Token("ghs_x", HOUR, 99, 0))


# --- who it is --------------------------------------------------------------------------------------


async def test_who_the_app_is_is_asked_once(app: App, github: GitHub) -> None:
    github.answers["/app"] = {"id": 7, "slug": "ampbot", "permissions": {"contents": "write"}, "events": ["issues"]}
    me = await app.identity()
    assert me == await app.identity() == Identity(7, "ampbot", {"contents": "write"}, ("issues",))
    assert (me.login, github.paths) == ("ampbot[bot]", ["GET /app"])


@pytest.mark.parametrize("url", ["https://x.y/webhook", None])
async def test_where_deliveries_go(app: App, github: GitHub, url: str | None) -> None:
    github.answers["/app/hook/config"] = {"url": url} if url else {}
    assert await app.hook_url() == url
