"""Pull requests and their requested reviewers."""

from __future__ import annotations

from bot.rig.github.diff import compare
from bot.rig.github.effects import issues as issue_effects
from bot.rig.github.effects import merging
from bot.rig.github.effects import pulls as effects
from bot.rig.github.effects.measure import changes, is_mergeable
from bot.rig.github.effects.pulls import Proposal
from bot.rig.github.records import Pull, Repository
from bot.rig.github.refusal import Refusal, missing
from bot.rig.github.rest.call import Answer, Call, created
from bot.rig.github.rest.repositories import as_text, commit_shape
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import Json, accounts
from bot.rig.github.shapes import pulls as shapes
from bot.rig.github.state import pull_of

routes = Routes()


def the_pull(call: Call) -> Pull:
    return pull_of(call.repo, call.number("pull_number"))


def _whole(call: Call, pull: Pull) -> Json:
    commits, files = changes(pull)
    mergeable = is_mergeable(pull) if pull.issue.state == "open" else None
    return shapes.whole_pull(call.url, pull, len(commits), files, mergeable)


@routes.get("/repos/{owner}/{repo}/pulls", "pull_requests:read")
def list_pulls(call: Call) -> Answer:
    """Newest first. `head` is `owner:branch`; GitHub ignores it without an owner."""
    state, head, base = call.query.get("state", "open"), call.query.get("head", ""), call.query.get("base")
    found = [
        pull
        for pull in call.repo.pulls
        if state in (pull.issue.state, "all")
        and base in (None, "", pull.base_ref)
        and (":" not in head or head.lower() == _label(pull).lower())
    ]
    found.sort(
        key=lambda pull: (
            pull.issue.updated_at if call.query.get("sort") == "updated" else pull.issue.created_at,
            pull.number,
        ),
        reverse=call.query.get("direction", "desc") == "desc",
    )
    return call.page(found, lambda pull: shapes.pull(call.url, pull), created_at=lambda pull: pull.issue.created_at)


def _label(pull: Pull) -> str:
    return f"{pull.head_repository.owner.login if pull.head_repository else 'unknown'}:{pull.head_ref}"


@routes.post("/repos/{owner}/{repo}/pulls", "pull_requests:write")
def create_pull(call: Call) -> Answer:
    call.require("head", "base")
    if not call.string("title").strip():
        raise Refusal.invalid(missing("PullRequest", "title"))
    owner, colon, branch = call.string("head").partition(":")
    head = _head_repository(call, owner) if colon else call.repo
    if head is None:
        raise Refusal.invalid(missing("PullRequest", "head", "invalid"))
    pull = effects.open_pull(
        call.state,
        call.repo,
        call.actor,
        Proposal(
            title=call.string("title"),
            body=call.string_or_none("body"),
            head_repository=head,
            head=branch if colon else owner,
            base=call.string("base"),
            draft=call.boolean("draft"),
            maintainer_can_modify=call.boolean("maintainer_can_modify", default=True),
        ),
    )
    return created(_whole(call, pull))


def _head_repository(call: Call, owner: str) -> Repository | None:
    """The member of the repository's fork network that belongs to `owner`."""
    for repo in call.state.repositories.values():
        kin = repo is call.repo or repo.parent is call.repo or repo is call.repo.parent
        if kin and repo.owner.login.lower() == owner.lower() and call.identity.sees(repo):
            return repo
    return None


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}", "pull_requests:read")
def get_pull(call: Call) -> Answer:
    pull = the_pull(call)
    base = compare(call.repo.bare, pull.base_sha, pull.head_sha).merge_base or pull.base_sha
    if (answer := as_text(call, base, pull.head_sha)) is not None:
        return answer
    return Answer(body=_whole(call, pull))


@routes.patch("/repos/{owner}/{repo}/pulls/{pull_number}", "pull_requests:write")
def edit_pull(call: Call) -> Answer:
    pull = the_pull(call)
    issue_effects.edit_issue(
        call.state, pull.issue, call.actor, call.string_or_none("title"), call.string_or_none("body")
    )
    if call.fields.get("base") not in (None, pull.base_ref):
        effects.retarget(call.state, pull, call.actor, call.string("base"))
    if "state" in call.fields:
        if call.fields["state"] not in ("open", "closed"):
            raise Refusal.invalid(missing("PullRequest", "state", "invalid"))
        issue_effects.set_state(call.state, pull.issue, call.actor, call.fields["state"])
    return Answer(body=_whole(call, pull))


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}/files", "pull_requests:read")
def list_files(call: Call) -> Answer:
    pull = the_pull(call)
    return call.page(changes(pull)[1][:3000], lambda change: shapes.file(call.url, call.repo, pull.head_sha, change))


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}/commits", "pull_requests:read")
def list_commits(call: Call) -> Answer:
    oids = changes(the_pull(call))[0][:250]
    return call.page(oids, lambda oid: commit_shape(call, call.repo, oid))


@routes.put("/repos/{owner}/{repo}/pulls/{pull_number}/merge", "contents:write")
def merge(call: Call) -> Answer:
    pull = the_pull(call)
    if call.fields.get("sha") not in (None, pull.head_sha):
        raise Refusal(409, "Head branch was modified. Review and try the merge again.")
    oid = merging.merge(call.state, pull, call.actor)
    return Answer(body={"sha": oid, "merged": True, "message": "Pull Request successfully merged"})


# --- review requests ------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", "pull_requests:read")
def list_requested(call: Call) -> Answer:
    pull = the_pull(call)
    return Answer(
        body={
            "users": [accounts.user(call.url, account) for account in pull.reviewers],
            "teams": [accounts.team(call.url, team) for team in pull.teams],
        }
    )


@routes.post("/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", "pull_requests:write")
def request_reviewers(call: Call) -> Answer:
    pull = the_pull(call)
    asked = effects.reviewers_named(call.state, pull, call.strings("reviewers"), call.strings("team_reviewers"))
    effects.request_reviews(call.state, pull, call.actor, *asked)
    return Answer(201, shapes.pull(call.url, pull))


@routes.delete("/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", "pull_requests:write")
def remove_reviewers(call: Call) -> Answer:
    pull = the_pull(call)
    logins = {login.lower() for login in call.strings("reviewers")}
    slugs = set(call.strings("team_reviewers"))
    accounts_out = [account for account in pull.reviewers if account.login.lower() in logins]
    teams_out = [team for team in pull.teams if team.slug in slugs]
    effects.withdraw_requests(call.state, pull, call.actor, accounts_out, teams_out)
    return Answer(body=shapes.pull(call.url, pull))
