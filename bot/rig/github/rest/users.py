"""Accounts, and information on the server."""

from __future__ import annotations

from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import Answer, Call
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import accounts

routes = Routes()


@routes.get("/user", "login")
def get_current_user(call: Call) -> Answer:
    if call.identity.installation is not None:
        raise Refusal.forbidden()
    return Answer(body=accounts.private_user(call.url, call.actor.account))


@routes.get("/users/{username}", "anyone")
def get_user(call: Call) -> Answer:
    account = call.state.account(call.params["username"])
    if account is None:
        raise Refusal.not_found()
    return Answer(body=accounts.public_user(call.url, account))


@routes.get("/user/{account_id}", "anyone")
def get_user_by_id(call: Call) -> Answer:
    for account in call.state.accounts.values():
        if account.id == call.number("account_id") and not account.deleted:
            return Answer(body=accounts.public_user(call.url, account))
    raise Refusal.not_found()


@routes.get("/rate_limit", "anyone")
def get_rate_limit(call: Call) -> Answer:
    """Requests for the rate limit are free: https://docs.github.com/en/rest/rate-limit/rate-limit"""
    bucket = call.identity.bucket
    core = call.state.meter.standing(bucket, "core")
    graphql = call.state.meter.standing(bucket, "graphql")
    search = {**core, "limit": 30, "remaining": 30, "used": 0}
    return Answer(body={"resources": {"core": core, "search": search, "graphql": graphql}, "rate": core})


@routes.get("/meta", "anyone")
def get_meta(call: Call) -> Answer:
    return Answer(body={"verifiable_password_authentication": False})


@routes.get("/zen", "anyone")
def get_zen(call: Call) -> Answer:
    return Answer(text="Keep it logically awesome.", content_type="text/plain; charset=utf-8")
