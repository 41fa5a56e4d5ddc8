"""The built-in templates: their names, and the functions that fill a new sandbox's home."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

Seed = Callable[[Path], None]  # called with the sandbox's home, an empty folder

AMP_PROGRAM = Path(__file__).resolve().parent.parent / "amp" / "program.py"

# As on Debian: a shell that is not interactive reads nothing below these lines.
_BASHRC = "case $- in\n    *i*) ;;\n      *) return;;\nesac\n"
_ON_PATH = 'export PATH="$HOME/.local/bin:$PATH"\n'


def base(home: Path) -> None:
    """A home without Amp."""
    (home / ".bashrc").write_text(_BASHRC)


def amp(home: Path) -> None:
    """The current Amp, on the PATH of every login shell."""
    _install(home, _wrapper("cur"), on_path=True)


def amp_old(home: Path) -> None:
    """The older Amp, on the PATH of every login shell."""
    _install(home, _wrapper("old"), on_path=True)


def amp_cold(home: Path) -> None:
    """Only interactive shells find Amp, because only ~/.bashrc extends the PATH."""
    _install(home, _wrapper("cur"), on_path=False)
    with (home / ".bashrc").open("a") as bashrc:
        bashrc.write(_ON_PATH)


def amp_missing(home: Path) -> None:
    """A launcher of Amp whose native binary is missing."""
    _install(home, "#!/bin/sh\necho 'Amp native binary not installed.' >&2\nexit 1\n", on_path=True)


def copy_of(source: Path) -> Seed:
    """A template with a copy of another sandbox's home (a snapshot)."""
    import shutil

    def seed(home: Path) -> None:
        shutil.copytree(source, home, symlinks=True, dirs_exist_ok=True)

    return seed


BUILT_IN: dict[str, Seed] = {
    "base": base,
    "amp": amp,
    "amp-old": amp_old,
    "amp-cold": amp_cold,
    "amp-missing": amp_missing,
}


def _wrapper(era: str) -> str:
    # The base interpreter, not the virtual environment: then only its prefix must be visible in the sandbox.
    python = os.path.realpath(sys.executable)
    program = shlex.join([python, "-I", "-S", str(AMP_PROGRAM)])
    return f'#!/bin/sh\nexport AMP_RIG_ERA={era}\nexec {program} "$@"\n'


def _install(home: Path, text: str, *, on_path: bool) -> None:
    base(home)
    folder = home / ".local" / "bin"
    folder.mkdir(parents=True)
    program = folder / "amp"
    program.write_text(text)
    program.chmod(0o755)
    if on_path:
        (home / ".bash_profile").write_text(_ON_PATH)
