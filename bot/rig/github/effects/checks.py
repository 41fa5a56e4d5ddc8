"""Check runs."""

from __future__ import annotations

from bot.rig.github.effects.emit import emit
from bot.rig.github.records import Actor, CheckRun
from bot.rig.github.shapes import Json
from bot.rig.github.shapes.pulls import check_run
from bot.rig.github.state import State


def announce(state: State, run: CheckRun, actor: Actor, action: str, extra: Json | None = None) -> None:
    """`check_run`: created, completed, rerequested or requested_action. Sent only to the App that created it."""
    payload: Json = {"action": action, "check_run": check_run(state.url, run), **(extra or {})}
    emit(state, run.repository, "check_run", actor, payload, only=run.app)
