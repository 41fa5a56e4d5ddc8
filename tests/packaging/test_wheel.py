"""What a wheel installs works as a checkout does: with the extra `rig`, and without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot import __version__
from bot.rig.amp.sample import SAMPLE_ASK
from bot.rig.demo.demo import USER, create_scenario
from bot.rig.process import Process
from bot.rig.rig import Rig
from tests.packaging.built import ROOT, Built, Installed, make, tracked

MISSING = (
    "`ampbot demo` and `ampbot rig` need the extra `rig`: install ampbot with it, "
    "as in `pipx install 'ampbot[rig]'` or `pip install 'ampbot[rig]'`.\n"
)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.getbasetemp()
    # The processes of pytest-xdist have a folder each, and its parent in common.
    return make((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "built")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """No checkout in sight: neither PYTHONPATH nor the tests' own virtual environment."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "200", **settings}


def ampbot(
    installed: Installed, folder: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [installed.ampbot, *arguments],
        cwd=folder,
        env=environment(folder, **(settings or {})),
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def beneath(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


# --- what is in it ------------------------------------------------------------------------------------


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_every_tracked_file_of_the_packages_and_nothing_else(built: Built) -> None:
    expected = {name: (built.source / name).read_bytes() for name in tracked("bot", "handlers")}
    found = {name: text for name, text in contents(built.wheel).items() if ".dist-info/" not in name}
    assert set(found) == set(expected)
    assert found == expected
    assert {"bot/py.typed", "bot/rig/demo/sample/files/.gitignore", "bot/sandbox/shell/collect.sh"} <= set(found)


def test_the_source_distribution_builds_the_same_wheel(built: Built) -> None:
    assert contents(built.wheel) == contents(built.direct)


def test_the_manifest_is_the_one_at_the_top(built: Built) -> None:
    top = ROOT / "app.yml"
    assert contents(built.wheel)["bot/github/app.yml"] == top.read_bytes()
    assert (ROOT / "bot/github/app.yml").samefile(top), "a link, not a second copy"


def test_what_is_executable_stays_so(built: Built) -> None:
    sample = built.plain.packages / "bot/rig/demo/sample/files"
    assert {path.name for path in sample.rglob("*") if path.is_file() and os.access(path, os.X_OK)} == {"page"}


# --- the environments are what they are taken for -----------------------------------------------------


def test_they_see_neither_the_checkout_nor_what_was_not_asked_for(built: Built, tmp_path: Path) -> None:
    for installed, extra in ((built.plain, False), (built.rig, True)):
        program = (
            "import bot, handlers; from importlib.util import find_spec;"
            "print(bot.__file__, handlers.__file__, *(bool(find_spec(name)) for name in ('graphql', 'pytest')))"
        )
        done = subprocess.run(
            [installed.python, "-c", program], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True
        )
        first, second, *found = done.stdout.split()
        assert {Path(first).parents[1], Path(second).parents[1]} == {installed.packages}
        assert found == [str(extra), "False"]


# --- with the extra -----------------------------------------------------------------------------------

# Root may write whatever the mode bits say, so the folders are also mounted read-only, where root may mount.
READ_ONLY = """
for folder in "$1" "$2"; do mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder" || exit 97; done
cd "$1" && shift 2 && exec "$@"
"""


def may_mount(folder: Path) -> bool:
    trial = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(folder), str(folder), "true"]
    return os.geteuid() == 0 and subprocess.run(trial, capture_output=True).returncode == 0


def test_the_demo_makes_a_pull_request_in_a_folder_that_cannot_be_written(built: Built, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir(mode=0o555)
    temporary.mkdir()
    before = beneath(built.rig.folder)
    command = [str(built.rig.ampbot), "demo", "--json"]
    if may_mount(home):
        folders = [str(home), str(built.rig.folder)]
        command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", *folders, *command]
    done = subprocess.run(
        command,
        cwd=home,
        env=environment(home, TMPDIR=str(temporary)),
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    pull = json.loads(line)["pull_request"]
    assert (pull["number"], pull["title"]) == (2, "Count full pages right")
    assert beneath(home) == beneath(temporary) == set()
    assert beneath(built.rig.folder) == before


# A shell has its background jobs ignore SIGINT, and their children with them: a terminal's programs do not.
HEEDING_SIGINT = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_stand_ins_stay_up_until_they_are_interrupted(built: Built, tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [built.rig.python, "-c", HEEDING_SIGINT, built.rig.ampbot, "rig"],
        cwd=tmp_path,
        env=environment(tmp_path) | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            said = []
            while "Ctrl-C ends it" not in (line := running.stdout.readline()):
                assert line, "it ended by itself"
                said.append(line)
            running.send_signal(number)
            assert running.wait(180) == 0
        finally:
            running.kill()
    assert list(tmp_path.glob("ampbot-rig-*")) == []
    assert any(line.startswith("AMPBOT_GITHUB_API_URL=http://127.0.0.1:") for line in said)


@pytest.mark.parametrize(
    ("settings", "place"),
    [({}, ".cache/ampbot/contract"), ({"XDG_CACHE_HOME": "/var/kept"}, "/var/kept/ampbot/contract")],
)
def test_downloads_are_kept_in_the_cache_of_the_user(
    built: Built, tmp_path: Path, settings: dict[str, str], place: str
) -> None:
    program = "from bot.rig.contract import fixtures; print(fixtures.folder())"
    done = subprocess.run(
        [built.rig.python, "-c", program],
        cwd=tmp_path,
        env=environment(tmp_path, **settings),
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.rstrip()) == tmp_path / place


# --- without it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("demo",), ("demo", "--json"), ("rig",)])
def test_without_the_extra_one_sentence_says_what_to_install(
    built: Built, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = ampbot(built.plain, tmp_path, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", MISSING)


@pytest.mark.parametrize("command", ["demo", "rig"])
def test_help_needs_no_extra(built: Built, tmp_path: Path, command: str) -> None:
    done = ampbot(built.plain, tmp_path, command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: ampbot {command}" in done.stdout


def test_its_version_and_its_commands(built: Built, tmp_path: Path) -> None:
    assert ampbot(built.plain, tmp_path, "--version").stdout == f"ampbot {__version__}\n"
    said = ampbot(built.plain, tmp_path, "--help").stdout
    assert [name for name in ("serve", "web", "worker", "check", "runs", "demo", "rig") if name not in said] == []


@pytest.mark.parametrize("command", ["serve", "web", "worker", "check"])
def test_settings_that_are_missing_are_listed(built: Built, tmp_path: Path, command: str) -> None:
    done = ampbot(built.plain, tmp_path, command)
    assert done.returncode == 2
    assert done.stderr.startswith("ampbot cannot start with these settings:\n")


def test_check_and_runs_work_on_a_fresh_database(built: Built, tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.github.set_hook(rig.app, "https://ampbot.example.com/webhook", rig.secret)
        checked = ampbot(built.plain, tmp_path, "check", settings=rig.environment)
        assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "Everything is in order."), checked.stdout
        listed = ampbot(built.plain, tmp_path, "runs", "list", settings=rig.environment)
        assert (listed.returncode, listed.stdout) == (0, "No runs yet.\n")


def test_check_says_what_is_wrong(built: Built, tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        settings = {**rig.environment, "AMPBOT_E2B_TEMPLATE": "nowhere"}
        checked = ampbot(built.plain, tmp_path, "check", settings=settings)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (1, "2 problems.")
    assert "The App has no webhook address." in checked.stdout
    assert "E2B starts no sandbox from 'nowhere'" in checked.stdout


def test_the_service_makes_a_pull_request(built: Built, tmp_path: Path) -> None:
    def spawn(folder: Path, settings: Mapping[str, str]) -> Process:
        nothing = subprocess.DEVNULL
        return subprocess.Popen(
            [built.plain.ampbot, "serve"],
            cwd=folder,
            env=settings,
            stdin=nothing,
            stdout=nothing,
            stderr=subprocess.PIPE,
        )

    with Rig(tmp_path, spawn=spawn) as rig:
        repository = create_scenario(rig, None)
        rig.serve()
        number = rig.github.open_issue(repository, USER, "Count", "One page too many.").number
        rig.github.comment(repository, number, USER, SAMPLE_ASK)
        rig.wait_idle()
        assert [row["pull"] for row in rig.query("SELECT pull FROM runs")] == [number + 1]
        listed = ampbot(built.plain, tmp_path, "runs", "list", settings=rig.environment)
    assert "published" in listed.stdout
