"""The sentences of a review. Those of runs are in `bot.text.messages`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import accumulate

from bot.model import Ending, RunRequest, RunState
from bot.text.markdown import code, line, sanitize
from bot.text.markers import run_marker
from bot.text.messages import RunCost, price_line


class Apart(Enum):
    """Why comments on lines are in the summary: its heading for them, and what the run's comment says."""

    OUTSIDE = ("On lines outside the diff", "did not fit a line of the diff")
    NO_DIFF = (
        "On lines, which are here because GitHub gives no diff of this size",
        "could not be put on lines, as GitHub gives no diff of this size,",
    )
    REFUSED = (
        "On lines, which are here because GitHub took no comments on them",
        "could not be put on lines, as GitHub refused that,",
    )


def reviewed(url: str, inline: int, moved: int, apart: Apart = Apart.OUTSIDE) -> Ending:
    said = f"The [review]({url}) is posted, with {inline} comment{'s' if inline != 1 else ''} on the diff."
    if moved:
        said += f" {moved} more {apart.value[1]} and stand{'s' if moved == 1 else ''} in its summary."
    return Ending(RunState.REVIEWED, said)


def review_in_comment(summary: str, off_diff: Sequence[str], read: str, apart: Apart = Apart.REFUSED) -> Ending:
    """GitHub refused every form of the review."""
    said = (
        f"GitHub took no review of {read}, so here is what Amp found. To have the newest commit read, comment "
        "`/amp review`."
    )
    return Ending(RunState.REVIEWED, "\n\n".join([said, *_review(summary, off_diff, apart)]))


def review_body(
    request: RunRequest,
    summary: str,
    off_diff: Sequence[str],
    price: RunCost,
    *,
    replaced: str | None = None,
    apart: Apart = Apart.OUTSIDE,
) -> str:
    """`off_diff`: comments on lines that are in the summary, for the reason `apart`.

    `replaced`: the commit that Amp read, if a force push took it off the pull request.
    """
    said = (
        f"This is about {replaced}, which a push has replaced since Amp read it. To have the new head read, comment "
        "`/amp review`."
    )
    parts = [run_marker(request.id), *([said] if replaced else []), *_review(summary, off_diff, apart)]
    return "\n\n".join([*parts, price_line(request.id, price)])


def _review(summary: str, off_diff: Sequence[str], apart: Apart) -> list[str]:
    parts = [sanitize(summary, 30_000) or "Amp had nothing to say about this pull request."]
    if off_diff:
        fit = sum(length <= 30_000 for length in accumulate(len(row) + 1 for row in off_diff))
        rows = [*off_diff[:fit], *([f"- … and {len(off_diff) - fit} more"] if fit < len(off_diff) else [])]
        parts.append(f"**{apart.value[0]}**\n\n" + "\n".join(rows))
    return parts


def off_diff_comment(path: str, row: int, body: str) -> str:
    return f"- {code(f'{path}:{row}')}: {line(body, 2_000)}"
