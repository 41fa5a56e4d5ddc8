"""Take the change set out of the sandbox, whatever the agent did there, and keep it with the run."""

from __future__ import annotations

import structlog

from bot.changes import changeset
from bot.changes.changeset import Limits
from bot.context import Context
from bot.model import Ending, Problem, RunKind, RunState
from bot.sandbox.scripts import ARCHIVE, script
from bot.settings import Settings
from bot.store import runs
from bot.store.runs import Run
from bot.text import messages

log = structlog.get_logger()

COLLECT_SECONDS = 600
CHANGES = "changes"  # the artifact's name

_WHERE = """\
export AMPBOT_BASE_GIT="$HOME/.ampbot/base.git" AMPBOT_WORKTREE="$HOME/repo" AMPBOT_OUT="$HOME/.ampbot/out"
"""


def limits(settings: Settings) -> Limits:
    return Limits(files=settings.max_files, total_bytes=settings.max_change_mb * 1_000_000)


async def collect(context: Context, run: Run) -> Ending | None:
    """The archive of the change set becomes an artifact; a failed run's partial work is kept the same way."""
    assert run.sandbox is not None  # noqa: S101 - prepare() has seen to it
    assert run.pinned is not None  # noqa: S101 - as above
    if run.request.kind is RunKind.REVIEW:
        return None
    if not await context.database.write(runs.set_state, run.id, RunState.COLLECTING):
        return None
    sandbox = await context.sandboxes.open(run.sandbox)
    limit = limits(context.settings)
    env = {
        "AMPBOT_TREE": run.pinned.base_tree,
        "AMPBOT_MAX_FILES": str(limit.files),
        "AMPBOT_MAX_BYTES": str(limit.total_bytes),
    }
    ran = await sandbox.run(_WHERE + script("collect"), env=env, seconds=COLLECT_SECONDS)
    trouble = changeset.parse_status(ran.stdout)
    archive = await sandbox.read(ARCHIVE, max_bytes=limit.archive_bytes) if trouble is None else None
    if archive is None:
        trouble = trouble or Problem("The change is too large.")
        log.warning("not collected", run=run.id, why=trouble.detail or trouble.message)
        # Of a run that failed anyway, its own reason is the one to tell.
        return messages.refused_change(trouble.message) if run.outcome is not None and run.outcome.ok else None
    content = archive
    await context.database.write(runs.save_artifact, run.id, CHANGES, content)
    return None
