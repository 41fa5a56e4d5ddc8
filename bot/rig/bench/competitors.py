"""The servers of `make bench-receiver`, each started as its documentation says: ampbot, and four that store nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.rig.bench.load import SECRET, Measure
from bot.rig.cache import cache
from bot.store.database import Database
from bot.store.tables import deliveries
from bot.store.upgrade import migrate

PROBOT = "14.3.2"
PR_AGENT = "0.49.0"
START_SECONDS = 90.0
# On a busy machine PR-Agent sometimes deadlocks while it imports LiteLLM.
STARTS = 3

CACHE = cache("bench")


class Competitor:
    """One server process at a time; a context manager starts it and ends it."""

    def __init__(
        self,
        name: str,
        path: str,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path,
        stored: Callable[[], int] | None = None,
    ) -> None:
        """`command` and `environment` may hold `{port}`. `stored` counts the deliveries on disk, if any."""
        self.name = name
        self.path = path
        self.stored = stored
        self.port = 0
        self._command = command
        self._environment = environment
        self._folder = folder
        self._log = folder / f"{name.replace(' ', '-')}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._before = 0

    def __enter__(self) -> Self:
        self._before = self.stored() if self.stored is not None else 0
        for _ in range(STARTS):
            if self._start():
                return self
            self.__exit__(None, None, None)
        raise RuntimeError(f"{self.name} did not start: {self._log.read_text()[-2000:]}")

    def _start(self) -> bool:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        given = {name: value.replace("{port}", str(self.port)) for name, value in self._environment.items()}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [part.replace("{port}", str(self.port)) for part in self._command],
                cwd=self._folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._folder), **given},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def worked(self) -> float:
        """Seconds of CPU that the server has used since it started, as Linux counts them; 0 elsewhere."""
        file = Path(f"/proc/{self._process.pid if self._process is not None else 0}/stat")
        if not file.exists():
            return 0.0
        fields = file.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def missing(self, measure: Measure) -> int:
        """How many accepted deliveries are not on disk. The count on disk includes the warm-up."""
        stored = self.stored() - self._before if self.stored is not None else 0
        return max(0, measure.accepted - stored)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


def everyone(folder: Path) -> list[Competitor]:
    """Installs what is missing. Raises: subprocess.CalledProcessError, or RuntimeError if a tool is missing."""
    pem = folder / "app.pem"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return [_ours(folder), _bare(folder), _reading(folder), _probot(folder, pem), _pr_agent(folder, pem)]


def _ours(folder: Path) -> Competitor:
    file = folder / "ampbot.sqlite3"

    def stored() -> int:
        database = Database(f"sqlite:///{file}")
        migrate(database)
        with database.engine.connect() as connection:
            count: int = connection.scalar(sa.select(sa.func.count()).select_from(deliveries)) or 0
        database.close()
        return count

    command = [sys.executable, "-m", "bot.rig.bench.bare", "{port}", f"sqlite:///{file}"]
    return Competitor("ampbot, durable", "/webhook", command, {}, folder, stored)


def _bare(folder: Path) -> Competitor:
    return Competitor("Starlette alone", "/webhook", [sys.executable, "-m", "bot.rig.bench.bare", "{port}"], {}, folder)


def _reading(folder: Path) -> Competitor:
    command = [sys.executable, "-m", "bot.rig.bench.bare", "{port}", "json"]
    return Competitor("Starlette, JSON read", "/webhook", command, {}, folder)


def _probot(folder: Path, pem: Path) -> Competitor:
    there = CACHE / "probot"
    program = there / "node_modules" / "probot" / "bin" / "probot.js"
    if not program.exists():
        there.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--silent", f"probot@{PROBOT}"],
            cwd=there,
            check=True,
        )
    app = folder / "app.mjs"
    app.write_text('export default (app) => { app.on("issue_comment.created", async () => {}); };\n')
    return Competitor(
        f"Probot {PROBOT}",
        "/api/github/webhooks",
        [shutil.which("node") or "node", str(program), "run", str(app)],
        {
            "APP_ID": "12345",
            "PRIVATE_KEY_PATH": str(pem),
            "WEBHOOK_SECRET": SECRET,
            "NODE_ENV": "production",
            "LOG_LEVEL": "fatal",
            "HOST": "127.0.0.1",
            "PORT": "{port}",
        },
        folder,
    )


def _pr_agent(folder: Path, pem: Path) -> Competitor:
    there = CACHE / "pr-agent"
    python = there / "bin" / "python"
    if not (there / "bin" / "uvicorn").exists():
        subprocess.run([_newer_python(), "-m", "venv", str(there)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, f"pr-agent=={PR_AGENT}"], check=True)
    command = (
        "-m uvicorn pr_agent.servers.github_app:app --host 127.0.0.1 --port {port} --log-level error --no-access-log"
    )
    return Competitor(
        f"PR-Agent {PR_AGENT}",
        "/api/v1/github_webhooks",
        [str(python), *command.split()],
        {
            "GITHUB__DEPLOYMENT_TYPE": "app",
            "GITHUB__APP_ID": "12345",
            "GITHUB__WEBHOOK_SECRET": SECRET,
            "GITHUB__PRIVATE_KEY": pem.read_text(),
            "GITHUB__BASE_URL": "http://127.0.0.1:9",
            "CONFIG__LOG_LEVEL": "ERROR",
        },
        folder,
    )


def _newer_python() -> str:
    """PR-Agent needs Python 3.12 or newer."""
    found = [shutil.which(f"python3.{minor}") for minor in (12, 13, 14)]
    found += sorted(map(str, Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python3")))
    for python in filter(None, found):
        if (
            subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"], check=False).returncode
            == 0
        ):
            return python
    raise RuntimeError("PR-Agent needs Python 3.12 or newer, and none was found; leave it out with --only.")
