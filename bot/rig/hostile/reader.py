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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import uvicorn
from pydantic import SecretStr

from bot.changes import changeset
from bot.changes.archive import read_names
from bot.changes.limits import Limits
from bot.context import Context
from bot.model import Problem
from bot.rig.github import keys
from bot.rig.hostile.packing import BASE_TREE
from bot.run.collect import CHANGES, limits
from bot.run.prepare import BASE_PATHS
from bot.run.reading import off_loop
from bot.service import create_context, uvicorn_config
from bot.settings import Settings
from bot.store import runs
from bot.store.open_db import open_database
from bot.text import messages
from bot.web.app import create_app


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case, and the sentence for it."""

    end: Literal["accepted", "refused", "error"]
    message: str = ""


async def judge(context: Context, run: str, archive: bytes, names: bytes) -> Verdict:
    """Take these as a run's, from collecting to the rules before publishing. Raises nothing."""
    limit = limits(context.settings)
    if len(archive) > limit.archive_bytes:  # the sandbox's file is read up to this length
        return Verdict("refused", "The change is too large.")
    try:
        await context.database.write(runs.save_artifact, run, CHANGES, archive)
        await context.database.write(runs.save_artifact, run, BASE_PATHS, names)
        del archive
        return await _judge_stored(context, run, limit)
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return Verdict("error", f"{type(error).__name__}: {error}")


async def _judge_stored(context: Context, run: str, limit: Limits) -> Verdict:
    archive = await context.database.read(runs.load_artifact, run, CHANGES)
    found = await off_loop(changeset.read, archive or b"", base_tree=BASE_TREE, limits=limit)
    del archive
    if isinstance(found, Problem):
        return Verdict("refused", messages.refused_change(found.message).message)
    base = await context.database.read(runs.load_artifact, run, BASE_PATHS)
    violations = await off_loop(
        changeset.check,
        found,
        base_paths=read_names(base or b""),
        symlinks=context.settings.symlinks,
        limits=limit,
        leaks=context.redact.leaks,
    )
    if violations:
        return Verdict("refused", messages.refused_paths(violations).message)
    return Verdict("accepted")


def context(folder: Path) -> Context:
    """The bot's own, with a database in the folder and default limits. GitHub and E2B are never asked."""
    return create_context(
        Settings(
            github_app_id=1,
            github_private_key=SecretStr(keys.generate()[0]),
            webhook_secret=SecretStr("w" * 40),
            e2b_api_key=SecretStr("e2b_" + "0" * 40),
            amp_api_key=SecretStr("sgamp_" + "0" * 60),
            database_url=f"sqlite:///{folder / 'ampbot.sqlite3'}",
            symlinks="inside",
        )
    )


async def _serve(context: Context, folder: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    server = uvicorn.Server(uvicorn_config(create_app(context), "127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listening]))
    while line := await asyncio.to_thread(sys.stdin.readline):
        case = folder / line.strip()
        read = await asyncio.gather(*(asyncio.to_thread((case / name).read_bytes) for name in ("archive", "names")))
        verdict = await judge(context, "run", *read)
        del read
        print(json.dumps(asdict(verdict)), flush=True)
    server.should_exit = True
    await serving


def main() -> None:
    folder = Path(sys.argv[1])
    made = context(folder)
    with open_database(made.settings.database_url):
        asyncio.run(_serve(made, folder))


if __name__ == "__main__":
    main()
