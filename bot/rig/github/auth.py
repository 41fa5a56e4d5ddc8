"""Authentication: App JWTs, installation tokens and users' tokens."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import jwt

from bot.rig.github.lag import Made
from bot.rig.github.records import Account, Actor, App, Installation, Repository, Token
from bot.rig.github.refusal import Refusal
from bot.rig.github.state import State

_LEVELS = {"read": 1, "write": 2, "admin": 3}
_MAX_JWT_SECONDS = 600  # seconds: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
_TOKEN_LENGTH = 520  # characters of the newer token format
_DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a request's credential belongs to: nobody, an App, an installation or a user."""

    app: App | None = None  # authenticated by its JWT
    token: Token | None = None

    @property
    def installation(self) -> Installation | None:
        return self.token.installation if self.token else None

    @property
    def account(self) -> Account | None:
        if self.token is None:
            return None
        return self.token.account if self.token.installation is None else self.token.installation.app.bot

    @property
    def actor(self) -> Actor:
        """Raises Refusal (401) without authentication."""
        if self.account is None:
            raise Refusal(401, "Requires authentication")
        return Actor(self.account, self.installation.app if self.installation else None)

    @property
    def bucket(self) -> str:
        """The name of the rate limit that a request counts against."""
        if self.installation is not None:
            return f"installation ID {self.installation.id}"
        if self.app is not None:
            return f"app ID {self.app.id}"
        return f"user ID {self.account.id}" if self.account else "127.0.0.1"

    def covers(self, repository: Repository) -> bool:
        """Whether the credential is valid for this repository."""
        if self.token is None:
            return False
        installation = self.token.installation
        if installation is None:
            return self.account is not None and repository.role(self.account) != "none"
        chosen = self.token.repositories
        return repository.id in installation.repositories and (chosen is None or repository.id in chosen)

    def sees(self, repository: Repository) -> bool:
        return not repository.private or self.covers(repository)

    def allows(self, repository: Repository, permission: str, level: str) -> bool:
        """Whether the credential has `permission` on the repository at `level` or above."""
        if level == "read" and not repository.private:
            return True
        if not self.covers(repository) or self.token is None:
            return False
        if self.token.installation is not None:
            return _LEVELS.get(self.token.permissions.get(permission, ""), 0) >= _LEVELS[level]
        role = repository.role(self.token.account) if self.token.account else "none"
        return _user_may(role, permission, level)


NOBODY = Identity()


def refuse_while_lagging(state: State, identity: Identity) -> None:
    """Raises Refusal (401) if the server that is asked does not know this token yet."""
    if identity.token is not None and state.lag.hides(Made.TOKEN, identity.token.value):
        raise bad_credentials()


def identify(state: State, header: str | None) -> Identity:
    """The identity behind an Authorization header. Raises Refusal (401, 403, 404).

    Does not take the lock, so that requests are counted before they wait for it.
    """
    if not header:
        return NOBODY
    kind, _, value = header.partition(" ")
    value = value.strip()
    if kind.lower() == "basic":
        value = password_of(value)
    elif kind.lower() not in ("bearer", "token"):
        raise bad_credentials()
    if value.count(".") == 2 and not value.startswith("ghs_"):
        return Identity(app=_app_of(state, value))
    token = active_token(state, value)
    if token is None:
        raise bad_credentials()
    if token.installation is not None and token.installation.suspended_at is not None:
        raise Refusal(403, "This installation has been suspended")
    return Identity(token=token)


def active_token(state: State, value: str) -> Token | None:
    token = state.tokens.get(value)
    if token is None or token.revoked or token.expires_at <= state.now():
        return None
    if token.installation is not None and token.installation.removed:
        return None
    return token


def bad_credentials() -> Refusal:
    return Refusal(401, "Bad credentials", docs=_DOCS)


def password_of(encoded: str) -> str:
    """The password of a Basic credential; "" if it cannot be decoded."""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _app_of(state: State, value: str) -> App:
    try:
        claims = jwt.decode(value, options={"verify_signature": False})
        issuer = str(claims.get("iss", ""))
    except jwt.InvalidTokenError:
        raise _no_jwt() from None
    app = next((app for app in list(state.apps.values()) if issuer in (str(app.id), app.client_id)), None)
    if app is None:
        raise Refusal(404, "Integration not found")
    try:
        # The times are checked below, with the stand-in's clock and GitHub's messages.
        claims = jwt.decode(
            value,
            app.public_key,
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_aud": False, "verify_iss": False},
        )
    except jwt.InvalidTokenError:
        raise _no_jwt() from None
    now = state.now()
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or issued > now:
        raise Refusal(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        )
    if not isinstance(expires, int) or expires <= now:
        raise Refusal(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which "
            "the assertion expires",
        )
    if expires > now + _MAX_JWT_SECONDS:
        raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
    return app


def _no_jwt() -> Refusal:
    return Refusal(401, "A JSON web token could not be decoded")


def mint(
    state: State, installation: Installation, permissions: Mapping[str, str], repositories: frozenset[int] | None
) -> Token:
    """A new installation token, valid for one hour."""
    token = Token(
        value=_long_token(installation.app),
        expires_at=float(int(state.now() + state.settings.token_seconds)),
        installation=installation,
        repositories=repositories,
        permissions=dict(permissions),
    )
    state.tokens[token.value] = token
    state.lag.add(Made.TOKEN, token.value)
    return token


def mint_for_user(state: State, account: Account) -> Token:
    """A classic personal access token with all rights of its owner."""
    token = Token(value=f"ghp_{secrets.token_hex(18)}", expires_at=float("inf"), account=account)
    state.tokens[token.value] = token
    return token


def granted(installation: Installation, wanted: Mapping[str, str] | None) -> tuple[Mapping[str, str], str | None]:
    """The permissions of a token requested with `wanted`, and the first one that the installation lacks."""
    # No permissions are all of them, as PyGithub's recorded answers show.
    if not wanted:
        return installation.permissions, None
    for name, level in wanted.items():
        if _LEVELS.get(level, 9) > _LEVELS.get(installation.permissions.get(name, ""), 0):
            return {}, name
    return {"metadata": "read", **wanted}, None


def _long_token(app: App) -> str:
    """A stateless token looks like `ghs_APPID_JWT`: letters, digits, `.`, `_` and `-`."""
    head = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').decode().rstrip("=")
    prefix = f"ghs_{app.id}_{head}."
    noise = secrets.token_urlsafe(_TOKEN_LENGTH)
    claims = _TOKEN_LENGTH - len(prefix) - 87
    return f"{prefix}{noise[:claims]}.{noise[claims : claims + 86]}"


def _user_may(role: str, permission: str, level: str) -> bool:
    if level == "read":
        return role != "none"
    if permission in ("administration", "workflows"):
        return role == "admin" or (permission == "workflows" and role in ("write", "maintain"))
    if permission in ("issues", "pull_requests") and role in ("triage", "read"):
        return True  # anyone who can read may comment; finer rights are checked by the caller
    return role in ("write", "maintain", "admin")
