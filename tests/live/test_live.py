"""The main story on the real GitHub, E2B and Amp. Runs where AMPBOT_LIVE_REPO and all credentials are set."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

REPOSITORY = os.environ.get("AMPBOT_LIVE_REPO", "")


@pytest.mark.live
@pytest.mark.skipif(not REPOSITORY, reason="set AMPBOT_LIVE_REPO=owner/name, GITHUB_TOKEN and ampbot's settings to run")
def test_a_comment_becomes_a_pull_request_on_the_real_services() -> None:
    ask = "/amp Create a file named hello-from-ampbot.txt that holds the single word hello. Do nothing else."
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bot",
            "demo",
            "--github=live",
            "--sandbox=e2b",
            "--json",
            "--repo",
            REPOSITORY,
            "--ask",
            ask,
        ],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])
    assert made["pull_request"]["files"] == [{"path": "hello-from-ampbot.txt", "mode": "100644", "status": "added"}]
