"""The bot is stopped, and started again: what it missed meanwhile is then found by its sweep."""

from __future__ import annotations

from bot.rig.rig import Rig


def sleep(rig: Rig) -> None:
    """The bot has swept once, so it knows until when it lived; then it is stopped."""
    rig.wait_idle()
    rig.wait("the first sweep", lambda: bool(rig.query("SELECT 1 FROM marks WHERE name = 'alive'")))
    rig.bot.stop()


def wake(rig: Rig) -> None:
    """Start, and wait until the sweep at the start is over and everything it found is done."""
    before = rig.query("SELECT value FROM marks WHERE name = 'alive'")
    rig.bot.start()
    rig.wait("the sweep", lambda: rig.query("SELECT value FROM marks WHERE name = 'alive'") != before)
    rig.wait_idle()
