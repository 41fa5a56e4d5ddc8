"""JSON of git's objects and refs."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from urllib.parse import quote

from bot.rig.github.git import Commit, Entry
from bot.rig.github.records import Account, Repository, node_id
from bot.rig.github.shapes import Json
from bot.rig.github.shapes.accounts import user_or_none
from bot.rig.github.shapes.repositories import api_url, html_url

_SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n\nsigned by the stand-in\n-----END PGP SIGNATURE-----\n"


def verification(repo: Repository, commit: Commit) -> Json:
    if commit.oid not in repo.verified:
        return {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        }
    return {
        "verified": True,
        "reason": "valid",
        "signature": _SIGNATURE,
        "payload": f"tree {commit.tree}\n\n{commit.message}",
        "verified_at": commit.committer.date,
    }


def _parent(url: str, repo: Repository, oid: str) -> Json:
    return {
        "sha": oid,
        "url": f"{api_url(url, repo)}/git/commits/{oid}",
        "html_url": f"{html_url(url, repo)}/commit/{oid}",
    }


def git_commit(url: str, repo: Repository, commit: Commit) -> Json:
    """`git-commit`, from the Git Data API."""
    api = api_url(url, repo)
    return {
        "sha": commit.oid,
        "node_id": node_id("C", int(commit.oid[:12], 16)),
        "url": f"{api}/git/commits/{commit.oid}",
        "html_url": f"{html_url(url, repo)}/commit/{commit.oid}",
        "author": _signer(commit.author.name, commit.author.email, commit.author.date),
        "committer": _signer(commit.committer.name, commit.committer.email, commit.committer.date),
        "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
        "message": commit.message,
        "parents": [_parent(url, repo, oid) for oid in commit.parents],
        "verification": verification(repo, commit),
    }


def commit(url: str, repo: Repository, a_commit: Commit, author: Account | None) -> Json:
    """`commit`, as in comparisons, branches and a pull request's commits."""
    api = api_url(url, repo)
    inner = git_commit(url, repo, a_commit)
    return {
        "sha": a_commit.oid,
        "node_id": inner["node_id"],
        "commit": {
            "author": inner["author"],
            "committer": inner["committer"],
            "message": a_commit.message,
            "tree": inner["tree"],
            "url": inner["url"],
            "comment_count": 0,
            "verification": inner["verification"],
        },
        "url": f"{api}/commits/{a_commit.oid}",
        "html_url": inner["html_url"],
        "comments_url": f"{api}/commits/{a_commit.oid}/comments",
        "author": user_or_none(url, author),
        "committer": user_or_none(url, author),
        "parents": [{**_parent(url, repo, oid), "url": f"{api}/commits/{oid}"} for oid in a_commit.parents],
    }


def _signer(name: str, email: str, date: str) -> Json:
    return {"name": name, "email": email, "date": date}


def ref(url: str, repo: Repository, name: str, oid: str, kind: str) -> Json:
    api = api_url(url, repo)
    return {
        "ref": name,
        "node_id": node_id("REF", repo.id) + quote(name, safe=""),
        "url": f"{api}/git/{quote(name)}",
        "object": {"sha": oid, "type": kind, "url": f"{api}/git/{kind}s/{oid}"},
    }


def tree(url: str, repo: Repository, oid: str, entries: list[Entry], *, truncated: bool) -> Json:
    api = api_url(url, repo)
    rows = []
    for entry in entries:
        row: Json = {"path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.oid}
        if entry.kind == "blob":
            row["size"] = entry.size
        if entry.kind != "commit":
            row["url"] = f"{api}/git/{entry.kind}s/{entry.oid}"
        rows.append(row)
    return {"sha": oid, "url": f"{api}/git/trees/{oid}", "tree": rows, "truncated": truncated}


def blob(url: str, repo: Repository, oid: str, content: bytes) -> Json:
    return {
        "sha": oid,
        "node_id": node_id("B", int(oid[:12], 16)),
        "size": len(content),
        "url": f"{api_url(url, repo)}/git/blobs/{oid}",
        "content": lines_of_base64(content),
        "encoding": "base64",
    }


def content(url: str, repo: Repository, entry: Entry, revision: str) -> Json:
    """What every kind of `content` has; a file's text is added by the caller."""
    kind = {"tree": "dir", "commit": "submodule"}.get(entry.kind, "file")
    kind = "symlink" if entry.mode == "120000" else kind
    api = f"{api_url(url, repo)}/contents/{quote(entry.path)}?ref={quote(revision, safe='')}"
    git = f"{api_url(url, repo)}/git/{entry.kind}s/{entry.oid}"
    html = f"{html_url(url, repo)}/{'tree' if kind == 'dir' else 'blob'}/{revision}/{quote(entry.path)}"
    raw = f"{html_url(url, repo)}/raw/{revision}/{quote(entry.path)}" if kind == "file" else None
    return {
        "name": PurePosixPath(entry.path).name,
        "path": entry.path,
        "sha": entry.oid,
        "size": entry.size or 0,
        "url": api,
        "html_url": html,
        "git_url": git,
        "download_url": raw,
        "type": kind,
        "_links": {"self": api, "git": git, "html": html},
    }


def lines_of_base64(content_bytes: bytes) -> str:
    """Base64 in lines of 60 characters, as GitHub wraps it."""
    text = base64.b64encode(content_bytes).decode()
    return "".join(text[at : at + 60] + "\n" for at in range(0, len(text), 60))
