"""Installing Apps: which repositories they reach, suspension, removal."""

from __future__ import annotations

from collections.abc import Sequence

from bot.rig.github.records import Account, App, Installation, Repository
from bot.rig.github.shapes import Json
from bot.rig.github.shapes.accounts import installation as installation_shape
from bot.rig.github.shapes.accounts import user
from bot.rig.github.state import World


def install(world: World, app: App, repositories: Sequence[Repository], by: Account) -> Installation:
    """One installation for each account; more repositories join the one that exists."""
    account = repositories[0].owner
    for existing in world.installations.values():
        if existing.app is app and existing.account is account and not existing.removed:
            added = [repo for repo in repositories if repo.id not in existing.repositories]
            existing.repositories.update(repo.id for repo in added)
            existing.updated_at = world.now()
            if added:
                change: Json = {"repositories_added": [_short(repo) for repo in added]}
                _emit_repositories(world, existing, "added", by, change)
            return existing
    now = world.now()
    installation = Installation(
        id=world.next_account_id(),
        app=app,
        account=account,
        repositories={repo.id for repo in repositories},
        permissions=dict(app.permissions),
        events=app.events,
        created_at=now,
        updated_at=now,
    )
    world.installations[installation.id] = installation
    _emit(world, installation, "created", by, {"repositories": [_short(repo) for repo in repositories]})
    return installation


def remove_repository(world: World, installation: Installation, repo: Repository, by: Account) -> None:
    installation.repositories.discard(repo.id)
    _emit_repositories(world, installation, "removed", by, {"repositories_removed": [_short(repo)]})


def suspend(world: World, installation: Installation, by: Account) -> None:
    installation.suspended_at = world.now()
    installation.suspended_by = by
    _emit(world, installation, "suspend", by)


def unsuspend(world: World, installation: Installation, by: Account) -> None:
    installation.suspended_at = installation.suspended_by = None
    _emit(world, installation, "unsuspend", by)


def uninstall(world: World, installation: Installation, by: Account) -> None:
    installation.removed = True
    repositories = [world.repositories[number] for number in sorted(installation.repositories)]
    _emit(world, installation, "deleted", by, {"repositories": [_short(repo) for repo in repositories]})


def _emit(world: World, installation: Installation, action: str, by: Account, extra: Json | None = None) -> None:
    payload = {
        "action": action,
        "installation": installation_shape(world.url, installation),
        **(extra or {}),
        "sender": user(world.url, by),
    }
    world.outbox.emit("installation", payload, app=installation.app, installation=installation)


def _emit_repositories(world: World, installation: Installation, action: str, by: Account, change: Json) -> None:
    payload = {
        "action": action,
        "installation": installation_shape(world.url, installation),
        "repository_selection": "selected",
        "repositories_added": [],
        "repositories_removed": [],
        **change,
        "requester": None,
        "sender": user(world.url, by),
    }
    world.outbox.emit("installation_repositories", payload, app=installation.app, installation=installation)


def _short(repo: Repository) -> Json:
    return {
        "id": repo.id,
        "node_id": repo.node_id,
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
    }
