"""Downloads GitHub's published descriptions with npm. Run `python -m bot.rig.contract.fixtures` to do it in advance."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.rig.cache import cache

_TIMEOUT_SECONDS = 600  # seconds for one download


class FetchError(RuntimeError):
    """A file could not be downloaded; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Published:
    """One file of a published package, and its name in the folder."""

    package: str
    version: str
    integrity: str  # of the tarball, as `npm view PACKAGE@VERSION dist.integrity` prints it
    member: str  # the file's path in the tarball
    kept: str

    @property
    def spec(self) -> str:
        return f"{self.package}@{self.version}"


OPENAPI = Published(
    package="@octokit/openapi",
    version="23.0.2",
    integrity="sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    member="package/generated/api.github.com.json",
    kept="openapi-23.0.2.json",
)
GRAPHQL = Published(
    package="@octokit/graphql-schema",
    version="15.26.1",
    integrity="sha512-RFDC2MpRBd4AxSRvUeBIVeBU7ojN/SxDfALUd7iVYOSeEK3gZaqR2MGOysj4Zh2xj2RY5fQAUT+Oqq7hWTraMA==",
    member="package/schema.graphql",
    kept="schema-15.26.1.graphql",
)
WEBHOOKS = Published(
    package="@octokit/webhooks-examples",
    version="7.6.1",
    integrity="sha512-De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ==",
    member="package/api.github.com/index.json",
    kept="webhooks-7.6.1.json",
)


def folder() -> Path:
    """The folder of the files: AMPBOT_CONTRACT_DIR, else `contract` in the cache (bot/rig/cache.py)."""
    chosen = os.environ.get("AMPBOT_CONTRACT_DIR")
    return Path(chosen) if chosen else cache("contract")


def openapi() -> Path:
    """GitHub's OpenAPI description of its REST API; downloaded if missing. Raises FetchError."""
    return have(OPENAPI)


def graphql_schema() -> Path:
    """GitHub's GraphQL schema; downloaded if missing. Raises FetchError."""
    return have(GRAPHQL)


def webhook_examples() -> Path:
    """Recorded webhook payloads: a list of {name, examples}; downloaded if missing. Raises FetchError."""
    return have(WEBHOOKS)


def fetch() -> None:
    """Download what is missing. Raises FetchError."""
    for published in (OPENAPI, GRAPHQL, WEBHOOKS):
        have(published)


def have(published: Published) -> Path:
    """The file's path. A missing file is downloaded once and verified. Raises FetchError."""
    path = folder() / published.kept
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        if not path.is_file():
            with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
                _extract(published, _pack(published, Path(temporary)), Path(temporary) / published.kept)
                (Path(temporary) / published.kept).replace(path)
    return path


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Tests run in several processes; only one of them downloads."""
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _pack(published: Published, into: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(
            f"{published.spec} is needed to check requests against GitHub's contract, and npm, which fetches "
            f"it, is not installed. Install Node.js, or put {published.kept} into {folder()}."
        )
    command = [npm, "pack", published.spec, "--ignore-scripts", "--pack-destination", str(into)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"npm pack {published.spec} took more than {_TIMEOUT_SECONDS} s.") from error
    tarballs = list(into.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        why = done.stderr.strip()[-600:] or "it left no tarball"
        raise FetchError(f"npm pack {published.spec} failed: {why}")
    return tarballs[0]


def _extract(published: Published, tarball: Path, target: Path) -> None:
    with tarball.open("rb") as stream:
        found = "sha512-" + base64.b64encode(hashlib.file_digest(stream, "sha512").digest()).decode()
    if found != published.integrity:
        raise FetchError(f"{published.spec} is not the pinned one: it is {found}, not {published.integrity}.")
    with tarfile.open(tarball) as archive:
        try:
            member = archive.extractfile(published.member)
        except KeyError:
            member = None
        if member is None:
            raise FetchError(f"{published.spec} holds no file {published.member}.")
        with member, target.open("wb") as output:
            shutil.copyfileobj(member, output)


if __name__ == "__main__":
    try:
        fetch()
    except FetchError as error:
        sys.exit(str(error))
    print(folder())
