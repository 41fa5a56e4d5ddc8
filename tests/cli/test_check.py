"""`ampbot check`: everything is tried at once, each problem comes with its cure, and no secret is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from bot.cli import check as checking
from bot.cli import main
from bot.cli.check import Finding, check
from bot.dispatch import offered
from bot.dispatch.offered import Offered
from bot.github import manifest
from bot.github.app import App
from bot.github.client import GitHubApi
from bot.github.rate_limit import RateLimit
from bot.model import Problem
from bot.rig.e2b.state import Ending
from bot.rig.http.faults import Fault
from bot.rig.rig import APP_ID, Rig
from bot.service import create_context
from bot.settings import Settings, environment_name
from bot.store import kv
from bot.store.database import Database
from bot.store.upgrade import CODE, OLDEST_CODE_KEY
from bot.text.redact import Redactor
from handlers import HANDLERS

PERMISSIONS = manifest.load().default_permissions
EVENTS = manifest.load().default_events
HOOK = "https://ampbot.example.com/webhook"

APP_OK = Finding("GitHub App", f"ampbot (id {APP_ID})")
PERMISSIONS_OK = Finding("permissions", f"{len(PERMISSIONS)} granted")
EVENTS_OK = Finding("events", f"{len(EVENTS)} subscribed")
WEBHOOK_OK = Finding("webhook", HOOK)
DATABASE_OK = Finding("database", "sqlite, up to date")
SANDBOX_OK = Finding("sandbox", "template amp")
AMP_OK = Finding("Amp", "0.0.1790142911-g7618fb (cur)")
KEY_OK = Finding("Amp key", "accepted")
ALL_OK = (DATABASE_OK, APP_OK, PERMISSIONS_OK, EVENTS_OK, WEBHOOK_OK, SANDBOX_OK, AMP_OK, KEY_OK)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture
def rig(standing: Rig) -> Iterator[Rig]:
    """GitHub and E2B as they should be, without a bot."""
    standing.github.set_hook(standing.app, HOOK, standing.secret)
    standing.app.permissions, standing.app.events = dict(PERMISSIONS), EVENTS
    yield standing
    standing.github.server.faults.clear()
    standing.e2b.server.faults.clear()
    assert dict(standing.e2b.sandboxes) == {}, "the sandbox is gone"
    assert {sandbox.ending for sandbox in standing.e2b.records} <= {Ending.KILLED}


def found(rig: Rig, **changed: Any) -> tuple[Finding, ...]:
    """What `check` finds with the rig's settings and these changes. No secret is in it."""
    given = {
        field: rig.environment[name]
        for field in Settings.model_fields
        if (name := environment_name(field)) in rig.environment
    }
    settings = Settings(**{"_env_file": None, **given, **changed})

    async def impatient() -> tuple[Finding, ...]:
        context = create_context(settings)
        api = GitHubApi(settings.github_api_url, RateLimit(), Redactor([]), sleep=lambda _: asyncio.sleep(0))
        context = replace(context, github=App(api, settings.github_app_id, settings.private_key()))
        try:
            return await check(context)
        finally:
            context.database.close()

    findings = asyncio.run(impatient())
    secrets = [settings.e2b_api_key.get_secret_value(), settings.amp_api_key.get_secret_value(), rig.secret]
    assert [secret for secret in secrets if secret in str(findings)] == []
    assert "PRIVATE KEY" not in str(findings)
    return findings


def instead(old: Finding, *new: Finding) -> tuple[Finding, ...]:
    """All in order, but for this one and those that follow from it."""
    issue = ALL_OK.index(old)
    return (*ALL_OK[:issue], *new, *ALL_OK[issue + len(new) :])


def test_all_in_order(rig: Rig) -> None:
    assert found(rig) == ALL_OK
    (sandbox,) = rig.e2b.records[-1:]
    assert (sandbox.options.timeout, sandbox.options.on_timeout) == (120, "kill"), (
        "it ends by itself if we cannot end it"
    )


