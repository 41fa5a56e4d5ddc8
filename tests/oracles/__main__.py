"""Asks the real Amp and the real envd again what they were asked before, and prints what differs: `make oracle`.

Amp comes from npm, in the versions recorded, into a temporary folder. The answers of `--record` become the new ones.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.oracles import amp, real_envd, record
from tests.oracles.record import Json, Record

AMPS = ("amp-cur", "amp-old")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracles", description=__doc__)
    parser.add_argument(
        "--envd", type=Path, help="a binary of envd, built from its public source (see docs/testing.md)"
    )
    parser.add_argument("--record", action="store_true", help="write the answers into tests/oracles/")
    options = parser.parse_args()
    differing = 0
    for name in AMPS:
        known = record.load(name)
        with _installed(known) as command, amp.server() as server:
            asked = amp.Amp([command], {}, server)
            # One at a time: the login of the older one listens on a port that is always the same.
            answers = [asked.ask(each.ask) for each in known.operations]
        differing += _compare(name, known, known.version, answers, write=options.record)
    if options.envd is None:
        print("envd was not asked: ENVD= names no binary")
    else:
        known = record.load("envd")
        version, answers = real_envd.ask(options.envd, [each.ask for each in known.operations])
        differing += _compare("envd", known, version, answers, write=options.record)
    print(f"differing {differing}")
    return 1 if differing else 0


def _compare(name: str, known: Record, version: str, answers: Sequence[Json], *, write: bool) -> int:
    """How many answers differ from those recorded, after printing them."""
    now = replace(
        known,
        version=version,
        operations=tuple(replace(each, answer=answer) for each, answer in zip(known.operations, answers, strict=True)),
    )
    pairs = list(zip(known.operations, now.operations, strict=True))
    different = [(before, after) for before, after in pairs if before.answer != after.answer]
    for before, after in different:
        print(f"{name}: {before.name}")
        for which, each in (("asked", before.ask), ("before", before.answer), ("now", after.answer)):
            print(f"  {which:6} {json.dumps(each, ensure_ascii=False)}")
    print(f"{name} {version}: {len(pairs)} operations, {len(different)} differing")
    if write:
        record.save(name, now)
    return len(different)


@contextmanager
def _installed(known: Record) -> Iterator[str]:
    """The path of this version's program, installed with npm."""
    package = f"{known.source.removeprefix('npm: ')}@{known.version}"
    with tempfile.TemporaryDirectory(prefix="ampbot-oracle-") as folder:
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", folder, package]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        program = str(Path(folder, "node_modules", ".bin", "amp"))
        # The first start takes long, and is asked nothing.
        subprocess.run(
            [program, "--version"], check=False, stdout=subprocess.DEVNULL, env={**os.environ, "HOME": folder}
        )
        yield program


if __name__ == "__main__":
    sys.exit(main())
