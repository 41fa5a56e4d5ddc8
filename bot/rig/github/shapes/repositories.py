"""JSON of repositories."""

from __future__ import annotations

from bot.rig.github.records import Account, Repository
from bot.rig.github.shapes import Json, moment
from bot.rig.github.shapes.accounts import user

# Every `…_url` of a repository, below its API address.
_ADDRESSES = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def api_url(url: str, repository: Repository) -> str:
    return f"{url}/api/v3/repos/{repository.full_name}"


def html_url(url: str, repository: Repository) -> str:
    return f"{url}/{repository.full_name}"


def repository(url: str, repo: Repository, viewer: Account | None = None) -> Json:
    """`repository`; with a viewer also what that account may do there."""
    api, html = api_url(url, repo), html_url(url, repo)
    host = url.partition("://")[2]
    open_issues = sum(issue.state == "open" for issue in repo.issues.values())
    shape: Json = {
        "id": repo.id,
        "node_id": repo.node_id,
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
        "owner": user(url, repo.owner),
        "html_url": html,
        "description": None,
        "fork": repo.parent is not None,
        "url": api,
        **{name: api + tail for name, tail in _ADDRESSES.items()},
        "created_at": moment(repo.created_at),
        "updated_at": moment(repo.pushed_at),
        "pushed_at": moment(repo.pushed_at),
        "git_url": f"git://{host}/{repo.full_name}.git",
        "ssh_url": f"git@{host.partition(':')[0]}:{repo.full_name}.git",
        "clone_url": f"{html}.git",
        "svn_url": html,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        "has_issues": True,
        "has_projects": True,
        "has_downloads": True,
        "has_wiki": True,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 0,
        "mirror_url": None,
        "archived": repo.archived,
        "disabled": False,
        "open_issues_count": open_issues,
        "license": None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if repo.private else "public",
        "forks": 0,
        "open_issues": open_issues,
        "watchers": 0,
        "default_branch": repo.default_branch,
    }
    return shape if viewer is None else {**shape, "permissions": _permissions(repo.role(viewer))}


def whole_repository(url: str, repo: Repository, viewer: Account | None) -> Json:
    """`full-repository`, the answer of GET /repos/{owner}/{repo}."""
    shape = {
        **repository(url, repo, viewer),
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_rebase_merge": True,
        "allow_auto_merge": False,
        "delete_branch_on_merge": False,
        "network_count": 0,
        "subscribers_count": 0,
        "temp_clone_token": None,
    }
    if repo.owner.kind == "Organization":
        shape["organization"] = user(url, repo.owner)
    if repo.parent is not None:
        shape["parent"] = shape["source"] = repository(url, repo.parent)
    return shape


def _permissions(role: str) -> Json:
    rank = ["none", "read", "triage", "write", "maintain", "admin"].index(role)
    names = {"pull": 1, "triage": 2, "push": 3, "maintain": 4, "admin": 5}
    return {name: rank >= needed for name, needed in names.items()}
