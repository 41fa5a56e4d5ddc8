"""The operator's settings: all problems at once, each with the variable's name, none with its value."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.model import Problem
from bot.settings import Settings, environment_name, load

ENVIRONMENT = {
    "AMPBOT_GITHUB_APP_ID": "7",
    "AMPBOT_WEBHOOK_SECRET": "webhook-secret",
    "E2B_API_KEY": "e2b-secret",
    "AMP_API_KEY": "amp-secret",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(environment_name(field), raising=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, pem: str) -> pytest.MonkeyPatch:
    for name, value in {**ENVIRONMENT, "AMPBOT_GITHUB_PRIVATE_KEY": pem}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def says(loaded: object) -> list[str]:
    assert isinstance(loaded, tuple), loaded
    return [problem.message for problem in loaded]


def test_what_has_a_default_need_not_be_set(environment: pytest.MonkeyPatch, pem: str) -> None:
    found = load()
    assert isinstance(found, Settings)
    secrets = {"github_private_key", "webhook_secret", "e2b_api_key", "amp_api_key"}
    assert found.model_dump(exclude=secrets) == {
        "github_app_id": 7,
        "github_private_key_file": None,
        "webhook_secret_previous": None,
        "github_api_url": "https://api.github.com",
        "github_url": "https://github.com",
        "reviewers": (),
        "e2b_api_url": None,
        "e2b_sandbox_url": None,
        "e2b_template": "amp",
        "amp_url": "https://ampcode.com",
        "database_url": "sqlite:///ampbot.sqlite3",
        "host": "127.0.0.1",
        "port": 8080,
        "instance": "ampbot",
        "log_format": "console",
        "sweep_minutes": 5,
        "keep_days": 30,
        "hold_file": Path("ampbot.hold"),
        "run_minutes": 50,
        "run_tokens": 2_000_000,
        "run_turns": 300,
        "at_cap": "draft",
        "daily_runs_per_person": 20,
        "daily_runs_per_repository": 100,
        "daily_runs_per_installation": 300,
        "idle_minutes": 15,
        "max_runs": 20,
        "max_runs_per_installation": 5,
        "max_files": 3000,
        "max_change_mb": 100,
        "history": 50,
        "symlinks": "refuse",
        "left_out": (),
        "branch_prefix": "amp/",
        "silent_seconds": 60.0,
        "list_lag_seconds": 10.0,
        "progress_seconds": 15,
    }
    assert found.webhook_secrets == ("webhook-secret",)
    assert found.amp_api_key.get_secret_value() == "amp-secret"
    assert found.e2b_api_key.get_secret_value() == "e2b-secret"


def test_every_problem_is_told_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AMPBOT_GITHUB_PRIVATE_KEY")
    environment.delenv("AMP_API_KEY")
    for name, value in {
        "AMPBOT_GITHUB_APP_ID": "seven",
        "AMPBOT_GITHUB_URL": "github.example",
        "AMPBOT_DATABASE_URL": "mysql://u:canary@h/d",
        "AMPBOT_PORT": "99999",
        "AMPBOT_LOG_FORMAT": "xml",
        "AMPBOT_PROGRESS_SECONDS": "1",
    }.items():
        environment.setenv(name, value)
    assert "\n".join(says(load())) == EVERY_PROBLEM


EVERY_PROBLEM = """\
AMPBOT_GITHUB_APP_ID: input should be a valid integer, unable to parse string as an integer. \
The App's id, from its settings page.
AMPBOT_GITHUB_PRIVATE_KEY_FILE: set exactly one of AMPBOT_GITHUB_PRIVATE_KEY and AMPBOT_GITHUB_PRIVATE_KEY_FILE. \
Or the file that holds it.
AMPBOT_GITHUB_URL: must start with https:// (or http:// for a stand-in on loopback) and a host. \
https://HOST on Enterprise Server.
AMP_API_KEY is not set. The Amp key.
AMPBOT_DATABASE_URL: must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. \
SQLite file or PostgreSQL address.
AMPBOT_PORT: input should be less than or equal to 65535. The port to listen on.
AMPBOT_LOG_FORMAT: input should be 'console' or 'json'. Format of log lines: console or json.
AMPBOT_PROGRESS_SECONDS: input should be greater than or equal to 10. \
Seconds between two edits of a progress comment."""


@pytest.mark.parametrize("name", [*ENVIRONMENT, "AMPBOT_GITHUB_PRIVATE_KEY"])
@pytest.mark.parametrize("value", [None, ""])
def test_each_that_must_be_set_is_missed(environment: pytest.MonkeyPatch, name: str, value: str | None) -> None:
    environment.delenv(name)
    if value is not None:
        environment.setenv(name, value)
    found = says(load())
    assert len(found) == 1
    assert name in found[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMPBOT_WEBHOOK_SECRET", "canary7"),
        ("AMPBOT_WEBHOOK_SECRET", " " * 9),
        ("AMPBOT_WEBHOOK_SECRET_PREVIOUS", "  "),
        ("E2B_API_KEY", "  "),
        ("AMP_API_KEY", "  "),
        ("AMPBOT_GITHUB_PRIVATE_KEY", "canary"),
        ("AMPBOT_GITHUB_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----"),
        ("AMPBOT_GITHUB_API_URL", "ftp://canary"),
        ("AMPBOT_GITHUB_API_URL", "https://"),
        ("AMPBOT_GITHUB_URL", "https:///path"),
        ("AMPBOT_E2B_API_URL", "canary"),
        ("AMPBOT_E2B_SANDBOX_URL", "canary"),
        ("AMPBOT_AMP_URL", "canary"),
        ("AMPBOT_DATABASE_URL", "canary"),
        ("AMPBOT_DATABASE_URL", "sqlite://"),
        ("AMPBOT_DATABASE_URL", "sqlite:///:memory:"),
        ("AMPBOT_DATABASE_URL", "mysql://u:canary@h/d"),
        ("AMPBOT_INSTANCE", "a canary"),
        ("AMPBOT_RUN_MINUTES", "0"),
        ("AMPBOT_MAX_RUNS", "canary"),
        ("AMPBOT_SYMLINKS", "canary"),
    ],
)
def test_a_wrong_value_is_one_problem_that_names_it_and_does_not_show_it(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    found = load()
    assert len(says(found)) == 1
    assert says(found)[0].startswith(f"{name}: ")
    assert "canary" not in repr(found)


def keys(kind: str, pem: str) -> str:
    curve = ec.generate_private_key(ec.SECP256R1())
    match kind:
        case "one line":
            return pem.replace("\n", "\\n")
        case "elliptic":
            return curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        case "encrypted":
            return curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
    return pem


INLINE, FILE = "AMPBOT_GITHUB_PRIVATE_KEY", "AMPBOT_GITHUB_PRIVATE_KEY_FILE"


@pytest.mark.parametrize(
    ("name", "kind", "fits"),
    [
        (INLINE, "pem", True),
        (INLINE, "one line", True),
        (INLINE, "elliptic", False),
        (INLINE, "encrypted", False),
        (FILE, "pem", True),
        (FILE, "elliptic", False),
        (FILE, "encrypted", False),
    ],
)
def test_the_private_key_is_read_at_the_start(
    environment: pytest.MonkeyPatch, tmp_path: Path, pem: str, name: str, kind: str, fits: bool
) -> None:
    environment.delenv(INLINE)
    value = keys(kind, pem)
    if name == FILE:
        (tmp_path / "key.pem").write_text(value)
        value = str(tmp_path / "key.pem")
    environment.setenv(name, value)
    found = load()
    if fits:
        assert isinstance(found, Settings)
        assert found.private_key().key_size == 2048
    else:
        assert [say.partition(". ")[0] for say in says(found)] == [
            f"{name}: this is not an unencrypted RSA key in PEM form, as GitHub hands out"
        ]


def test_the_key_is_given_once(environment: pytest.MonkeyPatch, tmp_path: Path, pem: str) -> None:
    (tmp_path / "key.pem").write_text(pem)
    environment.setenv("AMPBOT_GITHUB_PRIVATE_KEY_FILE", str(tmp_path / "key.pem"))
    assert len(says(load())) == 1
    environment.delenv("AMPBOT_GITHUB_PRIVATE_KEY")
    assert isinstance(load(), Settings)
    environment.setenv("AMPBOT_GITHUB_PRIVATE_KEY_FILE", str(tmp_path / "none.pem"))
    assert len(says(load())) == 1
    assert f"{tmp_path / 'none.pem'} cannot be read: No such file or directory" in says(load())[0]


def test_addresses_end_without_a_slash_and_reviewers_are_a_list(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AMPBOT_GITHUB_API_URL", "https://ghe.example/api/v3/")
    environment.setenv("AMPBOT_GITHUB_URL", "http://127.0.0.1:8000/")
    environment.setenv("AMPBOT_REVIEWERS", " amp-reviewer, ,team-slug,")
    environment.setenv("AMPBOT_WEBHOOK_SECRET_PREVIOUS", "secret-before")
    found = load()
    assert isinstance(found, Settings)
    assert (found.github_api_url, found.github_url) == ("https://ghe.example/api/v3", "http://127.0.0.1:8000")
    assert found.reviewers == ("amp-reviewer", "team-slug")
    assert found.webhook_secrets == ("webhook-secret", "secret-before")


def test_runs_may_be_made_shorter_than_the_longest_silence(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AMPBOT_RUN_MINUTES", "5")
    assert isinstance(load(), Settings)


def test_the_environment_stands_above_the_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AMPBOT_PORT=1111\nAMPBOT_HOST=0.0.0.0\nUNRELATED=1\n")
    environment.setenv("AMPBOT_PORT", "2222")
    found = load()
    assert isinstance(found, Settings)
    assert (found.host, found.port) == ("0.0.0.0", 2222)


def test_a_file_that_is_no_text_is_a_problem(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"AMPBOT_HOST=\xff")
    found = load()
    assert len(says(found)) == 1
    assert says(found)[0].startswith(".env cannot be read: ")


def test_nothing_secret_is_ever_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AMPBOT_DATABASE_URL", "postgresql://u:database-secret@h/d")
    environment.setenv("AMPBOT_WEBHOOK_SECRET_PREVIOUS", "secret-before")
    found = load()
    assert isinstance(found, Settings)
    shown = f"{found!r}{found}{found.model_dump()['webhook_secret']}"
    for secret in (*ENVIRONMENT.values(), "database-secret", "secret-before", "BEGIN RSA"):
        if secret != "7":
            assert secret not in shown


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_has_a_description_and_a_name_in_the_environment(field: str) -> None:
    description = Settings.model_fields[field].description or ""
    assert len(description) > 5
    assert not description.endswith(".")
    assert environment_name(field) in {f"AMPBOT_{field.upper()}", field.upper()}


def test_a_setting_that_is_set_in_code_counts_as_any_other(valid: dict[str, Any]) -> None:
    assert load(**valid | {"port": 0, "host": "h"}) == Settings(**valid | {"port": 0, "host": "h"})
    wrong = load(**valid | {"port": -1})
    assert wrong == (Problem("AMPBOT_PORT: input should be greater than or equal to 0. The port to listen on."),)


def accepted(prefix: str) -> bool:
    try:
        Settings.__pydantic_validator__.validate_assignment(Settings.model_construct(), "branch_prefix", prefix)
    except ValidationError:
        return False
    return True


@given(st.text(st.sampled_from("ab/.-@{}~^:?*[]\\ \n\x7fé\u200b") | st.characters(), max_size=12))
@example("amp/")
@example("team/bots/amp-")
@example(".lock/")
@example("a.lock/")
@example("-")
@example("@{")
def test_git_takes_every_branch_with_an_accepted_prefix(prefix: str) -> None:
    if accepted(prefix):
        checked = subprocess.run(["git", "check-ref-format", "--branch", f"{prefix}7-x"], capture_output=True)
        assert checked.returncode == 0


@pytest.mark.parametrize("prefix", ["amp/", "", "bots/amp-", "a.b/", "AMP_"])
def test_a_usual_branch_prefix_is_accepted(prefix: str) -> None:
    assert accepted(prefix)


@pytest.mark.parametrize(
    "prefix",
    [
        *(
            "/a",
            "-a",
            ".a/",
            "a/.b",
            "a..",
            "a//",
            "a b",
            "a~",
            "a^",
            "a:",
            "a?",
            "a*",
            "a[",
            "a\\",
            "@{",
            "a.lock/",
            "é/",
        ),
        *("refs/", "a" * 101),
    ],
)
def test_a_branch_prefix_that_git_or_a_shell_would_not_take_is_refused(prefix: str) -> None:
    assert not accepted(prefix)


def test_what_is_left_out_is_lines_by_name(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AMPBOT_LEFT_OUT", "*.log, !.vscode/,,.env.*")
    found = load()
    assert isinstance(found, Settings)
    assert found.left_out == ("*.log", "!.vscode/", ".env.*")


@pytest.mark.parametrize("line", ["a/b", "/a", "a?", "[ab]", "a b", "a\\b", "#a", "!", "!!a", "/", "a\nb", "a" * 101])
def test_a_line_about_more_than_one_name_is_refused(environment: pytest.MonkeyPatch, line: str) -> None:
    environment.setenv("AMPBOT_LEFT_OUT", line)
    (sentence,) = says(load())
    assert sentence.startswith("AMPBOT_LEFT_OUT: must be names, comma-separated")


def test_a_thread_has_an_address(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AMPBOT_AMP_URL", "https://amp.example")
    found = load()
    assert isinstance(found, Settings)
    assert (found.thread_url("T-1"), found.thread_url(None)) == ("https://amp.example/threads/T-1", None)
