"""Installing Apps: which repositories they reach, suspension, removal."""

from __future__ import annotations

from collections.abc import Sequence

from bot.rig.github.records import Account, App, Installation, Repository
from bot.rig.github.shapes import Json
from bot.rig.github.shapes.accounts import installation as installation_shape
from bot.rig.github.shapes.accounts import user
from bot.rig.github.state import State


def install(state: State, app: App, repositories: Sequence[Repository], by: Account) -> Installation:
    """An account has one installation; further repositories are added to it."""
    account = repositories[0].owner
    for existing in state.installations.values():
        if existing.app is app and existing.account is account and not existing.removed:
            added = [repo for repo in repositories if repo.id not in existing.repositories]
            existing.repositories.update(repo.id for repo in added)
            existing.updated_at = state.now()
            if added:
                change: Json = {"repositories_added": [_short(repo) for repo in added]}
                _emit_repositories(state, existing, "added", by, change)
            return existing
    now = state.now()
    installation = Installation(
        id=state.next_account_id(),
        app=app,
        account=account,
        repositories={repo.id for repo in repositories},
        permissions=dict(app.permissions),
        events=app.events,
        created_at=now,
        updated_at=now,
    )
    state.installations[installation.id] = installation
    _emit(state, installation, "created", by, {"repositories": [_short(repo) for repo in repositories]})
    return installation


def remove_repository(state: State, installation: Installation, repo: Repository, by: Account) -> None:
    installation.repositories.discard(repo.id)
    _emit_repositories(state, installation, "removed", by, {"repositories_removed": [_short(repo)]})


def suspend(state: State, installation: Installation, by: Account) -> None:
    installation.suspended_at = state.now()
    installation.suspended_by = by
    _emit(state, installation, "suspend", by)


def unsuspend(state: State, installation: Installation, by: Account) -> None:
    installation.suspended_at = installation.suspended_by = None
    _emit(state, installation, "unsuspend", by)


def uninstall(state: State, installation: Installation, by: Account) -> None:
    installation.removed = True
    repositories = [state.repositories[number] for number in sorted(installation.repositories)]
    _emit(state, installation, "deleted", by, {"repositories": [_short(repo) for repo in repositories]})


def _emit(state: State, installation: Installation, action: str, by: Account, extra: Json | None = None) -> None:
    payload = {
        "action": action,
        "installation": installation_shape(state.url, installation),
        **(extra or {}),
        "sender": user(state.url, by),
    }
    state.outbox.emit("installation", payload, app=installation.app, installation=installation)


def _emit_repositories(state: State, installation: Installation, action: str, by: Account, change: Json) -> None:
    payload = {
        "action": action,
        "installation": installation_shape(state.url, installation),
        "repository_selection": "selected",
        "repositories_added": [],
        "repositories_removed": [],
        **change,
        "requester": None,
        "sender": user(state.url, by),
    }
    state.outbox.emit("installation_repositories", payload, app=installation.app, installation=installation)


def _short(repo: Repository) -> Json:
    return {
        "id": repo.id,
        "node_id": repo.node_id,
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
    }