def test_an_older_amp_and_one_that_is_not_on_the_path_are_told(rig: Rig) -> None:
    off_path = "`amp` is only in ~/.local/bin, which is not on the sandbox's PATH; it is started by its full path."
    assert [finding.found for finding in found(rig, e2b_template="amp-cold")][-3:] == [
        "template amp-cold",
        f"{AMP_OK.found}. {off_path}",
        "accepted",
    ]
    assert "(old)" in found(rig, e2b_template="amp-old")[-2].found


# --- GitHub ---------------------------------------------------------------------------------------


def only_app(found: str, say: str) -> tuple[Finding, ...]:
    """Where GitHub does not know us, nothing else of it can be tried."""
    return (DATABASE_OK, Finding("GitHub App", found, Problem(say)), SANDBOX_OK, AMP_OK, KEY_OK)


def test_a_wrong_app_id(rig: Rig) -> None:
    say = "GitHub knows no such App. Check AMPBOT_GITHUB_APP_ID and AMPBOT_GITHUB_API_URL."
    assert found(rig, github_app_id=7) == only_app("not found", say)


def test_the_key_of_another_app(rig: Rig) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    say = (
        "GitHub does not accept the App's key. Check that AMPBOT_GITHUB_APP_ID and the private key belong to the same "
        "App, and this machine's clock."
    )
    assert found(rig, github_private_key=pem, github_private_key_file=None) == only_app("key refused", say)


def test_a_github_that_is_down(rig: Rig) -> None:
    rig.github.server.faults.add(Fault("error", status=503, times=0))
    say = "GitHub did not answer (503 Service Unavailable). Check AMPBOT_GITHUB_API_URL and this machine's network."
    assert found(rig) == only_app("no answer", say)


def test_lacking_permissions(rig: Rig) -> None:
    rig.app.permissions = {**PERMISSIONS, "contents": "read"}
    del rig.app.permissions["checks"]
    say = "The App lacks: contents: write, checks: write. Grant them in its settings, under Permissions."
    assert found(rig) == instead(PERMISSIONS_OK, Finding("permissions", "5 granted", Problem(say)))


def test_events_that_nobody_subscribed_to(rig: Rig) -> None:
    rig.app.events = ("issues", "pull_request", "push", "check_run", "check_suite")
    say = (
        "The App is not told of: issue_comment, pull_request_review, pull_request_review_comment. Subscribe to them in "
        "its settings."
    )
    assert found(rig) == instead(EVENTS_OK, Finding("events", "5 subscribed", Problem(say)))


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        (
            "",
            Finding("webhook", "none", Problem("The App has no webhook address. Set it to https://HOST/webhook.")),
        ),
        (
            "https://ampbot.example.com/",
            Finding(
                "webhook",
                "https://ampbot.example.com/",
                Problem("The webhook leads to https://ampbot.example.com/, but ampbot listens at /webhook."),
            ),
        ),
        ("https://ampbot.example.com/webhook/", Finding("webhook", "https://ampbot.example.com/webhook/")),
    ],
)
def test_a_webhook_that_leads_nowhere_or_elsewhere(rig: Rig, url: str, finding: Finding) -> None:
    rig.github.set_hook(rig.app, url, rig.secret)
    assert found(rig) == instead(WEBHOOK_OK, finding)


# --- E2B and Amp ----------------------------------------------------------------------------------


def test_a_template_that_is_not_there(rig: Rig) -> None:
    *rest, sandbox = found(rig, e2b_template="nowhere")
    assert tuple(rest) == ALL_OK[:5]
    assert (sandbox.name, sandbox.found) == ("sandbox", "nowhere")
    assert sandbox.problem is not None
    assert sandbox.problem.message.startswith("E2B starts no sandbox from 'nowhere': ")
    assert "template 'nowhere' not found" in sandbox.problem.message
    assert sandbox.problem.message.endswith(
        "Check E2B_API_KEY, and that AMPBOT_E2B_TEMPLATE names a template this key may use."
    )


