"""The sentences about change sets that could not be published: how to see them, and what `/amp retry` makes of them."""

from __future__ import annotations

from enum import StrEnum

from bot.model import Kept, RunState


class Anew(StrEnum):
    """Why Amp works again on a retry. The values are stored."""

    GONE = "no longer kept"
    CHANGED = "changed since"  # the same files were changed in the repository


def how(run: str, kept: Kept) -> str:
    """How to see the change set of a run, and to publish it; "" if none is kept."""
    see = f"The operator of ampbot sees the change set with `ampbot runs diff {run[:8]}`."
    if kept is Kept.NOTHING:
        return ""
    if kept is Kept.TO_SEE:
        return see
    return f"`/amp retry` publishes the kept change set, and starts Amp again only if it no longer applies. {see}"


def beginning(kept_from: str) -> str:
    """`kept_from`: the run that kept the change set, here and below."""
    return f"Publishing the change set kept from run `{kept_from[:8]}`, if it still applies."


def without_amp(kept_from: str, state: RunState) -> str:
    """`state`: how the run ended that had to publish it."""
    if state is RunState.PUBLISHED:
        return f"Published the change set kept from run `{kept_from[:8]}`. Amp was not started again."
    return f"This run had only to publish the change set kept from run `{kept_from[:8]}`. Amp was not started again."


def anew(kept_from: str, why: str) -> str:
    """`why`: a value of Anew."""
    if why == Anew.CHANGED:
        return (
            f"The change set kept from run `{kept_from[:8]}` no longer applies, as files that it touches have changed "
            "since. So Amp worked again."
        )
    return f"The change set of run `{kept_from[:8]}` is no longer kept, so Amp worked again."
