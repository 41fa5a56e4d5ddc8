"""Reads which commits the bot made, and chooses the one at which its process is killed."""

from __future__ import annotations

import itertools
from pathlib import Path

from bot.rig.http.faults import Side

# The folder with the code that counts commits inside of the bot's process. It imports nothing of ours.
INSIDE = Path(__file__).parent / "inside"

_plans = itertools.count(1)


class Commits:
    """Two files shared with the bot's process: the plan, and the commits seen (inside/sitecustomize.py)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the bot's process. It runs the same sources as this process."""
        return {"PYTHONPATH": f"{INSIDE}:{INSIDE.parents[3]}", "RIG_COMMITS": str(self._folder)}

    def arm(self, what: str = "", number: int = 0, side: Side = Side.BEFORE) -> None:
        """Start counting; kill the process at the `number`-th commit that writes `what`. Without `what` only count."""
        self.disarm()
        (self._folder / "seen").unlink(missing_ok=True)
        draft = self._folder / "draft"
        target = f"\n{what}\t{number}\t{side}" if what else ""
        draft.write_text(f"{next(_plans)}{target}")  # the number makes each plan different from the last
        draft.replace(self._folder / "plan")

    def disarm(self) -> None:
        (self._folder / "plan").unlink(missing_ok=True)

    def seen(self) -> tuple[tuple[str, int], ...]:
        """(what, number) of each commit since `arm`, in order."""
        try:
            lines = (self._folder / "seen").read_text().splitlines()
        except FileNotFoundError:
            return ()
        return tuple((what, int(number)) for what, _, number in (line.partition("\t") for line in lines))
