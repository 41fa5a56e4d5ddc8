"""Which App permissions the recorded requests need.

GitHub's OpenAPI description does not list them. These tables are an excerpt of its documentation:
https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bot.rig.contract.contract import Contract, is_api, used_endpoints
from bot.rig.http.request_log import Entry

# Alternatives, each a (permission, level); any one is enough. Empty: no permission is needed.
Need = tuple[tuple[str, str], ...]

_NOTHING: Need = ()
_METADATA: Need = (("metadata", "read"),)
_READ_CONTENTS: Need = (("contents", "read"),)
_WRITE_CONTENTS: Need = (("contents", "write"),)
_READ_ISSUES: Need = (("issues", "read"),)
_WRITE_ISSUES: Need = (("issues", "write"),)
_READ_PULLS: Need = (("pull_requests", "read"),)
_WRITE_PULLS: Need = (("pull_requests", "write"),)
_READ_EITHER: Need = (*_READ_ISSUES, *_READ_PULLS)
_WRITE_EITHER: Need = (*_WRITE_ISSUES, *_WRITE_PULLS)
_READ_CHECKS: Need = (("checks", "read"),)
_WRITE_CHECKS: Need = (("checks", "write"),)
_READ_ACTIONS: Need = (("actions", "read"),)
_READ_STATUSES: Need = (("statuses", "read"),)

_REPO = "/repos/{owner}/{repo}"

_REST: dict[Need, tuple[str, ...]] = {
    _NOTHING: (  # an App's JWT, any installation token, or no authentication
        "GET /app",
        "GET /app/hook/config",
        "GET /app/hook/deliveries",
        "GET /app/hook/deliveries/{delivery_id}",
        "POST /app/hook/deliveries/{delivery_id}/attempts",
        "GET /app/installations",
        "GET /app/installations/{installation_id}",
        "POST /app/installations/{installation_id}/access_tokens",
        "POST /app-manifests/{code}/conversions",
        "GET /apps/{app_slug}",
        "DELETE /installation/token",
        "GET /meta",
        "GET /rate_limit",
        f"GET {_REPO}/installation",
        "GET /users/{username}",
    ),
    _METADATA: (
        "GET /installation/repositories",
        f"GET {_REPO}",
        f"GET {_REPO}/collaborators",
        f"GET {_REPO}/collaborators/{{username}}",
        f"GET {_REPO}/collaborators/{{username}}/permission",
        f"GET {_REPO}/rules/branches/{{branch}}",
    ),
    _READ_CONTENTS: (
        f"GET {_REPO}/branches",
        f"GET {_REPO}/branches/{{branch}}",
        f"GET {_REPO}/commits",
        f"GET {_REPO}/commits/{{ref}}",
        f"GET {_REPO}/compare/{{basehead}}",
        f"GET {_REPO}/contents/{{path}}",
        f"GET {_REPO}/git/blobs/{{file_sha}}",
        f"GET {_REPO}/git/commits/{{commit_sha}}",
        f"GET {_REPO}/git/matching-refs/{{ref}}",
        f"GET {_REPO}/git/ref/{{ref}}",
        f"GET {_REPO}/git/trees/{{tree_sha}}",
        f"GET {_REPO}/tarball/{{ref}}",
        f"GET {_REPO}/zipball/{{ref}}",
    ),
    _WRITE_CONTENTS: (
        f"PUT {_REPO}/contents/{{path}}",
        f"DELETE {_REPO}/contents/{{path}}",
        f"POST {_REPO}/git/blobs",
        f"POST {_REPO}/git/commits",
        f"POST {_REPO}/git/refs",
        f"PATCH {_REPO}/git/refs/{{ref}}",
        f"DELETE {_REPO}/git/refs/{{ref}}",
        f"POST {_REPO}/git/trees",
        f"POST {_REPO}/merges",
        f"PUT {_REPO}/pulls/{{pull_number}}/merge",
    ),
    _READ_ISSUES: (
        f"GET {_REPO}/issues",
        f"GET {_REPO}/issues/events",
        f"GET {_REPO}/issues/{{issue_number}}",
        f"GET {_REPO}/issues/{{issue_number}}/reactions",
        f"GET {_REPO}/issues/comments/{{comment_id}}/reactions",
    ),
    _WRITE_ISSUES: (
        f"POST {_REPO}/issues",
        f"POST {_REPO}/issues/{{issue_number}}/reactions",
        f"DELETE {_REPO}/issues/{{issue_number}}/reactions/{{reaction_id}}",
        f"POST {_REPO}/issues/comments/{{comment_id}}/reactions",
        f"DELETE {_REPO}/issues/comments/{{comment_id}}/reactions/{{reaction_id}}",
    ),
    _READ_EITHER: (
        f"GET {_REPO}/issues/comments",
        f"GET {_REPO}/issues/comments/{{comment_id}}",
        f"GET {_REPO}/issues/events/{{event_id}}",
        f"GET {_REPO}/issues/{{issue_number}}/comments",
        f"GET {_REPO}/issues/{{issue_number}}/events",
        f"GET {_REPO}/issues/{{issue_number}}/labels",
        f"GET {_REPO}/issues/{{issue_number}}/timeline",
        f"GET {_REPO}/labels",
        f"GET {_REPO}/labels/{{name}}",
    ),
    _WRITE_EITHER: (
        f"PATCH {_REPO}/issues/comments/{{comment_id}}",
        f"DELETE {_REPO}/issues/comments/{{comment_id}}",
        f"PATCH {_REPO}/issues/{{issue_number}}",
        f"POST {_REPO}/issues/{{issue_number}}/assignees",
        f"DELETE {_REPO}/issues/{{issue_number}}/assignees",
        f"POST {_REPO}/issues/{{issue_number}}/comments",
        f"POST {_REPO}/issues/{{issue_number}}/labels",
        f"PUT {_REPO}/issues/{{issue_number}}/labels",
        f"DELETE {_REPO}/issues/{{issue_number}}/labels",
        f"DELETE {_REPO}/issues/{{issue_number}}/labels/{{name}}",
        f"POST {_REPO}/labels",
    ),
    _READ_PULLS: (
        f"GET {_REPO}/commits/{{commit_sha}}/pulls",
        f"GET {_REPO}/pulls",
        f"GET {_REPO}/pulls/comments",
        f"GET {_REPO}/pulls/comments/{{comment_id}}",
        f"GET {_REPO}/pulls/comments/{{comment_id}}/reactions",
        f"GET {_REPO}/pulls/{{pull_number}}",
        f"GET {_REPO}/pulls/{{pull_number}}/comments",
        f"GET {_REPO}/pulls/{{pull_number}}/commits",
        f"GET {_REPO}/pulls/{{pull_number}}/files",
        f"GET {_REPO}/pulls/{{pull_number}}/merge",
        f"GET {_REPO}/pulls/{{pull_number}}/requested_reviewers",
        f"GET {_REPO}/pulls/{{pull_number}}/reviews",
        f"GET {_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}",
        f"GET {_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}/comments",
    ),
    _WRITE_PULLS: (
        f"POST {_REPO}/pulls",
        f"PATCH {_REPO}/pulls/comments/{{comment_id}}",
        f"DELETE {_REPO}/pulls/comments/{{comment_id}}",
        f"POST {_REPO}/pulls/comments/{{comment_id}}/reactions",
        f"DELETE {_REPO}/pulls/comments/{{comment_id}}/reactions/{{reaction_id}}",
        f"PATCH {_REPO}/pulls/{{pull_number}}",
        f"POST {_REPO}/pulls/{{pull_number}}/comments",
        f"POST {_REPO}/pulls/{{pull_number}}/comments/{{comment_id}}/replies",
        f"POST {_REPO}/pulls/{{pull_number}}/requested_reviewers",
        f"DELETE {_REPO}/pulls/{{pull_number}}/requested_reviewers",
        f"POST {_REPO}/pulls/{{pull_number}}/reviews",
        f"PUT {_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}",
        f"DELETE {_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}",
        f"POST {_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}/events",
        f"PUT {_REPO}/pulls/{{pull_number}}/update-branch",
    ),
    _READ_CHECKS: (
        f"GET {_REPO}/check-runs/{{check_run_id}}",
        f"GET {_REPO}/check-runs/{{check_run_id}}/annotations",
        f"GET {_REPO}/commits/{{ref}}/check-runs",
        f"GET {_REPO}/commits/{{ref}}/check-suites",
    ),
    _WRITE_CHECKS: (
        f"POST {_REPO}/check-runs",
        f"PATCH {_REPO}/check-runs/{{check_run_id}}",
    ),
    _READ_ACTIONS: (
        f"GET {_REPO}/actions/runs",
        f"GET {_REPO}/actions/runs/{{run_id}}",
        f"GET {_REPO}/actions/runs/{{run_id}}/jobs",
        f"GET {_REPO}/actions/jobs/{{job_id}}",
        f"GET {_REPO}/actions/jobs/{{job_id}}/logs",
    ),
    _READ_STATUSES: (f"GET {_REPO}/commits/{{ref}}/status", f"GET {_REPO}/commits/{{ref}}/statuses"),
}

# GraphQL needs the permissions of the object's REST endpoints; for reading, the selected type decides.
_TYPES: dict[Need, tuple[str, ...]] = {
    _NOTHING: ("Query", "PageInfo", "Actor", "User", "Bot", "Organization", "App", "RateLimit", "Node"),
    _METADATA: ("Repository", "RepositoryOwner"),
    _READ_CONTENTS: ("Ref", "GitObject", "Commit", "Tree", "TreeEntry", "Blob", "GitSignature"),
    _READ_ISSUES: ("Issue",),
    _READ_EITHER: ("IssueComment", "Label", "Reaction", "Comment", "ReactionGroup", "Reactable"),
    _READ_PULLS: (
        "PullRequest",
        "PullRequestChangedFile",
        "PullRequestCommit",
        "PullRequestReview",
        "PullRequestReviewComment",
        "PullRequestReviewThread",
        "ReviewRequest",
    ),
    _READ_CHECKS: ("CheckRun", "CheckSuite"),
    _READ_STATUSES: ("Status", "StatusContext", "StatusCheckRollup"),
}
_MUTATIONS: dict[Need, tuple[str, ...]] = {
    _WRITE_CONTENTS: ("createCommitOnBranch", "createRef", "updateRef", "updateRefs", "deleteRef"),
    _WRITE_EITHER: (
        "addComment",
        "updateIssueComment",
        "deleteIssueComment",
        "minimizeComment",
        "unminimizeComment",
        "addReaction",
        "removeReaction",
        "addLabelsToLabelable",
        "removeLabelsFromLabelable",
    ),
    _WRITE_PULLS: (
        "addPullRequestReview",
        "addPullRequestReviewThread",
        "addPullRequestReviewThreadReply",
        "convertPullRequestToDraft",
        "createPullRequest",
        "markPullRequestReadyForReview",
        "resolveReviewThread",
        "unresolveReviewThread",
        "submitPullRequestReview",
        "updatePullRequest",
    ),
    _WRITE_CHECKS: ("createCheckRun", "updateCheckRun"),
}
_GIT: dict[Need, str] = {_READ_CONTENTS: "git-upload-pack", _WRITE_CONTENTS: "git-receive-pack"}

_NEED_OF_REST = {tuple(at.split(" ")): need for need, places in _REST.items() for at in places}
_NEED_OF_TYPE = {name: need for need, names in _TYPES.items() for name in names}
_NEED_OF_MUTATION = {name: need for need, names in _MUTATIONS.items() for name in names}


def permissions_needed(entries: Iterable[Entry]) -> dict[str, str]:
    """The minimal permissions that allow all these requests, as {"issues": "write", …}.

    Of alternatives, one that is needed anyway is preferred. Raises KeyError for a request that is not in the tables,
    LookupError for an unknown endpoint.
    """
    entries = tuple(entries)
    needs = {*_of_rest(entries), *_of_graphql(entries), *_of_git(entries)} - {_NOTHING}
    least: dict[str, str] = {}
    for need in sorted(needs, key=lambda need: (len(need), need)):
        if not any(_covers(least, *alternative) for alternative in need):
            permission, level = need[0]
            least[permission] = level
    return least


def _covers(held: dict[str, str], permission: str, level: str) -> bool:
    return held.get(permission) in (level, "write")


def _of_rest(entries: Iterable[Entry]) -> Iterator[Need]:
    for endpoint in used_endpoints(entries):
        if endpoint != ("POST", "/graphql"):
            if endpoint not in _NEED_OF_REST:
                raise KeyError(
                    f"{' '.join(endpoint)} is not in bot/rig/contract/permissions.py: add what GitHub asks for it"
                )
            yield _NEED_OF_REST[endpoint]


def _of_graphql(entries: Iterable[Entry]) -> Iterator[Need]:
    for query in {entry.body for entry in entries if entry.path.endswith("/graphql")}:
        for type_, field in Contract.load().graphql.fields(json.loads(query)["query"]):
            if type_ != "Mutation":
                known, name = _NEED_OF_TYPE, type_
            else:
                known, name = _NEED_OF_MUTATION, field
            if name in known:
                yield known[name]
            elif not type_.endswith(("Connection", "Edge", "Payload")):
                raise KeyError(
                    f"GraphQL's {type_}.{field} is not in bot/rig/contract/permissions.py: add what it needs"
                )


def _of_git(entries: Iterable[Entry]) -> Iterator[Need]:
    for entry in entries:
        for need, service in _GIT.items():
            if not is_api(entry) and (entry.path.endswith(f"/{service}") or entry.query == f"service={service}"):
                yield need
