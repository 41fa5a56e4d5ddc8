"""Uploads a large change set with one `git push`, from a bare repository without blobs to a temporary branch.

Then the API can create the commit from the pushed tree, so that GitHub signs it. Nothing is checked out on the host.
"""

from __future__ import annotations

import asyncio
import base64
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bot.changes.changeset import ChangeSet
from bot.context import Context
from bot.github.app import Token
from bot.github.errors import ForbiddenError, UnavailableError
from bot.model import PinnedBase
from bot.text.names import temporary_branch

SECONDS = 900.0  # for one git command


async def push(
    context: Context, token: Token, change_set: ChangeSet, pinned: PinnedBase, run: str, merged: str | None = None
) -> str:
    """Push the new objects to the run's temporary branch and return the tree's id. The caller deletes the branch.

    `merged`: the commit that Amp merged.

    Raises:
        ForbiddenError: GitHub refused the push.
        UnavailableError: git failed for another reason.
    """
    url = f"{context.settings.github_url}/{pinned.repo_name}.git"
    parents = [commit for commit in (pinned.base_sha, merged) if commit is not None]
    with tempfile.TemporaryDirectory(prefix="ampbot-") as folder:
        git = _Git(Path(folder), _environment(folder, context.settings.github_url, token))
        await git("init", "--quiet", "--bare", ".")
        for name, value in (("url", url), ("promisor", "true"), ("partialclonefilter", "blob:none")):
            await git("config", f"remote.origin.{name}", value)
        await git("fetch", "--quiet", "--depth=1", "--no-tags", "--filter=blob:none", "origin", *parents)
        await git("fast-import", "--quiet", "--done", input=_blobs(change_set))
        await git("read-tree", change_set.base_tree)
        await git("update-index", "-z", "--index-info", input=_index(change_set))
        tree = (await git("write-tree", "--missing-ok")).decode().strip()
        onto = [argument for parent in parents for argument in ("-p", parent)]
        commit = (await git("commit-tree", tree, *onto, "-m", f"ampbot run {run}")).decode().strip()
        await context.ensure_lock_held()
        branch = temporary_branch(run, context.settings.branch_prefix)
        await git("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{branch}")
    return tree


def _environment(home: str, server: str, token: Token) -> dict[str, str]:
    """The environment of git: of ours only PATH, so no keys and no settings; and no configuration from files."""
    basic = base64.b64encode(f"x-access-token:{token.value}".encode()).decode()
    configuration = {
        f"http.{server}/.extraHeader": f"Authorization: Basic {basic}",
        "core.hooksPath": os.devnull,
        "protocol.allow": "never",
        "protocol.https.allow": "always",
        "protocol.http.allow": "always" if server.startswith("http://") else "never",
        "transfer.fsckObjects": "true",
        "gc.auto": "0",
    }
    numbered = [
        item
        for index, (key, value) in enumerate(configuration.items())
        for item in ((f"GIT_CONFIG_KEY_{index}", key), (f"GIT_CONFIG_VALUE_{index}", value))
    ]
    identity = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "ampbot"), ("EMAIL", "ampbot@users.noreply.invalid"))
    }
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(configuration)),
        **identity,
        **dict(numbered),
    }


def _blobs(change_set: ChangeSet) -> bytes:
    """Input that creates all blobs: https://git-scm.com/docs/git-fast-import"""
    unique = {change.blob: change.content for change in change_set.changes if change.content is not None}
    parts = [b"blob\ndata %d\n%s\n" % (len(content), content) for content in unique.values()]
    return b"".join([*parts, b"done\n"])


def _index(change_set: ChangeSet) -> bytes:
    """Input of `git update-index --index-info`: https://git-scm.com/docs/git-update-index"""
    rows = []
    for change in sorted(change_set.changes, key=lambda change: change.status != "deleted"):
        path = change.path.encode("utf-8", "surrogateescape")
        mode, blob = ("0", "0" * 40) if change.status == "deleted" else (change.mode, change.blob)
        rows.append(f"{mode} {blob}\t".encode() + path)
    return b"\0".join([*rows, b""])


class _Git:
    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    async def __call__(self, *arguments: str, input: bytes | None = None) -> bytes:  # noqa: A002 - as in subprocess
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=self._folder,
            env=dict(self._environment),
            stdin=asyncio.subprocess.PIPE if input is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(input), SECONDS)
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        if process.returncode != 0:
            message = stderr.decode("utf-8", "replace").strip()[-500:]
            if arguments[0] == "push" and ("rejected" in message or "refus" in message or "denied" in message):
                raise ForbiddenError(403, message)
            raise UnavailableError(0, f"git {arguments[0]}: {message}")
        return stdout
