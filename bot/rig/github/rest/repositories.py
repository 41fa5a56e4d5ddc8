"""Repositories, permissions, branches, commits, contents and comparisons."""

from __future__ import annotations

import re

from bot.rig.github import diff
from bot.rig.github.diff import compare
from bot.rig.github.effects.merging import merge_branch
from bot.rig.github.git import EMPTY_TREE, Entry
from bot.rig.github.records import PERMISSION_OF_ROLE, Account, Repository
from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import NOTHING, Answer, Call, created
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import Json, accounts, git
from bot.rig.github.shapes.pulls import file, pull
from bot.rig.github.shapes.repositories import html_url, whole_repository
from bot.rig.github.state import State

routes = Routes()

_MAX_INLINE = 1024 * 1024  # bytes of a file whose content is included in the answer


@routes.get("/repos/{owner}/{repo}", "metadata:read")
def get_repository(call: Call) -> Answer:
    return Answer(body=whole_repository(call.url, call.repo, call.identity.account))


@routes.get("/repos/{owner}/{repo}/collaborators/{username}/permission", "metadata:read")
def get_permission(call: Call) -> Answer:
    if call.identity.installation is not None and not call.identity.covers(call.repo):
        raise Refusal.forbidden()  # in a public repository too: whoever reads may not ask who writes
    login = call.params["username"]
    account = call.state.account(login)
    if account is None or account.kind != "User":
        raise Refusal(404, f"{login} is not a user")
    role = call.repo.role(account)
    shape = {
        "permission": PERMISSION_OF_ROLE[role],
        "user": {**accounts.user(call.url, account), "role_name": role, "permissions": _rights(role)},
        "role_name": role,
    }
    return Answer(body=shape)


def _rights(role: str) -> Json:
    rank = ["none", "read", "triage", "write", "maintain", "admin"].index(role)
    return {"pull": rank > 0, "triage": rank > 1, "push": rank > 2, "maintain": rank > 3, "admin": rank > 4}


def author_of(state: State, email: str) -> Account | None:
    """The account behind a no-reply address."""
    login = email.partition("@")[0].rpartition("+")[2]
    return state.account(login) if "@users.noreply." in email else None


def commit_shape(call: Call, repo: Repository, oid: str) -> Json:
    commit = repo.bare.commit(oid)
    return git.commit(call.url, repo, commit, author_of(call.state, commit.author.email))


def resolve_commit(call: Call, revision: str) -> str:
    """A branch, tag or sha as a commit. Raises Refusal with GitHub's message."""
    bare = call.repo.bare
    found = bare.branch(revision) or bare.resolve(f"{revision}^{{commit}}")
    if found is None:
        raise Refusal.unprocessable(f"No commit found for SHA: {revision}")
    return found


@routes.get("/repos/{owner}/{repo}/branches/{branch}", "contents:read")
def get_branch(call: Call) -> Answer:
    name = call.params["branch"]
    oid = call.repo.bare.branch(name)
    if oid is None:
        raise Refusal(404, "Branch not found")
    api = f"{call.url}/api/v3/repos/{call.repo.full_name}/branches/{name}"
    shape = {
        "name": name,
        "commit": commit_shape(call, call.repo, oid),
        "_links": {"self": api, "html": f"{html_url(call.url, call.repo)}/tree/{name}"},
        "protected": False,
        "protection": {"enabled": False, "required_status_checks": {"contexts": [], "checks": []}},
        "protection_url": f"{api}/protection",
    }
    return Answer(body=shape)


@routes.get("/repos/{owner}/{repo}/branches", "contents:read")
def list_branches(call: Call) -> Answer:
    def shape(item: tuple[str, str]) -> Json:
        name, oid = item
        link = f"{call.url}/api/v3/repos/{call.repo.full_name}/commits/{oid}"
        return {"name": name.removeprefix("refs/heads/"), "commit": {"sha": oid, "url": link}, "protected": False}

    return call.page(list(call.repo.bare.refs("refs/heads").items()), shape)


@routes.get("/repos/{owner}/{repo}/commits/{ref}/pulls", "pull_requests:read")
def list_pulls_of_commit(call: Call) -> Answer:
    oid = resolve_commit(call, call.params["ref"])
    found = [each for each in call.repo.pulls if call.repo.bare.is_ancestor(oid, each.head_sha)]
    return call.page(found, lambda each: pull(call.url, each))


@routes.get("/repos/{owner}/{repo}/compare/{basehead}", "contents:read")
def get_comparison(call: Call) -> Answer:
    base_name, dots, head_name = call.params["basehead"].partition("...")
    base, head = (call.repo.bare.resolve(f"{name}^{{commit}}") for name in (base_name, head_name))
    if not dots or base is None or head is None:
        raise Refusal.not_found()
    comparison = compare(call.repo.bare, base, head)
    if comparison.merge_base is None:
        raise Refusal(404, f"No common ancestor between {base_name} and {head_name}.")
    if (answer := as_text(call, comparison.merge_base, head)) is not None:
        return answer
    html = f"{html_url(call.url, call.repo)}/compare/{call.params['basehead']}"
    ahead, behind = len(comparison.ahead), comparison.behind
    status = ("diverged" if behind else "ahead") if ahead else ("behind" if behind else "identical")
    page = call.page(comparison.ahead, lambda oid: commit_shape(call, call.repo, oid))
    shape = {
        "url": f"{call.url}/api/v3/repos/{call.repo.full_name}/compare/{call.params['basehead']}",
        "html_url": html,
        "permalink_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "base_commit": commit_shape(call, call.repo, base),
        "merge_base_commit": commit_shape(call, call.repo, comparison.merge_base),
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": page.body,
        "files": [file(call.url, call.repo, head, change) for change in comparison.files[:300]],
    }
    return Answer(body=shape, headers=page.headers)


