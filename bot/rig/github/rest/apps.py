"""Apps, installations, tokens, and the App's webhook."""

from __future__ import annotations

from urllib.parse import urlencode

from bot.rig.github.auth import granted, mint
from bot.rig.github.records import App, Hook, Installation, Repository
from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import NOTHING, Answer, Call
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import Json, accounts, moment
from bot.rig.github.shapes.repositories import repository
from bot.rig.github.webhooks import Delivery

routes = Routes()

_MASKED = "********"


def _app(call: Call) -> App:
    if call.identity.app is None:
        raise Refusal(401, "A JSON web token could not be decoded")
    return call.identity.app


def _installation(call: Call) -> Installation:
    found = call.state.installations.get(call.number("installation_id"))
    if found is None or found.app is not _app(call) or found.removed:
        raise Refusal.not_found()
    return found


@routes.get("/app", "app")
def get_app(call: Call) -> Answer:
    app = _app(call)
    count = sum(each.app is app and not each.removed for each in call.state.installations.values())
    return Answer(body={**accounts.app(call.url, app), "installations_count": count})


@routes.get("/app/installations", "app")
def list_installations(call: Call) -> Answer:
    mine = [each for each in call.state.installations.values() if each.app is _app(call) and not each.removed]
    return call.page(mine, lambda each: accounts.installation(call.url, each))


@routes.get("/app/installations/{installation_id}", "app")
def get_installation(call: Call) -> Answer:
    return Answer(body=accounts.installation(call.url, _installation(call)))


@routes.get("/repos/{owner}/{repo}/installation", "app")
def get_repository_installation(call: Call) -> Answer:
    found = call.state.installation_of(_app(call), call.repo)
    if found is None:
        raise Refusal.not_found()
    return Answer(body=accounts.installation(call.url, found))


@routes.get("/orgs/{org}/installation", "app")
@routes.get("/users/{org}/installation", "app")
def get_account_installation(call: Call) -> Answer:
    for each in call.state.installations.values():
        mine = each.app is _app(call) and not each.removed
        if mine and each.account.login.lower() == call.params["org"].lower():
            return Answer(body=accounts.installation(call.url, each))
    raise Refusal.not_found()


@routes.post("/app/installations/{installation_id}/access_tokens", "app")
def create_access_token(call: Call) -> Answer:
    installation = _installation(call)
    if installation.suspended_at is not None:
        raise Refusal(403, "This installation has been suspended")
    wanted = call.fields.get("permissions")
    if wanted is not None and not isinstance(wanted, dict):
        raise Refusal.unprocessable("Invalid request.\n\nFor 'properties/permissions', it is not an object.")
    permissions, never = granted(installation, wanted)
    if never is not None:
        raise Refusal.unprocessable("The permissions requested are not granted to this installation.")
    chosen = _chosen(call, installation)
    ids = None if chosen is None else frozenset(repo.id for repo in chosen)
    token = mint(call.state, installation, permissions, ids)
    shape: Json = {
        "token": token.value,
        "expires_at": moment(token.expires_at),
        "permissions": dict(permissions),
        "repository_selection": "selected",
    }
    if chosen is not None:
        shape["repositories"] = [repository(call.url, repo) for repo in chosen]
    return Answer(201, shape)


def _chosen(call: Call, installation: Installation) -> list[Repository] | None:
    """The repositories that a token is requested for; None for all."""
    covered = [call.state.repositories[number] for number in sorted(installation.repositories)]
    names, ids = call.fields.get("repositories"), call.fields.get("repository_ids")
    if names is None and ids is None:
        return None
    by_name = {repo.name.lower(): repo for repo in covered}
    by_id = {repo.id: repo for repo in covered}
    found = [by_name.get(name.lower()) for name in call.strings("repositories")]
    found += [by_id.get(number) for number in ids or []]
    chosen = [repo for repo in found if repo is not None]
    if len(chosen) != len(found) or not chosen:
        raise Refusal.unprocessable(
            "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return chosen


@routes.delete("/installation/token", "installation")
def revoke_token(call: Call) -> Answer:
    if call.identity.token is not None:
        call.identity.token.revoked = True
    return NOTHING


@routes.get("/installation/repositories", "installation")
def list_repositories(call: Call) -> Answer:
    covered = [call.state.repositories[number] for number in sorted(call.installation.repositories)]
    seen = [repo for repo in covered if call.identity.covers(repo)]
    answer = call.page(
        seen,
        lambda repo: repository(call.url, repo, call.actor.account),
        wrap="repositories",
    )
    return Answer(body={**answer.body, "repository_selection": "selected"}, headers=answer.headers)


# --- the webhook ----------------------------------------------------------------------------------


def _hook(hook: Hook) -> Json:
    return {
        "content_type": hook.content_type,
        "insecure_ssl": hook.insecure_ssl,
        "secret": _MASKED if hook.secret else None,
        "url": hook.url,
    }


@routes.get("/app/hook/config", "app")
def get_hook(call: Call) -> Answer:
    shape = _hook(_app(call).hook)
    return Answer(body={name: value for name, value in shape.items() if value is not None})


@routes.patch("/app/hook/config", "app")
def edit_hook(call: Call) -> Answer:
    hook = _app(call).hook
    hook.url = call.string("url", hook.url)
    hook.secret = call.string("secret", hook.secret)
    hook.content_type = call.string("content_type", hook.content_type)
    return get_hook(call)


@routes.get("/app/hook/deliveries", "app")
def list_deliveries(call: Call) -> Answer:
    """Deliveries, newest first; the cursor names the first row of the next page."""
    size = call.query.get("per_page", "30")
    if not size.isdecimal():
        raise Refusal.unprocessable("Invalid per_page")
    wanted = call.query.get("status", "")
    # Sorted by id, like the cursor: concurrent deliveries do not end in the order of their start.
    rows = sorted((each for each in call.state.outbox.log if each.app is _app(call)), key=lambda each: -each.id)
    if wanted:
        rows = [each for each in rows if (each.status == "OK") == (wanted == "success")]
    cursor = call.query.get("cursor", "")
    if cursor:
        number = cursor.removeprefix("v1_")
        if not number.isdecimal():
            raise Refusal(400, "Invalid cursor")
        rows = [each for each in rows if each.id <= int(number)]
    count = min(max(int(size), 1), 100)
    headers = {}
    if len(rows) > count:
        query = urlencode({**call.query, "cursor": f"v1_{rows[count].id}"})
        headers["link"] = f'<{call.url}/api/v3/app/hook/deliveries?{query}>; rel="next"'
    return Answer(body=[accounts.delivery(each) for each in rows[:count]], headers=headers)


def _delivery(call: Call) -> Delivery:
    found = call.state.outbox.find(call.number("delivery_id"))
    if found is None or found.app is not _app(call):
        raise Refusal.not_found()
    return found


@routes.get("/app/hook/deliveries/{delivery_id}", "app")
def get_delivery(call: Call) -> Answer:
    return Answer(body=accounts.whole_delivery(_delivery(call)))


@routes.post("/app/hook/deliveries/{delivery_id}/attempts", "app")
def redeliver(call: Call) -> Answer:
    call.state.outbox.redeliver(_delivery(call))
    return Answer(202, {})
