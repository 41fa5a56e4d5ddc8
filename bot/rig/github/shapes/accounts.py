"""JSON of accounts, teams, Apps, installations and webhook deliveries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import quote

from bot.rig.github.records import Account, App, Installation, Team
from bot.rig.github.shapes import Json, moment, moment_or_none
from bot.rig.github.webhooks import Delivery

_GHOST = 10137  # GitHub's account that replaces deleted ones


def user(url: str, account: Account) -> Json:
    """`simple-user`; a deleted account is shown as `ghost`."""
    if account.deleted:
        account = Account(_GHOST, "ghost", "User", account.created_at)
    login = quote(account.login)
    api = f"{url}/api/v3/users/{login}"
    html = f"{url}/apps/{login.removesuffix('%5Bbot%5D')}" if account.kind == "Bot" else f"{url}/{login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": account.node_id,
        "avatar_url": f"{url}/avatars/u/{account.id}?v=4",
        "gravatar_id": "",
        "url": api,
        "html_url": html,
        "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}",
        "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
        "type": account.kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def user_or_none(url: str, account: Account | None) -> Json | None:
    return None if account is None else user(url, account)


def public_user(url: str, account: Account) -> Json:
    """`public-user`, the answer of GET /users/{username}."""
    return {
        **user(url, account),
        "name": account.login,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "twitter_username": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": moment(account.created_at),
        "updated_at": moment(account.created_at),
    }


def private_user(url: str, account: Account) -> Json:
    """`private-user`, the answer of GET /user."""
    return {
        **public_user(url, account),
        "private_gists": 0,
        "total_private_repos": 0,
        "owned_private_repos": 0,
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": True,
    }


def team(url: str, a_team: Team) -> Json:
    api = f"{url}/api/v3/organizations/{a_team.organization.id}/team/{a_team.id}"
    return {
        "id": a_team.id,
        "node_id": a_team.node_id,
        "name": a_team.name,
        "slug": a_team.slug,
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "push",
        "type": "organization",
        "organization_id": a_team.organization.id,
        "url": api,
        "html_url": f"{url}/orgs/{a_team.organization.login}/teams/{a_team.slug}",
        "members_url": f"{api}/members{{/member}}",
        "repositories_url": f"{api}/repos",
        "parent": None,
    }


def app(url: str, an_app: App) -> Json:
    """`integration`, as in GET /app and `performed_via_github_app`."""
    return {
        "id": an_app.id,
        "client_id": an_app.client_id,
        "slug": an_app.slug,
        "node_id": an_app.node_id,
        "owner": user(url, an_app.owner),
        "name": an_app.slug,
        "description": "",
        "external_url": f"{url}/{an_app.owner.login}",
        "html_url": f"{url}/apps/{an_app.slug}",
        "created_at": moment(an_app.created_at),
        "updated_at": moment(an_app.created_at),
        "permissions": dict(an_app.permissions),
        "events": list(an_app.events),
    }


def app_or_none(url: str, an_app: App | None) -> Json | None:
    return None if an_app is None else app(url, an_app)


def installation(url: str, an_installation: Installation) -> Json:
    api = f"{url}/api/v3"
    account = an_installation.account
    return {
        "id": an_installation.id,
        "client_id": an_installation.app.client_id,
        "account": user(url, account),
        "repository_selection": "selected",
        "access_tokens_url": f"{api}/app/installations/{an_installation.id}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"{url}/organizations/{account.login}/settings/installations/{an_installation.id}",
        "app_id": an_installation.app.id,
        "app_slug": an_installation.app.slug,
        "target_id": account.id,
        "target_type": account.kind,
        "permissions": dict(an_installation.permissions),
        "events": list(an_installation.events),
        "created_at": moment(an_installation.created_at),
        "updated_at": moment(an_installation.updated_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user_or_none(url, an_installation.suspended_by),
        "suspended_at": moment_or_none(an_installation.suspended_at),
    }


def delivery(a_delivery: Delivery) -> Json:
    """`hook-delivery-item`, an entry of the log."""
    at = datetime.fromtimestamp(a_delivery.delivered_at, UTC)
    return {
        "id": a_delivery.id,
        "guid": a_delivery.guid,
        "delivered_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "redelivery": a_delivery.redelivery,
        "duration": a_delivery.duration,
        "status": a_delivery.status,
        "status_code": a_delivery.status_code,
        "event": a_delivery.event,
        "action": a_delivery.action,
        "installation_id": a_delivery.installation,
        "repository_id": a_delivery.repository,
        "throttled_at": None,
    }


def whole_delivery(a_delivery: Delivery) -> Json:
    """`hook-delivery`, with request and answer."""
    return {
        **delivery(a_delivery),
        "url": a_delivery.url,
        "request": {"headers": a_delivery.request_headers, "payload": json.loads(a_delivery.body)},
        "response": {"headers": a_delivery.response_headers, "payload": a_delivery.response},
    }
