"""`ampbot demo`: what it refuses, and what its JSON says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.rig.demo.demo import Options, refusal
from bot.rig.rig import Rig


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "my repo"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=trunk")
    (folder / "a.txt").write_text("a\n")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "one")
    (folder / "a.txt").write_text("not committed\n")
    return folder


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, in an environment without credentials."""
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | environment
    return subprocess.run(
        [sys.executable, "-m", "bot", "demo", *arguments], env=kept, capture_output=True, text=True, timeout=150
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(sandbox="e2b"), "--sandbox e2b needs --github live --repo OWNER/NAME"),
        (Options(github="live"), "--github live needs --repo OWNER/NAME"),
        (Options(github="live", repo="nonsense"), "--github live needs --repo OWNER/NAME"),
        (Options(agent="amp"), "add --i-accept-host-access"),
        (Options(agent="claude"), "--agent is scripted or amp"),
        (Options(sandbox="docker"), "--sandbox is local or e2b"),
        (Options(github="gitlab"), "--github is local or live"),
        (Options(repo="no/such/folder"), "there is no such folder"),
        (Options(repo="bot"), "this is not a git repository"),
    ],
)
def test_what_cannot_work_or_is_unsafe_is_refused_with_a_sentence(options: Options, says: str) -> None:
    problem = refusal(options)
    assert problem is not None
    assert says in problem.message


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    problem = refusal(Options(repo=str(tmp_path)))
    assert problem is not None
    assert "no commit yet" in problem.message


def test_the_sample_ends_in_a_pull_request_and_one_line_of_json() -> None:
    done = demo("--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    made = json.loads(line)
    assert made["pull_request"]["title"] == "Count full pages right"
    assert made["pull_request"]["base"] == "main"
    assert made["pull_request"]["files"] == [{"path": "paging/pages.py", "mode": "100644", "status": "modified"}]
    assert [said["author"] for said in made["comments"]] == ["mona", "ampbot[bot]"]
    assert made["github_requests"] <= 16
    assert made["sandbox_requests"] > 0
    assert set(made["seconds"]) == {"comment_to_ack", "comment_to_agent", "agent", "agent_to_pr", "total"}
    assert all(seconds >= 0 for seconds in made["seconds"].values())
    assert "Pull request #2" in done.stderr


def test_a_local_repository_is_cloned_and_never_touched(checkout: Path) -> None:
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    done = demo("--json", "--repo", str(checkout), "--ask", 'create "ü b.txt": hi')
    made = json.loads(done.stdout)
    assert made["pull_request"]["base"] == "trunk"
    assert made["pull_request"]["files"] == [{"path": "ü b.txt", "mode": "100644", "status": "added"}]
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before


def test_without_a_pull_request_it_fails_and_says_why(checkout: Path) -> None:
    done = demo("--repo", str(checkout), "--ask", "fail: no mood for it")
    assert done.returncode == 1
    assert "No pull request" in done.stdout
    assert "no mood for it" in done.stdout


def test_prose_without_an_instruction_is_put_into_a_file_and_said_to_be_scripted(checkout: Path) -> None:
    made = json.loads(demo("--json", "--repo", str(checkout), "--ask", "make it faster").stdout)
    assert [file["path"] for file in made["pull_request"]["files"]] == ["AMP-REQUEST.md"]
    assert "scripted" in made["comments"][-1]["body"]


def test_live_names_everything_that_is_missing() -> None:
    done = demo("--github", "live", "--repo", "a/b")
    assert done.returncode == 2
    for name in ("AMPBOT_GITHUB_APP_ID", "AMPBOT_WEBHOOK_SECRET", "E2B_API_KEY", "AMP_API_KEY", "GITHUB_TOKEN"):
        assert name in done.stdout


@pytest.mark.parametrize("sandbox", ["e2b", "local"])
def test_live_works_against_any_github_and_e2b_that_the_settings_name(tmp_path: Path, sandbox: str) -> None:
    with Rig(tmp_path) as rig:
        rig.github.create_user("mona")
        repo = rig.github.create_repository("octo/x", files={"README.md": "# x\n"}, private=True)
        rig.github.set_permission(repo, "mona", "write")
        rig.github.install(rig.app, [repo])
        environment = rig.environment | {"GITHUB_TOKEN": rig.github.personal_token("mona")}
        arguments = ("--github", "live", "--repo", "octo/x", "--sandbox", sandbox, "--json", "--ask", "create x.md: x")
        done = demo(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        (pull,) = repo.pulls
        assert made["pull_request"]["commit"] == pull.head_sha
        assert made["pull_request"]["files"] == [{"path": "x.md", "mode": "100644", "status": "added"}]
        assert len(rig.e2b.records) == (1 if sandbox == "e2b" else 0)
