"""The sentences about work that is given up after its last attempt (bot/engine/attempts.py)."""

from __future__ import annotations

from bot.model import Ending, RunState
from bot.text.markdown import code
from bot.text.messages import AGAIN


def run(run_id: str, times: int, *, doing: str, branch: str | None = None, pull: int | None = None) -> Ending:
    """`doing`: as in "while it was collecting the changes". `branch`, `pull`: on GitHub."""
    if pull is not None:
        left = f"#{pull} may be there already: look at it before you ask again."
    elif branch is not None:
        left = f"The branch {code(branch)} may be there already: look at it before you ask again."
    else:
        left = "Nothing was published."
    return Ending(
        RunState.FAILED,
        f"ampbot's process ended {times} times while it was {doing}, so this run was given up. {left} What was done "
        f"before is kept with the run; the operator finds the cause in the log under run `{run_id[:8]}`. {AGAIN}",
    )


def request(guid: str, times: int) -> str:
    """The reply to a request that could not be planned."""
    return (
        f"I failed {times} times to take this up, so I have stopped trying. Nothing was started. Ask again, in other "
        f"words. The operator finds the cause in the log under delivery {code(guid)}, and can redeliver it."
    )
