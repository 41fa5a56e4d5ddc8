"""The replies to commands that were not understood, or that had more to say than the command takes."""

from __future__ import annotations


def nothing_asked() -> str:
    return (
        "Nothing was asked, so nothing was started. Write what you want after `/amp`, "
        "for example `/amp fix the login test`, or try `/amp help`."
    )


def did_you_mean(word: str) -> str:
    return (
        f"Nothing was started: did you mean `/amp {word}`? If it is a request, say it in a few words more, or write "
        "`/amp work` before it."
    )


def starts_nothing(word: str, *, stops: bool) -> str:
    """`word`: the command that was read, with more text behind it."""
    done = "which stops what runs here and starts nothing" if stops else "which starts nothing"
    return (
        f"This was read as `/amp {word}`, {done}. If the words behind it are a request, ask for it with "
        "`/amp work` and the request."
    )


def not_taken_along(word: str) -> str:
    """`word`: the command that was read, with more text below it that it does not take."""
    return (
        f"This was read as `/amp {word}`, and the words below it were not taken along. To ask for something else, "
        "write it behind `/amp work`."
    )


def not_a_pull(*, asked: bool = False) -> str:
    """`asked`: whether there was more than the command."""
    said = "There is no pull request here to review. Comment `/amp review` on a pull request."
    return f"{said} To ask for something here, comment `/amp work` and the request." if asked else said
