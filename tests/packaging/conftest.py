"""The wheel, built once a session, and two virtual environments with nothing but it and what it asks for."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the wheel in it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def ampbot(self) -> Path:
        return self.folder / "bin" / "ampbot"

    @property
    def packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))


@dataclass(frozen=True, slots=True)
class Built:
    source: Path  # the tracked files, with caches among them as they come about in use
    wheel: Path  # made from the source distribution
    direct: Path  # made from the source itself
    plain: Installed  # pip install ampbot
    rig: Installed  # pip install 'ampbot[rig]'


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Made by the first process of the session that asks for it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # all workers share it
    folder /= "built"
    folder.mkdir(exist_ok=True)
    source, done = folder / "source", folder / "done"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            copy_source(source)
            build(source, folder / "from-sdist")
            build(source, folder / "direct", "--wheel")
            (wheel,) = (folder / "from-sdist").glob("*.whl")
            install(wheel, Installed(folder / "plain"), "")
            install(wheel, Installed(folder / "rig"), "rig")
            done.touch()
    (wheel,), (direct,) = (folder.glob(f"{name}/*.whl") for name in ("from-sdist", "direct"))
    return Built(source, wheel, direct, Installed(folder / "plain"), Installed(folder / "rig"))


def copy_source(target: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name, follow_symlinks=False)
    for name in ("bot", "bot/rig/demo/sample/files/paging"):
        (target / name / "__pycache__").mkdir()
        (target / name / "__pycache__" / "old.cpython-311.pyc").touch()


def build(source: Path, into: Path, *options: str) -> None:
    """Without network: setuptools is the one of the tests' environment. By default by way of a source distribution."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), *options, "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def install(wheel: Path, target: Installed, extra: str) -> None:
    """The wheel as pip installs it. What it requires is linked from the tests' environment, and nothing else."""
    venv.create(target.folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(target.python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    for path in {path for name in required(wheel, extra) for path in installed_files(name)}:
        (target.packages / path.name).symlink_to(path)
    checked = subprocess.run([*pip, "check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def required(wheel: Path, extra: str) -> set[str]:
    """The names of all packages that the wheel requires, and that these require."""
    (metadata,) = (path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    found: set[tuple[str, str]] = set()
    todo = [(PathDistribution(metadata).requires or [], extra)]  # type: ignore[arg-type]  # zipfile.Path will do
    while todo:
        requirements, asked = todo.pop()
        for requirement in map(Requirement, requirements):
            if requirement.marker is None or requirement.marker.evaluate({"extra": asked}):
                for each in {(requirement.name, chosen) for chosen in ("", *requirement.extras)} - found:
                    found.add(each)
                    todo.append((distribution(each[0]).requires or [], each[1]))
    return {name for name, _ in found}


def installed_files(name: str) -> Iterator[Path]:
    """The files and folders of a package in the tests' environment, the topmost ones."""
    found = distribution(name)
    for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
        yield Path(str(found.locate_file(top)))
