"""The sentences about files that Amp made and that are not published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model import Ending, RunState
from bot.text.markdown import code, sanitize

SHOWN = 10


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a folder with all that is below it. `reason` is a phrase."""

    path: str  # printable; a folder ends in a slash
    reason: str
    by_product: bool  # of a tool: nobody asked for it


def note(found: Sequence[LeftOut], count: int) -> str:
    """Names what was left out, with the reasons. `count`: how many there are in all."""
    shown = found[:SHOWN]
    names = ", ".join(f"{code(item.path)} ({item.reason})" for item in shown)
    more = f", and {count - len(shown):,} more" if count > len(shown) else ""
    return (
        f"Left out: {names}{more}. To have one published, ask to add it by name; what git ignores, take out of "
        "`.gitignore`."
    )


def only_left_out(answer: str) -> Ending:
    """All that Amp changed was left out. The note follows."""
    said = "Nothing was published: all that Amp changed is of a kind that is left out."
    return Ending(RunState.REFUSED, f"{said}\n\n{sanitize(answer)}".rstrip())
