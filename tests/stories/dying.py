"""A bot that dies of its work, as often as it is started, and who starts it again each time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bot.rig.process import BotProcess
from bot.rig.rig import PATIENCE, Rig
from tests.stories.package import install

# `/amp explode` and `/amp stumble` do what they are called while the file `poison` is in the bot's folder. The file
# `attempts` has a byte for each attempt.
POISON = '''
"""`/amp explode` kills the process that plans it, `/amp stumble` raises an error."""

import os
import signal
from pathlib import Path

from bot.events.commands import Verb
from bot.events.handler import Handler, HandlerContext, reply


def _begin(context):
    with Path("attempts").open("a") as attempts:
        attempts.write("x")


def explode(context: HandlerContext):
    if Path("poison").exists():
        _begin(context)
        os.kill(os.getpid(), signal.SIGKILL)
    return (reply(context.invocation.event, context.event_key, "Nothing exploded."),)


def stumble(context: HandlerContext):
    if Path("poison").exists():
        _begin(context)
        raise ValueError("stumbled")
    return (reply(context.invocation.event, context.event_key, "Nobody stumbled."),)


EXPLODE = Handler("explode", "/amp explode", "Kills.", ("/amp explode",), explode, verb=Verb("explode"))
STUMBLE = Handler("stumble", "/amp stumble", "Fails.", ("/amp stumble",), stumble, verb=Verb("stumble"))
'''


MAX_DEATHS = 30


def install_poison(folder: Path) -> str:
    """Returns the PYTHONPATH with the package."""
    entries = {"explode": "ampbot_poison:EXPLODE", "stumble": "ampbot_poison:STUMBLE"}
    install(folder / "site", "ampbot-poison", entries, {"ampbot_poison": POISON})
    return str(folder / "site")


def restart_until(rig: Rig, done: Callable[[], bool], *processes: BotProcess, seconds: float = PATIENCE) -> int:
    """Start whichever process is dead, until `done` while all of them live. Returns how often one was dead.

    Raises AssertionError: nobody died for so many seconds, or too many did.
    """
    deaths, deadline = 0, time.monotonic() + seconds
    while True:
        for process in processes or (rig.bot,):
            if not process.running:
                deaths, deadline = deaths + 1, time.monotonic() + seconds
                assert deaths < MAX_DEATHS, rig.bot.log[-8:]
                process.kill()  # closes its pipes
                try:
                    process.start()
                except RuntimeError:
                    break  # it died again while it started
        else:
            if done():
                return deaths
        assert time.monotonic() < deadline, f"{deaths} deaths; {rig.bot.log[-8:]}"
        time.sleep(0.05)


def idle(rig: Rig) -> bool:
    """Every delivery is closed, and every run has ended."""
    return rig.github.wait_deliveries(0) and not rig.query(
        "SELECT 1 FROM deliveries WHERE closed_at IS NULL UNION ALL SELECT 1 FROM runs WHERE ended_at IS NULL"
    )
