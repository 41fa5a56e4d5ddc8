"""The hidden markers by which we find our own comments and reviews again.

Each of our texts begins with its marker. One further below is part of what somebody else said, for example of Amp's
answer, and means nothing. Markers stand in comments for ever: never change their form.
"""

from __future__ import annotations


def run_marker(run: str) -> str:
    """The marker of a run's comment, of its review, and of its pull request, in which nothing looks for it."""
    return f"<!-- ampbot:run:{run} -->"


def is_of_a_run(body: str) -> bool:
    """Whether a text of ours is a run's comment or review. Who wrote it is for the caller to check."""
    return body.startswith(run_marker("").removesuffix(" -->"))


def key_marker(key: str) -> str:
    """The marker of a reply."""
    return f"<!-- ampbot:{key} -->"


def is_marked(body: str, marker: str) -> bool:
    """Whether a text of ours is the one with this marker. Who wrote it is for the caller to check."""
    return body.startswith(marker)
