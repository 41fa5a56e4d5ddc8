"""An App and its tokens."""

from __future__ import annotations

import re
import time
from typing import Any

import github as pygithub
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.rig.github.server import GitHub

from .conftest import ALL, APP_ID, Scene


def _mint(scene: Scene, body: Any = None) -> Any:
    return scene.ask("POST", f"/app/installations/{scene.installation.id}/access_tokens", scene.jwt(), body)


def test_an_app_is_known_by_its_id_and_by_its_client_id(scene: Scene) -> None:
    for iss in (str(APP_ID), scene.app.client_id):
        answer = scene.ask("GET", "/app", scene.jwt(iss=iss))
        assert (answer.status_code, answer.json()["slug"]) == (200, "ampbot")


_ISSUED = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
_EXPIRES = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time "
    "at which the assertion expires"
)


@pytest.mark.parametrize(
    ("claims", "status", "said"),
    [
        ({"lasts": 660}, 401, "'Expiration time' claim ('exp') is too far in the future"),
        ({"lasts": -1}, 401, _EXPIRES),
        ({"issued": 60}, 401, _ISSUED),
        ({"iss": "999"}, 404, "Integration not found"),
    ],
)
def test_a_jwt_is_refused_in_githubs_words(scene: Scene, claims: Any, status: int, said: str) -> None:
    answer = scene.ask("GET", "/app", scene.jwt(**claims))
    assert (answer.status_code, answer.json()["message"]) == (status, said)


def test_a_jwt_signed_with_another_key_is_refused(scene: Scene) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    now = int(time.time())
    forged = jwt.encode({"iat": now - 5, "exp": now + 60, "iss": str(APP_ID)}, pem, "RS256")
    answer = scene.ask("GET", "/app", forged)
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_a_jwt_opens_nothing_but_the_apps_own_routes(scene: Scene) -> None:
    assert scene.ask("GET", "{repo}", scene.jwt()).status_code == 403
    assert scene.ask("GET", "/app", scene.token()).status_code == 401
    assert scene.ask("GET", "/app").status_code == 401


def test_pygithub_finds_the_installation_and_its_repositories(scene: Scene) -> None:
    auth = pygithub.Auth.AppAuth(APP_ID, scene.key)
    integration = pygithub.GithubIntegration(auth=auth, base_url=scene.github.api_url)
    found = integration.get_repo_installation(*scene.repo.full_name.split("/"))
    client = pygithub.Github(base_url=scene.github.api_url, auth=auth.get_installation_auth(found.id, ALL), retry=None)
    assert found.id == scene.installation.id
    assert integration.get_app().slug == "ampbot"
    assert [repo.full_name for repo in found.get_repos()] == [scene.repo.full_name]
    assert client.get_repo(scene.repo.full_name).id == scene.repo.id


def test_a_token_has_the_new_long_shape_and_an_hour_to_live(scene: Scene) -> None:
    answer = _mint(scene, {"permissions": {"contents": "read"}}).json()
    assert re.fullmatch(rf"ghs_{APP_ID}_[A-Za-z0-9._-]+", answer["token"])
    assert len(answer["token"]) == 520
    assert answer["permissions"] == {"contents": "read", "metadata": "read"}
    left = time.mktime(time.strptime(answer["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
    assert 3590 < left <= 3601


def test_a_token_for_one_repository_opens_no_other(scene: Scene) -> None:
    other = scene.github.create_repository(f"{scene.repo.owner.login}/other", private=True, files={"a": "b"})
    scene.github.install(scene.app, [other])
    narrow = scene.token(repository_ids=[scene.repo.id])
    wide = scene.token()
    assert scene.ask("GET", "{repo}", narrow).status_code == 200
    assert scene.ask("GET", f"/repos/{other.full_name}", narrow).status_code == 404
    assert scene.ask("GET", f"/repos/{other.full_name}", wide).status_code == 200
    named = scene.ask("GET", "/installation/repositories", scene.token(repositories=[other.name])).json()
    assert [repo["full_name"] for repo in named["repositories"]] == [other.full_name]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"permissions": {"workflows": "write"}}, "The permissions requested are not granted to this installation."),
        ({"permissions": {"actions": "write"}}, "The permissions requested are not granted to this installation."),
        (
            {"repository_ids": [1]},
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        ),
    ],
)
def test_a_token_cannot_be_more_than_its_installation(scene: Scene, body: Any, said: str) -> None:
    answer = _mint(scene, body)
    assert (answer.status_code, answer.json()["message"]) == (422, said)


def test_a_token_asked_for_with_no_permission_at_all_has_them_all(scene: Scene) -> None:
    """`{"permissions": {}}` is what PyGithub sends by default."""
    assert _mint(scene, {"permissions": {}}).json()["permissions"] == {"metadata": "read", **ALL}
    assert _mint(scene).json()["permissions"] == {"metadata": "read", **ALL}


def test_a_token_ends_when_it_is_revoked_and_when_its_hour_is_over(scene: Scene) -> None:
    revoked, expired = scene.token(), scene.token()
    assert scene.ask("DELETE", "/installation/token", revoked).status_code == 204
    assert scene.ask("GET", "{repo}", expired).status_code == 200
    assert scene.github.expire_tokens() >= 1
    for token in (revoked, expired, "ghs_never_minted"):
        answer = scene.ask("GET", "{repo}", token)
        assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_a_suspended_installation_is_told_so_everywhere(scene: Scene) -> None:
    token = scene.token()
    scene.github.suspend(scene.installation)
    for answer in (scene.ask("GET", "{repo}", token), _mint(scene)):
        assert (answer.status_code, answer.json()["message"]) == (403, "This installation has been suspended")
    scene.github.suspend(scene.installation, suspended=False)
    assert scene.ask("GET", "{repo}", token).status_code == 200


def test_an_installation_that_was_removed_is_gone(scene: Scene) -> None:
    token = scene.token()
    scene.github.uninstall(scene.installation)
    assert _mint(scene).status_code == 404
    assert scene.ask("GET", "{repo}/installation", scene.jwt()).status_code == 404
    assert scene.ask("GET", "{repo}", token).status_code == 401


def test_a_repository_of_another_account_needs_an_installation_of_its_own(scene: Scene, hub: GitHub) -> None:
    other = hub.create_repository(f"{scene.repo.owner.login}-two/other", files={"a": "b"})
    with pytest.raises(ValueError, match="one account"):
        hub.install(scene.app, [scene.repo, other])
    assert hub.install(scene.app, [other]).id != scene.installation.id