def test_an_e2b_key_that_is_not_accepted(rig: Rig) -> None:
    *rest, sandbox = found(rig, e2b_api_key=f"e2b_{'0' * 40}")
    assert tuple(rest) == ALL_OK[:5]
    assert sandbox.problem is not None
    assert "Invalid API key" in sandbox.problem.message
    assert "Check E2B_API_KEY" in sandbox.problem.message


NO_AMP = "The sandbox template has no `amp`: neither on PATH nor in ~/.local/bin. Install @ampcode/cli in it."
NO_BINARY = (
    "The sandbox's `amp` is a wrapper without its native binary. Pin a version of @ampcode/cli in the template whose "
    "linux-x64 package exists."
)


@pytest.mark.parametrize(("template", "message"), [("base", NO_AMP), ("amp-missing", NO_BINARY)])
def test_a_template_without_amp(rig: Rig, template: str, message: str) -> None:
    *rest, sandbox, amp = found(rig, e2b_template=template)
    assert (tuple(rest), sandbox) == (ALL_OK[:5], Finding("sandbox", f"template {template}"))
    assert (amp.name, amp.found, amp.problem and amp.problem.message) == ("Amp", "not usable", message)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("sgamp_401_0000000000", "Error: Not logged in. Run 'amp login' to authenticate"),
        ("sgamp_402_0000000000", "Error: insufficient-credits"),
        ("sgamp_silent_0000000000", "it waits for somebody to log in"),
    ],
)
def test_an_amp_key_that_is_not_accepted(rig: Rig, monkeypatch: pytest.MonkeyPatch, key: str, why: str) -> None:
    monkeypatch.setattr(checking, "AMP_TIMEOUT", 2)
    say = f"Amp does not accept AMP_API_KEY: {why}. Set a valid key."
    assert found(rig, amp_api_key=key) == instead(KEY_OK, Finding("Amp key", "not accepted", Problem(say)))


# --- the database ---------------------------------------------------------------------------------


def test_a_folder_that_is_not_there(rig: Rig, tmp_path: Path) -> None:
    database, *rest = found(rig, database_url=f"sqlite:///{tmp_path}/nowhere/ampbot.sqlite3")
    assert tuple(rest) == ALL_OK[1:]
    assert (database.name, database.found) == ("database", "sqlite")
    assert database.problem is not None
    assert database.problem.message.startswith("The database cannot be used: [Errno 2] No such file or directory")
    assert database.problem.message.endswith(
        "Check AMPBOT_DATABASE_URL: the folder must exist and be writable, or the server reachable."
    )


def test_a_file_that_is_no_database_and_a_server_that_is_not_there(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "ampbot.sqlite3").write_text("Dear diary, " * 100)
    database, *_ = found(rig, database_url=f"sqlite:///{tmp_path}/ampbot.sqlite3")
    assert database.problem is not None
    assert "file is not a database" in database.problem.message
    database, *_ = found(rig, database_url="postgresql://ampbot:hunter2hunter2@127.0.0.1:9/ampbot")
    assert database.problem is not None
    assert "Check AMPBOT_DATABASE_URL" in database.problem.message
    assert "hunter2" not in str(database)


