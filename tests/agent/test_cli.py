from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bot.agent.cli import CURRENT, LEGACY, PROBE, SETTINGS, CliVersion, Installation, identify, read_probe, run_command
from bot.model import Problem

CUR_HELP = "  -x, --execute [message]\n  --stream-json\n  --no-archive-after-execute\n"
OLD_HELP = "  -x, --execute [message]\n  --stream-json\n  --dangerously-allow-all\n  --archive\n"
HEADLESS = "-x --stream-json --dangerously-allow-all --visibility private"
WRAPPER = "Amp native binary not installed. Reinstall the package."


@pytest.mark.parametrize(
    ("version", "help_text", "era"),
    [
        ("0.0.1790142911-g7618fb (released 2026-09-23)", CUR_HELP, CURRENT),
        ("0.0.1775390627-g406649", OLD_HELP, LEGACY),
        ("", CUR_HELP + OLD_HELP, CURRENT),
    ],
)
def test_the_help_tells_the_era(version: str, help_text: str, era: CliVersion) -> None:
    assert identify(version, help_text) is era


@pytest.mark.parametrize(
    ("version", "help_text", "words"),
    [
        ("9.0.0", "  --execute\n  --json-lines\n", "(9.0.0) is of no kind ampbot knows"),
        ("9.0.0", "  --execute\n  --stream-json\n", "(9.0.0) is of no kind ampbot knows"),
        ("9.0.0", "  --execute\n  --stream-json-thinking\n  --dangerously-allow-all\n", "is of no kind ampbot knows"),
        ("", "", "(version unknown) is of no kind ampbot knows"),
        (WRAPPER, WRAPPER, "is a wrapper without its native binary"),
        ("bash: line 1: amp: command not found", "bash: line 1: amp: command not found", "has no `amp`"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence_of_its_own(version: str, help_text: str, words: str) -> None:
    problem = identify(version, help_text)
    assert isinstance(problem, Problem)
    assert words in problem.message
    assert problem.detail == f"{version}\n{help_text}".strip()


def sh(home: Path, path: str) -> str:
    ended = subprocess.run(
        ["/bin/sh", "-c", PROBE], env={"HOME": str(home), "PATH": path}, capture_output=True, text=True, check=True
    )
    return ended.stdout


def put(path: Path, version: str, help_text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nif [ $1 = --version ]; then echo '{version}'; else echo '{help_text}'; exit 1; fi\n")
    path.chmod(0o755)
    return str(path)


def test_the_probe_finds_amp_on_the_path(tmp_path: Path) -> None:
    binary = put(tmp_path / "bin/amp", "1.2.3-gabc (released)", OLD_HELP)
    found = read_probe(sh(tmp_path, f"{tmp_path}/bin:/usr/bin:/bin"))
    assert found == Installation(binary, "1.2.3-gabc", LEGACY)


def test_the_probe_finds_amp_beside_the_path(tmp_path: Path) -> None:
    binary = put(tmp_path / ".local/bin/amp", "1.2.3", CUR_HELP)
    found = read_probe(sh(tmp_path, "/usr/bin:/bin"))
    assert isinstance(found, Installation)
    assert (found.binary, found.version, found.cli) == (binary, "1.2.3", CURRENT)
    assert "not on the sandbox's PATH" in found.note


def test_the_probe_tells_an_empty_template_from_a_bare_local_bin(tmp_path: Path) -> None:
    missing = read_probe(sh(tmp_path, "/usr/bin:/bin"))
    (tmp_path / ".local/bin").mkdir(parents=True)
    bare = read_probe(sh(tmp_path, "/usr/bin:/bin"))
    assert isinstance(missing, Problem)
    assert isinstance(bare, Problem)
    assert "neither on PATH nor in ~/.local/bin" in missing.message
    assert "~/.local/bin is bare" in bare.message


def test_the_probe_tells_a_wrapper_without_its_binary(tmp_path: Path) -> None:
    put(tmp_path / "bin/amp", WRAPPER, WRAPPER)
    problem = read_probe(sh(tmp_path, f"{tmp_path}/bin:/usr/bin:/bin"))
    assert isinstance(problem, Problem)
    assert "native binary" in problem.message


@pytest.mark.parametrize("output", ["", "binary \n", "garbage", "binary /amp\n--- ampbot ---"])
def test_an_odd_probe_is_a_problem(output: str) -> None:
    assert isinstance(read_probe(output), Problem)


@pytest.mark.parametrize(
    ("era", "thread", "argv"),
    [
        (CURRENT, None, f"amp {HEADLESS} --no-archive-after-execute --settings-file /s.json"),
        (LEGACY, None, f"amp {HEADLESS} --settings-file /s.json"),
        (LEGACY, "T-1", f"amp threads continue T-1 {HEADLESS} --settings-file /s.json"),
    ],
)
def test_the_command_line_of_a_run(era: CliVersion, thread: str | None, argv: str) -> None:
    assert run_command(era, binary="amp", settings_file="/s.json", thread=thread) == argv.split()


def test_the_settings_stop_updates_notifications_and_commit_trailers() -> None:
    assert json.loads(SETTINGS) == {
        "amp.updates.mode": "disabled",
        "amp.notifications.enabled": False,
        "amp.git.commit.coauthor.enabled": False,
        "amp.git.commit.ampThread.enabled": False,
    }


def test_a_version_without_end_is_none() -> None:
    """It would be tried from every digit to the last."""
    problem = identify("1" * 2_000_000, "")
    assert isinstance(problem, Problem)
    assert "(version unknown)" in problem.message
