"""The Git Data API: refs, trees, blobs, commits."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from bot.rig.github.effects import refs as effects
from bot.rig.github.git import EMPTY_TREE, OID, Bare, Change, GitError, Signature
from bot.rig.github.lag import Made
from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import NOTHING, Answer, Call, created
from bot.rig.github.rest.issues import instant
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes import Json
from bot.rig.github.shapes import git as shapes

routes = Routes()

_MODES = {"100644": "blob", "100755": "blob", "120000": "blob", "160000": "commit", "040000": "tree"}
_WORKFLOWS = ".github/workflows"
_MAX_TREE = 100_000  # entries of a recursive listing
_OVERLOADED = (
    "Sorry, your request timed out. It's likely that your input was too large to process. Consider building the tree "
    "incrementally, or building the commits you need in a local clone of the repository and then pushing them to "
    "GitHub."
)

# --- refs -----------------------------------------------------------------------------------------


def _ref(call: Call, name: str, oid: str) -> Json:
    return shapes.ref(call.url, call.repo, name, oid, call.repo.bare.kind(oid) or "commit")


@routes.get("/repos/{owner}/{repo}/git/ref/{ref}", "contents:read")
def get_ref(call: Call) -> Answer:
    name = f"refs/{call.params['ref']}"
    oid = call.repo.bare.ref(name)
    if oid is None:
        raise Refusal.not_found()
    return Answer(body=_ref(call, name, oid))


@routes.get("/repos/{owner}/{repo}/git/matching-refs/{ref}", "contents:read")
def list_matching_refs(call: Call) -> Answer:
    prefix = f"refs/{call.params['ref']}"
    found = {name: oid for name, oid in call.repo.bare.refs().items() if name.startswith(prefix)}
    return call.page(list(found.items()), lambda item: _ref(call, *item))


@routes.post("/repos/{owner}/{repo}/git/refs", "contents:write")
def create_ref(call: Call) -> Answer:
    call.require("ref", "sha")
    name, sha = call.string("ref"), call.string("sha")
    effects.create_ref(call.state, call.repo, call.actor, name, sha, workflows=_may_workflows(call))
    return created(_ref(call, name, sha))


@routes.patch("/repos/{owner}/{repo}/git/refs/{ref}", "contents:write")
def update_ref(call: Call) -> Answer:
    call.require("sha")
    name, sha = f"refs/{call.params['ref']}", call.string("sha")
    force, workflows = call.boolean("force"), _may_workflows(call)
    effects.update_ref(call.state, call.repo, call.actor, name, sha, force=force, workflows=workflows)
    return Answer(body=_ref(call, name, sha))


def _may_workflows(call: Call) -> bool:
    return call.identity.installation is None or call.identity.allows(call.repo, "workflows", "write")


@routes.delete("/repos/{owner}/{repo}/git/refs/{ref}", "contents:write")
def delete_ref(call: Call) -> Answer:
    effects.delete_ref(call.state, call.repo, call.actor, f"refs/{call.params['ref']}")
    return NOTHING


# --- trees ----------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/git/trees/{tree_sha}", "contents:read")
def get_tree(call: Call) -> Answer:
    bare = call.repo.bare
    oid = bare.resolve(f"{call.params['tree_sha']}^{{tree}}")
    if oid is None:
        raise Refusal.not_found()
    entries = bare.entries(oid, recursive="recursive" in call.query)
    cut = len(entries) > _MAX_TREE
    return Answer(body=shapes.tree(call.url, call.repo, oid, entries[:_MAX_TREE], truncated=cut))


@routes.post("/repos/{owner}/{repo}/git/trees", "contents:write")
def create_tree(call: Call) -> Answer:
    call.require("tree")
    bare, rows, base = call.repo.bare, call.objects("tree"), call.string_or_none("base_tree")
    if base is not None and (not OID.fullmatch(base) or bare.kind(base) != "tree"):
        raise Refusal.unprocessable("base_tree is not a valid tree oid")
    inline = [row["content"] for row in rows if row.get("sha") is None and "content" in row]
    settings = call.state.settings
    too_many = len(inline) > settings.tree_inline_entries
    if too_many or sum(len(str(text).encode()) for text in inline) > settings.tree_inline_bytes:
        raise Refusal(502, _OVERLOADED)
    changes = _changes(bare, rows, base)
    try:
        oid = bare.write_tree(base, changes)
    except GitError:
        raise Refusal.unprocessable("GitRPC::BadObjectState") from None
    touched = any(change.path.split("/", 1)[0] == ".github" for change in changes)
    if touched and not call.identity.allows(call.repo, "workflows", "write"):
        against = base or call.repo.bare.branch(call.repo.default_branch)
        before = bare.resolve(f"{against}:{_WORKFLOWS}") if against else None
        if bare.resolve(f"{oid}:{_WORKFLOWS}") not in (before, None):
            raise Refusal.forbidden()
    return created(shapes.tree(call.url, call.repo, oid, bare.entries(oid), truncated=False))


def _changes(bare: Bare, rows: list[Mapping[str, Any]], base: str | None) -> list[Change]:
    """Check the rows with GitHub's messages, and write inlined texts as blobs in one child process."""
    checked = [_check_row(row) for row in rows]
    texts = [row["content"].encode("utf-8", "replace") for row in rows if _is_inline(row)]
    blobs = iter(bare.write_blobs(texts))
    kinds = iter(bare.kinds([_object(row, base) for row in rows if not _is_inline(row)]))
    changes = []
    for row, (path, mode) in zip(rows, checked, strict=True):
        if _is_inline(row):
            changes.append(Change(path, mode, next(blobs)))
            continue
        oid, kind = row.get("sha"), next(kinds)
        if oid is None and kind not in ("blob", "commit"):
            raise Refusal.unprocessable("GitRPC::BadObjectState")
        if oid is not None and mode != "160000" and kind != _MODES[mode]:
            raise Refusal.unprocessable(f"tree.sha {oid} is not a valid {_MODES[mode]}")
        changes.append(Change(path, mode, oid))
    return changes


