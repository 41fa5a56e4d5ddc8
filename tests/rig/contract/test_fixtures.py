from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bot.rig.contract import fixtures
from bot.rig.contract.fixtures import FetchError, Published

TEXT = b"what is published"


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    path = tmp_path / "published.tgz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("package/file.txt")
        entry.size = len(TEXT)
        archive.addfile(entry, io.BytesIO(TEXT))
    return path


@pytest.fixture
def published(tarball: Path) -> Published:
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    return Published("@some/package", "1.2.3", f"sha512-{digest}", "package/file.txt", "file-1.2.3.txt")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMPBOT_CONTRACT_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def npm(tmp_path: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """An `npm` that copies the tarball and records its arguments."""
    programs = tmp_path / "programs"
    programs.mkdir()
    calls = tmp_path / "calls"
    calls.touch()
    program = programs / "npm"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, shutil, sys\n"
        f"print(json.dumps(sys.argv[1:]), file=open({str(calls)!r}, 'a'))\n"
        f"shutil.copy({str(tarball)!r}, sys.argv[sys.argv.index('--pack-destination') + 1])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return lambda: [json.loads(line) for line in calls.read_text().splitlines()]


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name != ".lock")


def test_a_file_is_fetched_once_and_kept_whole(
    npm: Callable[[], list[list[str]]], cache: Path, published: Published
) -> None:
    paths = {fixtures.have(published) for _ in range(3)}
    assert paths == {cache / "file-1.2.3.txt"}
    assert (cache / "file-1.2.3.txt").read_bytes() == TEXT
    assert kept(cache) == ["file-1.2.3.txt"]
    (call,) = npm()
    assert call[:3] == ["pack", "@some/package@1.2.3", "--ignore-scripts"]


def test_those_who_want_it_at_once_share_one_download(
    npm: Callable[[], list[list[str]]], cache: Path, published: Published
) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(fixtures.have, [published] * 4))) == 1
    assert len(npm()) == 1


def test_another_tarball_than_the_pinned_one_is_refused(
    npm: Callable[[], list[list[str]]], cache: Path, published: Published
) -> None:
    with pytest.raises(FetchError, match=r"@some/package@1\.2\.3 is not the pinned one"):
        fixtures.have(replace(published, integrity="sha512-other"))
    assert kept(cache) == []


def test_a_tarball_without_the_file_is_refused(
    npm: Callable[[], list[list[str]]], cache: Path, published: Published
) -> None:
    with pytest.raises(FetchError, match="holds no file package/other"):
        fixtures.have(replace(published, member="package/other"))
    assert kept(cache) == []


def test_without_npm_the_cure_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, published: Published
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match=r"npm.* is not installed\. Install Node\.js, or put file-1\.2\.3\.txt"):
        fixtures.have(published)


def test_what_npm_complains_of_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, published: Published
) -> None:
    program = tmp_path / "npm"
    program.write_text(f"#!{shutil.which('sh')}\necho no such package >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match=r"npm pack @some/package@1\.2\.3 failed: no such package"):
        fixtures.have(published)
    assert kept(cache) == []


def test_the_folder_is_the_projects_unless_the_environment_names_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AMPBOT_CONTRACT_DIR", raising=False)
    assert fixtures.folder() == Path(__file__).parents[3] / ".cache" / "contract"
    monkeypatch.setenv("AMPBOT_CONTRACT_DIR", "elsewhere")
    assert fixtures.folder() == Path("elsewhere")


def test_what_github_publishes_is_what_the_checks_expect() -> None:
    fixtures.fetch()
    description = json.loads(fixtures.openapi().read_bytes())
    assert (description["openapi"], len(description["paths"])) == ("3.0.3", 811)
    assert "input FileAddition {" in fixtures.graphql_schema().read_text()
    recorded = json.loads(fixtures.webhook_examples().read_bytes())
    assert (len(recorded), sum(len(event["examples"]) for event in recorded)) == (58, 329)
