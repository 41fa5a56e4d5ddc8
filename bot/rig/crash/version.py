"""The bot of another commit as a program: its sources with an environment of their own, made once and kept."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from bot.rig.cache import cache
from bot.rig.crash.commits import INSIDE
from bot.rig.process import Process, Spawn, program

ROOT = Path(__file__).parents[3]


def interpreter(version: str) -> Path:
    """The Python that runs `version`: a path to one, or a commit of this checkout, which is installed at first use.

    Raises: subprocess.CalledProcessError with git's or pip's own words on standard error.
    """
    if Path(version).is_file():
        return Path(version).absolute()  # not resolved: a virtual environment is known by its link
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}").decode().strip()
    folder = cache("versions") / commit
    python, installed = folder / ".venv/bin/python", folder / ".venv/.installed"
    if not installed.exists():
        shutil.rmtree(folder, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as archive:
            archive.extractall(folder, filter="data")
        subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
        # Editable: the oldest commits find their own files only in a checkout.
        arguments = ("--quiet", "--disable-pip-version-check", "--constraint", "constraints.txt", "--editable", ".")
        subprocess.run([python, "-m", "pip", "install", *arguments], cwd=folder, check=True)
        installed.touch()
    return python


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, stdout=subprocess.PIPE).stdout


def spawn(python: Path) -> Spawn:
    """Starts `ampbot serve` with that Python, as an operator does, and counts its commits."""

    def start(folder: Path, environment: Mapping[str, str]) -> Process:
        # The sources of this tree must not come before its own.
        own = {**environment, "PYTHONPATH": str(INSIDE)}
        return program(("-m", "bot", "serve"), folder, own, str(python))

    return start