def _object(row: Mapping[str, Any], base: str | None) -> str:
    """The expression that must exist for a row: its object, or the file it removes."""
    return row.get("sha") or f"{base or EMPTY_TREE}:{row['path']}"


def _is_inline(row: Mapping[str, Any]) -> bool:
    return row.get("sha") is None and row.get("content") is not None


def _check_row(row: Mapping[str, Any]) -> tuple[str, str]:
    path, mode, oid = row.get("path"), row.get("mode"), row.get("sha")
    if not isinstance(path, str) or not path:
        raise Refusal.unprocessable("Must supply a valid tree.path")
    if path.startswith("/"):
        raise Refusal.unprocessable("tree.path cannot start with a slash")
    if any(_is_malformed(part) for part in path.split("/")):
        raise Refusal.unprocessable("tree.path contains a malformed path component")
    if mode not in _MODES:
        raise Refusal.unprocessable("Must supply a valid tree.mode: 100644, 100755, 040000, 160000 or 120000")
    if row.get("type") not in (None, _MODES[mode]):
        raise Refusal.unprocessable(f"tree.type {row['type']} does not fit tree.mode {mode}")
    if oid is not None and row.get("content") is not None:
        raise Refusal.unprocessable("Must supply either tree.sha or tree.content, not both")
    if oid is not None and not (isinstance(oid, str) and OID.fullmatch(oid)):
        raise Refusal.unprocessable(f"tree.sha {oid} is not a valid {_MODES[mode]}")
    if oid is None and "sha" not in row and not isinstance(row.get("content"), str):
        raise Refusal.unprocessable("Must supply either tree.sha or tree.content")
    if _is_inline(row) and _MODES[mode] != "blob":
        raise Refusal.unprocessable("tree.content is only allowed for blobs")
    return path, mode


# Characters that HFS+ ignores in names, so that they could disguise `.git` (CVE-2014-9390).
_IGNORED_BY_HFS = re.compile("[\u200b-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def _is_malformed(part: str) -> bool:
    plain = _IGNORED_BY_HFS.sub("", part).lower().rstrip(" .")
    return part in ("", ".", "..") or plain in (".git", "git~1") or "\0" in part


# --- blobs ----------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/git/blobs/{file_sha}", "contents:read")
def get_blob(call: Call) -> Answer:
    oid = call.params["file_sha"]
    if call.repo.bare.kind(oid) != "blob":
        raise Refusal.not_found()
    content = call.repo.bare.blob(oid)
    if "vnd.github.raw" in call.accept:
        return Answer(text=content, content_type="application/vnd.github.raw; charset=utf-8")
    return Answer(body=shapes.blob(call.url, call.repo, oid, content))


@routes.post("/repos/{owner}/{repo}/git/blobs", "contents:write")
def create_blob(call: Call) -> Answer:
    call.require("content")
    text, encoding = call.string("content"), call.string("encoding", "utf-8")
    if encoding == "base64":
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error:
            raise Refusal.unprocessable("content is not valid Base64") from None
    elif encoding == "utf-8":
        content = text.encode("utf-8", "replace")
    else:
        raise Refusal.unprocessable(f"{encoding} is not a valid encoding")
    if len(content) > call.state.settings.file_bytes:
        raise Refusal.invalid({"resource": "Blob", "field": "data", "code": "too_large"})
    oid = call.repo.bare.write_blob(content)
    url = f"{call.url}/api/v3/repos/{call.repo.full_name}/git/blobs/{oid}"
    return created({"sha": oid, "url": url})


# --- commits --------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/git/commits/{commit_sha}", "contents:read")
def get_commit(call: Call) -> Answer:
    oid = call.params["commit_sha"]
    if call.repo.bare.kind(oid) != "commit":
        raise Refusal.not_found()
    return Answer(body=shapes.git_commit(call.url, call.repo, call.repo.bare.commit(oid)))


@routes.post("/repos/{owner}/{repo}/git/commits", "contents:write")
def create_commit(call: Call) -> Answer:
    call.require("message", "tree")
    bare, tree, parents = call.repo.bare, call.string("tree"), call.strings("parents")
    if bare.kind(tree) != "tree":
        raise Refusal.unprocessable("Tree SHA does not exist")
    if any(bare.kind(parent) != "commit" for parent in parents):
        raise Refusal.unprocessable("Parent SHA does not exist or is not a commit object")
    default = call.state.signature(call.actor.account)
    author = _signature(call, "author") or default
    committer = _signature(call, "committer") or author
    oid = bare.write_commit(tree, parents, call.string("message"), author, committer)
    call.state.lag.add(Made.COMMIT, oid)
    # GitHub signs a commit of an App only if the request names no author, committer or signature:
    # https://docs.github.com/en/authentication/managing-commit-signature-verification/about-commit-signature-verification
    custom = any(call.fields.get(name) for name in ("author", "committer", "signature"))
    if call.identity.installation is not None and not custom:
        call.repo.verified.add(oid)
    return created(shapes.git_commit(call.url, call.repo, bare.commit(oid)))


def _signature(call: Call, name: str) -> Signature | None:
    given = call.fields.get(name)
    if given is None:
        return None
    if not isinstance(given, dict) or not given.get("name") or not given.get("email"):
        raise Refusal.unprocessable(f'Invalid request.\n\n"{name}" needs a name and an email.')
    at = int(instant(str(given["date"]))) if given.get("date") else int(call.state.now())
    return Signature(str(given["name"]), str(given["email"]), at)