def test_a_database_for_newer_code_is_a_finding(rig: Rig, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ampbot.sqlite3"
    assert found(rig, database_url=url)[0] == DATABASE_OK
    newer = Database(url)
    with newer.engine.connect() as connection:
        kv.put(connection, OLDEST_CODE_KEY, str(CODE + 1))
        connection.commit()
    newer.close()
    database, *rest = found(rig, database_url=url)
    assert tuple(rest) == ALL_OK[1:]
    assert database.problem is not None
    assert database.problem.message.startswith("This database needs newer code")


def test_everything_wrong_is_said_at_once(rig: Rig, tmp_path: Path) -> None:
    findings = found(
        rig,
        database_url=f"sqlite:///{tmp_path}/nowhere/ampbot.sqlite3",
        github_app_id=7,
        e2b_template="nowhere",
    )
    assert [(finding.name, finding.problem is not None) for finding in findings] == [
        ("database", True),
        ("GitHub App", True),
        ("sandbox", True),
    ]


# --- on the command line --------------------------------------------------------------------------


def run(
    monkeypatch: pytest.MonkeyPatch, folder: Path, environment: Mapping[str, str], *arguments: str
) -> tuple[int, str, str]:
    """`ampbot` with only this in the environment: exit status, standard output, standard error."""
    for field in Settings.model_fields:
        monkeypatch.delenv(environment_name(field), raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main.app, arguments, env=dict(environment))
    return result.exit_code, result.stdout, result.stderr


def test_check_ends_with_0_when_all_is_in_order(rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, out, _ = run(monkeypatch, tmp_path, rig.environment, "check")
    rows = [f"ok   {finding.name}: {finding.found}" for finding in ALL_OK]
    assert (code, out.splitlines()) == (0, [*rows, "Everything is in order."])


def test_check_ends_with_1_and_the_cure_where_something_is_wrong(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rig.github.set_hook(rig.app, "https://ampbot.example.com/hook", rig.secret)
    environment = {**rig.environment, "AMPBOT_GITHUB_APP_ID": str(APP_ID)}
    code, out, _ = run(monkeypatch, tmp_path, environment, "check")
    assert code == 1
    assert out.splitlines()[4:6] == [
        "bad  webhook: https://ampbot.example.com/hook",
        "     The webhook leads to https://ampbot.example.com/hook, but ampbot listens at /webhook.",
    ]
    assert out.splitlines()[-1] == "1 problem."


@pytest.mark.parametrize("command", ["check", "serve"])
def test_missing_settings_are_all_listed_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    given = {"AMPBOT_PORT": "80000", "AMPBOT_WEBHOOK_SECRET": "short"}
    code, out, errors = run(monkeypatch, tmp_path, given, command)
    assert (code, out) == (2, "")
    first, *rows, last = errors.splitlines()
    assert first == "ampbot cannot start with these settings:"
    assert last == "Set them in the environment or in .env; docs/settings.md lists them all."
    assert [row.split(" ")[3].rstrip(":") for row in rows] == [
        "AMPBOT_GITHUB_APP_ID",
        "AMPBOT_GITHUB_PRIVATE_KEY_FILE",
        "AMPBOT_WEBHOOK_SECRET",
        "E2B_API_KEY",
        "AMP_API_KEY",
        "AMPBOT_PORT",
    ]
    assert "short" not in errors.replace("shorter", "")
    assert list(tmp_path.iterdir()) == []


def test_a_dotenv_file_is_read(rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in rig.environment.items()))
    assert run(monkeypatch, tmp_path, {}, "check")[0] == 0


def test_the_handlers_of_other_packages_are_named(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("hello", "no_such_module:HANDLER", offered.GROUP)
    monkeypatch.setattr(offered, "entry_points", lambda group: [entry] if group == offered.GROUP else [])
    why = "loading it failed (ModuleNotFoundError: No module named 'no_such_module')"
    said = f"The handler `hello` of the package no_such_module cannot be used: {why}."
    problem = Problem(f"{said} Correct the package, or uninstall it.")
    assert found(rig) == (*ALL_OK, Finding("handler", "not usable", problem))
    monkeypatch.setattr(offered, "load", lambda: Offered(HANDLERS, (("hello", "ampbot-hello 1.0"),), ()))
    assert found(rig) == (*ALL_OK, Finding("handler", "hello (ampbot-hello 1.0)"))
