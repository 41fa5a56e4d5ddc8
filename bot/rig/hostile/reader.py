"""The process that is measured: the bot's web part, and the reading of change sets as `bot/run/` does it.

`python -m bot.rig.hostile.reader FOLDER` serves on a free port of loopback, and prints it. Each line of its input names
a case in the folder, and each line of its output says what became of it. The bot's imports, limits, database and
threads are the real ones.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import uvicorn

from bot.context import Context
from bot.limits import return_memory
from bot.model import Problem
from bot.rig.github import keys
from bot.rig.hostile.packing import BASE_TREE
from bot.run.prepare import BASE_PATHS
from bot.run.reading import check_changes, limits, read_changes
from bot.sandbox.client import PIECE
from bot.service import create_context, uvicorn_config
from bot.settings import Settings
from bot.store import runs
from bot.store.kept import CHANGES
from bot.store.open_db import open_database
from bot.text import messages
from bot.web.app import create_app

RUN = "run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case, and the sentence for it."""

    end: Literal["accepted", "refused", "error"]
    message: str = ""


async def collect(context: Context, archive: Sequence[bytes], names: Sequence[bytes]) -> Verdict | None:
    """Store these as a run's, in the pieces in which they came out of its sandbox. None: they are stored."""
    if sum(map(len, archive)) > limits(context.settings).archive_bytes:  # the sandbox's file is read up to this length
        return Verdict("refused", messages.refused_change("The change is too large.").message)
    await context.database.write(runs.save_artifact, RUN, BASE_PATHS, names)
    await context.database.write(runs.save_artifact, RUN, CHANGES, archive)
    return None


async def judge(context: Context) -> Verdict:
    """Read what is stored, and hold it to the rules, as before publishing. Raises nothing."""
    try:
        found = await read_changes(context, RUN, BASE_TREE)
        if isinstance(found, Problem):
            return Verdict("refused", messages.refused_change(found.message).message)
        if violations := await check_changes(context, RUN, found):
            return Verdict("refused", messages.refused_paths(violations).message)
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return Verdict("error", f"{type(error).__name__}: {error}")
    return Verdict("accepted")


def context(folder: Path) -> Context:
    """The bot's own, with a database in the folder and default limits. GitHub and E2B are never asked."""
    settings: dict[str, Any] = {
        "github_app_id": 1,
        "github_private_key": keys.generate()[0],
        "webhook_secret": "w" * 40,
        "e2b_api_key": "e2b_" + "0" * 40,
        "amp_api_key": "sgamp_" + "0" * 60,
        "database_url": f"sqlite:///{folder / 'ampbot.sqlite3'}",
        "symlinks": "inside",
        "_env_file": None,
    }
    return create_context(Settings(**settings))


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece


async def _serve(context: Context, folder: Path) -> None:
    # With the protocol named, asyncio turns Nagle's algorithm off, as for the bot's own socket.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    server = uvicorn.Server(uvicorn_config(create_app(context), "127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listening]))
    while line := await asyncio.to_thread(sys.stdin.readline):
        case = folder / line.strip()
        archive = await asyncio.to_thread(tuple, _pieces(case / "archive"))
        names = await asyncio.to_thread(tuple, _pieces(case / "names"))
        verdict = await collect(context, archive, names)
        del archive, names
        verdict = verdict or await judge(context)
        print(json.dumps(asdict(verdict)), flush=True)
    server.should_exit = True
    await serving


def main() -> None:
    return_memory()
    folder = Path(sys.argv[1])
    made = context(folder)
    with open_database(made.settings.database_url):
        asyncio.run(_serve(made, folder))


if __name__ == "__main__":
    main()