@routes.post("/repos/{owner}/{repo}/merges", "contents:write")
def merge(call: Call) -> Answer:
    call.require("base", "head")
    base, head, message = call.string("base"), call.string("head"), call.string_or_none("commit_message")
    workflows = call.identity.installation is None or call.identity.allows(call.repo, "workflows", "write")
    made = merge_branch(call.state, call.repo, call.actor, base, head, message, workflows=workflows)
    return NOTHING if made is None else created(commit_shape(call, call.repo, made))


def as_text(call: Call, base: str, head: str) -> Answer | None:
    """The comparison as a diff or patch if the Accept header asks for one; else None."""
    for kind, render in (("diff", diff.diff), ("patch", diff.patch)):
        if f"vnd.github.{kind}" in call.accept or f"vnd.github.v3.{kind}" in call.accept:
            text = render(call.repo.bare, base, head)
            _check_size(call, text)
            return Answer(text=text, content_type=f"application/vnd.github.{kind}; charset=utf-8")
    return None


def _check_size(call: Call, text: str | bytes) -> None:
    """GitHub's words and the limit: https://github.com/reviewdog/reviewdog/issues/2150"""
    most = call.state.settings.diff_files
    lines = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    if len(re.findall(rb"^diff --git ", lines, re.MULTILINE)) > most:
        hint = "Consider using 'List pull requests files' API or locally cloning the repository instead."
        raise Refusal(
            406,
            f"Sorry, the diff exceeded the maximum number of files ({most}). {hint}",
            errors=[{"resource": "PullRequest", "field": "diff", "code": "too_large"}],
            docs="https://docs.github.com/rest/pulls/pulls#list-pull-requests-files",
        )


@routes.get("/repos/{owner}/{repo}/commits/{ref}", "contents:read")
def get_commit(call: Call) -> Answer:
    oid = resolve_commit(call, call.params["ref"])
    commit = call.repo.bare.commit(oid)
    parent = commit.parents[0] if commit.parents else None
    if (answer := as_text(call, parent or EMPTY_TREE, oid)) is not None:
        return answer
    changes = diff.files(call.repo.bare, parent, oid)
    added, deleted = (sum(getattr(change, name) for change in changes) for name in ("additions", "deletions"))
    return Answer(
        body={
            **commit_shape(call, call.repo, oid),
            "stats": {"total": added + deleted, "additions": added, "deletions": deleted},
            "files": [file(call.url, call.repo, oid, change) for change in changes],
        }
    )


@routes.get("/repos/{owner}/{repo}/contents/{path}", "contents:read")
def get_contents(call: Call) -> Answer:
    path = call.params["path"].strip("/")
    revision = call.query.get("ref") or call.repo.default_branch
    commit = call.repo.bare.resolve(f"{revision}^{{commit}}")
    if commit is None:
        raise Refusal(404, f"No commit found for the ref {revision}")
    bare = call.repo.bare
    if not path:
        rows = bare.entries(commit)
        return Answer(body=[git.content(call.url, call.repo, row, revision) for row in rows])
    parent, _, _ = path.rpartition("/")
    folder = f"{commit}:{parent}"
    siblings = bare.entries(folder) if bare.kinds([folder])[0] == "tree" else []
    prefix = f"{parent}/" if parent else ""
    entry = next((each for each in siblings if prefix + each.path == path), None)
    if entry is None:
        raise Refusal.not_found()
    entry = Entry(entry.mode, entry.kind, entry.oid, entry.size, path)
    if entry.kind == "tree":
        rows = bare.entries(entry.oid)
        inside = [Entry(row.mode, row.kind, row.oid, row.size, f"{path}/{row.path}") for row in rows]
        return Answer(body=[git.content(call.url, call.repo, row, revision) for row in inside])
    return _file(call, entry, revision)


def _file(call: Call, entry: Entry, revision: str) -> Answer:
    shape = git.content(call.url, call.repo, entry, revision)
    if entry.kind == "commit":
        return Answer(body={**shape, "submodule_git_url": None})
    content = call.repo.bare.blob(entry.oid)
    if "vnd.github.raw" in call.accept:
        return Answer(text=content, content_type="application/vnd.github.raw; charset=utf-8")
    if shape["type"] == "symlink":
        return Answer(body={**shape, "target": content.decode("utf-8", "replace")})
    if len(content) > _MAX_INLINE:
        return Answer(body={**shape, "content": "", "encoding": "none"})
    return Answer(body={**shape, "content": git.lines_of_base64(content), "encoding": "base64"})
