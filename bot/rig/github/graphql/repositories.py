"""GraphQL's fields of repositories, refs and git's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.rig.github.git import Commit, Entry, Signature
from bot.rig.github.graphql.conversations import pull_state
from bot.rig.github.graphql.view import GitNode, RefNode, Resolver, View, connection, fail, git_node, ref_node
from bot.rig.github.records import Issue, Repository
from bot.rig.github.rest.repositories import author_of as author_by_email

# --- repositories ---------------------------------------------------------------------------------


def repository(_: object, view: View, owner: str, name: str, *, followRenames: bool = True) -> Any:  # noqa: N803 - GitHub's name
    found = view.state.repository(f"{owner}/{name}")
    moved = found is not None and found.full_name.lower() != f"{owner}/{name}".lower()
    if found is None or not view.identity.sees(found) or (moved and not followRenames):
        fail("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
    return found


def _issue(repo: Repository, view: View, number: int, kind: str) -> Issue:
    issue = repo.issues.get(number)
    if issue is None or (kind == "Issue" and issue.pull) or (kind == "PullRequest" and not issue.pull):
        fail("NOT_FOUND", f"Could not resolve to {_article(kind)} with the number of {number}.")
    view.may_converse(issue)
    return issue


def _article(kind: str) -> str:
    names = {"IssueOrPullRequest": "an issue or pull request", "Issue": "an Issue"}
    return names.get(kind, f"a {kind}")


def _object(repo: Repository, view: View, expression: str | None = None, oid: str | None = None) -> Any:
    view.may(repo, "contents")
    found = oid or (repo.bare.resolve(expression) if expression else None)
    return git_node(repo, found)


def _ref(repo: Repository, view: View, *, qualifiedName: str) -> RefNode | None:  # noqa: N803 - GitHub's name
    return ref_node(repo, view, qualifiedName)


def _permission(repo: Repository, view: View) -> str | None:
    if view.identity.installation is not None:
        return "WRITE" if view.identity.allows(repo, "contents", "write") else "READ"
    role = repo.role(view.identity.account) if view.identity.account else "none"
    return None if role == "none" else role.upper()


def _pulls(
    repo: Repository,
    view: View,
    states: list[str] | None = None,
    headRefName: str | None = None,  # noqa: N803 - GitHub's name
    baseRefName: str | None = None,  # noqa: N803 - GitHub's name
    **page: Any,
) -> Any:
    view.may(repo, "pull_requests")
    found = [
        pull.issue
        for pull in repo.pulls
        if headRefName in (None, pull.head_ref)
        and baseRefName in (None, pull.base_ref)
        and (states is None or pull_state(pull) in states)
    ]
    return connection(view.shown(found, lambda issue: issue.created_at), **page)


# --- git ------------------------------------------------------------------------------------------


def _commit(node: GitNode) -> Commit:
    return node.repository.bare.commit(node.oid)


def _git_actor(node: GitNode, view: View, signature: Signature) -> Mapping[str, Any]:
    account = author_by_email(view.state, signature.email)
    user = account if account is not None and account.kind == "User" else None
    return {"name": signature.name, "email": signature.email, "user": user}


def _entries(node: GitNode, _: View) -> list[tuple[GitNode, Entry]]:
    return [(node, entry) for entry in node.repository.bare.entries(node.oid)]


def _is_binary(node: GitNode) -> bool:
    return b"\0" in node.repository.bare.blob(node.oid)[:8000]


_GIT: Mapping[str, Resolver] = {
    "abbreviatedOid": lambda node, _: node.oid[:7],
    "id": lambda node, _: node.node_id,
}

FIELDS: Mapping[str, Mapping[str, Resolver]] = {
    "Repository": {
        "databaseId": lambda repo, _: repo.id,
        "defaultBranchRef": lambda repo, view: ref_node(repo, view, repo.default_branch),
        "id": lambda repo, _: repo.node_id,
        "isArchived": lambda repo, _: repo.archived,
        "isDisabled": lambda *_: False,
        "isEmpty": lambda repo, _: not repo.bare.refs("refs/heads"),
        "isFork": lambda repo, _: repo.parent is not None,
        "isLocked": lambda *_: False,
        "isPrivate": lambda repo, _: repo.private,
        "issue": lambda repo, view, number: _issue(repo, view, number, "Issue"),
        "issueOrPullRequest": lambda repo, view, number: _issue(repo, view, number, "IssueOrPullRequest"),
        "label": lambda repo, _, name: repo.labels.get(name.lower()),
        "nameWithOwner": lambda repo, _: repo.full_name,
        "object": _object,
        "pullRequest": lambda repo, view, number: _issue(repo, view, number, "PullRequest"),
        "pullRequests": _pulls,
        "ref": _ref,
        "url": lambda repo, view: f"{view.state.url}/{repo.full_name}",
        "viewerPermission": _permission,
    },
    "Ref": {
        "id": lambda ref, _: ref.node_id,
        "name": lambda ref, _: ref.ref.split("/", 2)[2],
        "prefix": lambda ref, _: "/".join(ref.ref.split("/")[:2]) + "/",
        "target": lambda ref, _: git_node(ref.repository, ref.oid),
    },
    "Commit": {
        **_GIT,
        "author": lambda node, view: _git_actor(node, view, _commit(node).author),
        "committedDate": lambda node, _: _commit(node).committer.date,
        "committer": lambda node, view: _git_actor(node, view, _commit(node).committer),
        "message": lambda node, _: _commit(node).message,
        "messageHeadline": lambda node, _: _commit(node).message.split("\n", 1)[0],
        "parents": lambda node, _, **page: connection(
            [GitNode(node.repository, oid, "commit") for oid in _commit(node).parents], **page
        ),
        "tree": lambda node, _: GitNode(node.repository, _commit(node).tree, "tree"),
        "url": lambda node, view: f"{view.state.url}/{node.repository.full_name}/commit/{node.oid}",
    },
    "Tree": {**_GIT, "entries": _entries},
    "TreeEntry": {
        "mode": lambda row, _: int(row[1].mode, 8),
        "name": lambda row, _: row[1].path,
        "object": lambda row, _: git_node(row[0].repository, row[1].oid),
        "oid": lambda row, _: row[1].oid,
        "path": lambda row, _: row[1].path,
        "type": lambda row, _: row[1].kind,
    },
    "Blob": {
        **_GIT,
        "byteSize": lambda node, _: len(node.repository.bare.blob(node.oid)),
        "isBinary": lambda node, _: _is_binary(node),
        "text": lambda node, _: (
            None if _is_binary(node) else node.repository.bare.blob(node.oid).decode("utf-8", "replace")
        ),
    },
}
