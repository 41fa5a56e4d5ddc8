"""Takes the change set out of the sandbox and stores it with the run."""

from __future__ import annotations

import re

import structlog

from bot.changes import changeset
from bot.context import Context
from bot.model import Ending, Problem, RunState
from bot.run.prepare import lifetime
from bot.run.reading import MERGE, left_out_rules, limits
from bot.sandbox import host
from bot.sandbox.client import Sandbox
from bot.sandbox.errors import MissingFileError, OutputError
from bot.sandbox.scripts import ARCHIVE, MERGED, script
from bot.store import runs
from bot.store.database import now
from bot.store.kept import CHANGES
from bot.store.runs import Run
from bot.text import messages

log = structlog.get_logger()

COLLECT_SECONDS = 600
MARGIN_SECONDS = 20

_PATHS = """\
export AMPBOT_BASE_GIT="$HOME/.ampbot/base.git" AMPBOT_WORKTREE="$HOME/repo" AMPBOT_OUT="$HOME/.ampbot/out"
"""


async def collect(context: Context, run: Run) -> Ending | None:
    """Store the archive of the change set as an artifact, also that of a run that failed."""
    assert run.sandbox is not None  # noqa: S101 - set by prepare()
    assert run.pinned is not None  # noqa: S101 - as above
    if not run.request.kind.rules.publishes:
        return None
    if not await context.database.write(runs.set_state, run.id, RunState.COLLECTING):
        return None
    sandbox = await context.sandboxes.open(run.sandbox)
    limit = limits(context.settings)
    rules = await left_out_rules(context, run.id, run.request.text)
    env = {
        "AMPBOT_TREE": run.pinned.base_tree,
        "AMPBOT_COMMIT": run.pinned.base_sha,
        "AMPBOT_MAX_FILES": str(limit.files),
        "AMPBOT_MAX_BYTES": str(limit.total_bytes),
        "AMPBOT_MACHINE": host.name(),
        "AMPBOT_LEFT_OUT": "\n".join(rules.lines),
    }
    # In one command: another one's login shell could start what the agent left in a profile file anew.
    command = f"( {script('end_processes')})\n{_PATHS}( {script('merged')})\n{script('collect')}"
    # It must overrun before the sandbox ends: only then is the reason told.
    left = (run.started_at or now()) + lifetime(context.settings) - now() - MARGIN_SECONDS
    seconds = max(MARGIN_SECONDS, min(COLLECT_SECONDS, left))
    try:
        result = await sandbox.run(command, env=env, seconds=seconds)
    except OutputError:
        # An attempt before, whose connection broke, may still have been ending processes, and ended this one.
        result = await sandbox.run(command, env=env, seconds=seconds)
    problem = changeset.parse_status(result.stdout)
    archive = await sandbox.read(ARCHIVE, max_bytes=limit.archive_bytes) if problem is None else None
    if archive is None:
        problem = problem or Problem(
            "The change is too large: packed, it is longer than `AMPBOT_MAX_CHANGE_MB` allows."
        )
        log.warning("not collected", run=run.id, why=problem.detail or problem.message)
        # If the run failed anyway, its own reason is the ending.
        return messages.refused_change(problem.message) if run.outcome is not None and run.outcome.ok else None
    if run.pinned.merge_base is not None and (merged := await _merged(sandbox)):
        await context.database.write(runs.save_artifact, run.id, MERGE, merged)
    await context.database.write(runs.save_artifact, run.id, CHANGES, archive)
    return None


async def _merged(sandbox: Sandbox) -> bytes | None:
    """The id of the commit that Amp merged. The sandbox may say anything: the caller of `merged` checks it."""
    try:
        pieces = await sandbox.read(MERGED, max_bytes=100)
    except MissingFileError:
        return None
    said = b"".join(pieces or ()).strip()
    return said if re.fullmatch(rb"[0-9a-f]{40}", said) else None
