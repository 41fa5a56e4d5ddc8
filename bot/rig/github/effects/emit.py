"""Sends an event to every App that is installed on the repository and subscribed to it."""

from __future__ import annotations

from bot.rig.github.effects.measure import changes
from bot.rig.github.records import Actor, App, Pull, Repository
from bot.rig.github.shapes import Json
from bot.rig.github.shapes.accounts import user
from bot.rig.github.shapes.pulls import whole_pull
from bot.rig.github.shapes.repositories import repository
from bot.rig.github.state import State


def emit(state: State, repo: Repository, event: str, actor: Actor, payload: Json, *, only: App | None = None) -> None:
    """Queue deliveries of `event`; repository, organization, sender and installation are added here."""
    whole = {**payload, "repository": repository(state.url, repo), "sender": user(state.url, actor.account)}
    if repo.owner.kind == "Organization":
        api = f"{state.url}/api/v3/orgs/{repo.owner.login}"
        whole["organization"] = {
            "login": repo.owner.login,
            "id": repo.owner.id,
            "node_id": repo.owner.node_id,
            "url": api,
            "repos_url": f"{api}/repos",
            "events_url": f"{api}/events",
            "hooks_url": f"{api}/hooks",
            "issues_url": f"{api}/issues",
            "members_url": f"{api}/members{{/member}}",
            "public_members_url": f"{api}/public_members{{/member}}",
            "avatar_url": f"{state.url}/avatars/u/{repo.owner.id}?v=4",
            "description": None,
        }
    for installation in state.installations.values():
        covers = repo.id in installation.repositories
        listens = only in (None, installation.app) and not installation.removed
        if covers and listens and installation.suspended_at is None:
            origin = {"id": installation.id, "node_id": installation.node_id}
            state.outbox.emit(
                event,
                {**whole, "installation": origin},
                app=installation.app,
                installation=installation,
                repository=repo,
            )


def emit_pull(state: State, pull: Pull, action: str, actor: Actor, extra: Json | None = None) -> None:
    """A `pull_request` event. `mergeable` is null: GitHub has not computed it when it sends the event."""
    commits, files = changes(pull)
    shape = whole_pull(state.url, pull, len(commits), files, None)
    payload = {"action": action, "number": pull.number, "pull_request": shape, **(extra or {})}
    emit(state, pull.repository, "pull_request", actor, payload)
