"""Chooses the base commit and prepares a sandbox with a checkout of it. At the end the sandbox has no token."""

from __future__ import annotations

import base64
import secrets
import shlex
from contextlib import suppress

import structlog

from bot.agent import cli as amp_cli
from bot.agent import prompt
from bot.changes import diff
from bot.context import Context
from bot.engine.gather import gather_all
from bot.github.app import CLONE, Token
from bot.github.conversation import Conversation
from bot.github.conversation import read as read_conversation
from bot.github.errors import GitHubError, NotFoundError
from bot.github.repository import Repository
from bot.model import Ending, PinnedBase, Problem, Repo, RunRequest, RunState
from bot.sandbox.client import Sandbox
from bot.sandbox.errors import SandboxGoneError
from bot.sandbox.scripts import AMP_SETTINGS, COMMAND, PATHS, PROMPT, PULL_DIFF, script
from bot.settings import Settings
from bot.store import runs
from bot.store.runs import Run
from bot.text import messages, refusal_messages

log = structlog.get_logger()

# The sandbox's lifetime beyond that of the agent: for preparing and collecting.
MARGIN_SECONDS = 600
COLLECTING = 240  # the part of it that is reserved for collecting
FETCH_SECONDS = 600
FETCH_WAITS = (1.0, 5.0)
# Characters of a pull request's diff that the agent gets.
MAX_DIFF = 2_000_000
# More commits of a branch are not fetched, however long a pull request or its base has grown.
MAX_HISTORY = 1000
# Bytes of the compressed file names of the pinned tree, and the name of the artifact that holds them.
MAX_PATHS = 20_000_000
BASE_PATHS = "paths"


async def prepare(context: Context, run: Run) -> Ending | None:
    """Create the sandbox, with a checkout, a prompt, and no credentials."""
    request = run.request
    if not await context.database.write(runs.set_state, run.id, RunState.PREPARING):
        return None
    repository = await context.github.conversation(request.issue.repo)
    sandbox, base, token = await gather_all(
        _sandbox(context, run), resolve_base(context, run, repository), context.github.mint(request.issue.repo, CLONE)
    )
    tokens = [token]
    try:
        if isinstance(base, Ending):
            await context.github.revoke(token)
            return base
        pinned, conversation = base
        repository = await context.github.conversation(request.issue.repo, pinned.repo_name)
        fetch_error, installed = await gather_all(
            _fetch(context, sandbox, pinned, request.issue.repo, tokens),
            _write_inputs(run, sandbox, pinned, conversation, repository),
        )
    except BaseException:
        with suppress(GitHubError):
            await _revoke(context, tokens)
        raise
    # The token is no longer needed. It is revoked before the agent starts.
    _, error = await gather_all(_revoke(context, tokens), _check_out(context, run, sandbox, pinned, fetch_error))
    if error is not None:
        return refusal_messages.fetch_failed(context.redact(error))
    if isinstance(installed, Problem):
        log.warning("no usable amp", run=run.id, why=installed.detail)
        return messages.amp_missing(installed.message)
    log.info("amp", run=run.id, version=installed.version, era=installed.cli.name, note=installed.note)
    return None


def lifetime(settings: Settings) -> float:
    """The timeout of a run's sandbox, in seconds. E2B's smallest plan allows an hour."""
    return settings.run_minutes * 60 + MARGIN_SECONDS


async def _sandbox(context: Context, run: Run) -> Sandbox:
    """Create the sandbox and store its id at once, so that it is killed whatever else fails.

    Raises: SandboxError; SandboxGoneError also if the run was stopped meanwhile.
    """
    settings = context.settings
    sandbox = await context.sandboxes.create(
        run.id,
        settings.e2b_template,
        seconds=lifetime(settings),
        repository=run.request.issue.repo.id,
        again=run.started_at is not None,
    )
    if not await context.database.write(runs.set_sandbox, run.id, sandbox.id):
        # Whoever stopped the run did not know of the sandbox.
        await context.sandboxes.kill(sandbox.id)
        raise SandboxGoneError("the run was stopped while its sandbox was made")
    return sandbox


async def resolve_base(context: Context, run: Run, repository: Repository) -> tuple[PinnedBase, Conversation] | Ending:
    """Read and store the base of the run, or return the reason why it cannot work here."""
    request = run.request
    conversation = await _read(context, request, repository)
    if conversation is None or conversation.repository != request.issue.repo.id:
        # The repository was renamed, and another one has its former name now.
        name = await context.github.current_name(request.issue.repo)
        if name is None:
            return refusal_messages.app_removed()
        repository = await context.github.conversation(request.issue.repo, name)
        conversation = await _read(context, request, repository)
    if conversation is None:
        return refusal_messages.conversation_gone()
    if refusal := rejection(request, conversation, context.settings.branch_prefix):
        return refusal
    try:
        pinned = run.pinned or await _read_base(repository, conversation, context.settings.history)
    except NotFoundError as error:
        if conversation.pull is None or "No common ancestor" not in error.message:
            raise
        return refusal_messages.no_common_history(conversation.pull.base_branch)
    await context.database.write(runs.record_base, run.id, pinned)
    return pinned, conversation


async def _read(context: Context, request: RunRequest, repository: Repository) -> Conversation | None:
    try:
        return await read_conversation(
            repository,
            request,
            references=prompt.references(request, server=context.settings.github_url, repo=repository.name),
            branch_prefix=context.settings.branch_prefix,
        )
    except NotFoundError:
        return None


def rejection(request: RunRequest, conversation: Conversation, branch_prefix: str) -> Ending | None:
    """The first reason why this run cannot work here; None if it can. `branch_prefix`: of ampbot's branches."""
    if conversation.repository != request.issue.repo.id:
        return refusal_messages.app_removed()
    if conversation.default is None:
        return messages.empty()
    rules = request.kind.rules
    if rules.needs_pull and conversation.pull is None:
        return refusal_messages.conversation_gone()
    if not rules.publishes:
        return None
    if conversation.archived:
        return messages.archived()
    # A fork, a closed pull request or a deleted branch is no reason yet: the request may be a question. publish()
    # refuses changes there.
    if conversation.pull is None and conversation.in_the_way is not None:
        return refusal_messages.branch_in_the_way(conversation.in_the_way, branch_prefix)
    return None


async def _read_base(repository: Repository, conversation: Conversation, history: int) -> PinnedBase:
    """`history`: how many commits the operator wants of each branch."""
    pull, default = conversation.pull, conversation.default
    assert default is not None  # noqa: S101 - checked by rejection()
    if pull is None:
        return PinnedBase(
            conversation.name, default.commit, default.tree, default.branch, base_tip=default.commit, history=history
        )
    # A base with which it was merged already contains it: then their common ancestor says nothing.
    tip = None if pull.merged else pull.base_tip
    apart = await repository.divergence(tip or pull.base_sha, pull.head_sha)
    return PinnedBase(
        repo_name=conversation.name,
        base_sha=pull.head_sha,
        base_tree=pull.head.tree if pull.head is not None else (await repository.commit(pull.head_sha)).tree,
        base_branch=pull.base_branch,
        head_branch=None if pull.from_fork else pull.head_branch,
        # What is asked for on a merged one becomes a pull request of its own.
        closed=not pull.merged and (not pull.open or pull.head is None),
        merge_base=apart.merge_base,
        base_tip=tip,
        # Down to the common ancestor, else git cannot merge them.
        history=min(max(history, apart.ahead + 1, apart.behind + 1), MAX_HISTORY),
    )


async def _revoke(context: Context, tokens: list[Token]) -> None:
    for token in tokens:
        await context.github.revoke(token)


async def _fetch(context: Context, sandbox: Sandbox, pinned: PinnedBase, repo: Repo, tokens: list[Token]) -> str | None:
    """Fetch the pinned commits by id. None if it worked, or git's error output.

    Each further attempt gets a new token: the last one may have expired.
    """
    for wait in (*FETCH_WAITS, None):
        result = await sandbox.run(script("fetch"), env=_fetch_env(context, pinned, tokens[-1]), seconds=FETCH_SECONDS)
        if result.exit_code == 0:
            return None
        log.warning("fetch failed", repository=pinned.repo_name, git=context.redact(result.stderr)[-500:])
        if wait is not None:
            await context.sleep(wait)
            tokens.append(await context.github.mint(repo, CLONE))
    return result.stderr


def _fetch_env(context: Context, pinned: PinnedBase, token: Token) -> dict[str, str]:
    """The environment of fetch.sh. The token is only here: on no command line, in no file and in no address."""
    basic = base64.b64encode(f"x-access-token:{token.value}".encode()).decode()
    return {
        "AMPBOT_URL": f"{context.settings.github_url}/{pinned.repo_name}.git",
        "AMPBOT_COMMITS": " ".join(filter(None, dict.fromkeys((pinned.base_sha, pinned.merge_base, pinned.base_tip)))),
        "AMPBOT_DEPTH": str(pinned.history),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        # GitHub's git server requires Basic. The key limits the header to this host, also after a redirect.
        "GIT_CONFIG_KEY_0": f"http.{context.settings.github_url}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


async def _write_inputs(
    run: Run, sandbox: Sandbox, pinned: PinnedBase, conversation: Conversation, repository: Repository
) -> amp_cli.Installation | Problem:
    """Write the prompt, the settings, the command line and a pull request's diff. Return the Amp CLI found there."""
    if conversation.pull is not None:
        changes = await _diff(repository, pinned)
        await sandbox.write(PULL_DIFF, changes.encode("utf-8", "replace"))
    text = prompt.compose(
        run.request,
        nonce=secrets.token_hex(4),
        discussion=conversation.discussion,
        pinned=pinned,
        diff=f"~/{PULL_DIFF}" if conversation.pull is not None else None,
    )
    probe, _, _ = await gather_all(
        sandbox.run(amp_cli.PROBE, seconds=60),
        sandbox.write(PROMPT, text.encode("utf-8", "replace")),
        sandbox.write(AMP_SETTINGS, amp_cli.SETTINGS.encode()),
    )
    installed = amp_cli.read_probe(probe.stdout)
    if isinstance(installed, amp_cli.Installation):
        argv = amp_cli.run_command(
            installed.cli, binary=installed.binary, settings_file=f"../{AMP_SETTINGS}", thread=None
        )
        await sandbox.write(COMMAND, f"{shlex.join(argv)}\n".encode())
    return installed


async def _check_out(
    context: Context, run: Run, sandbox: Sandbox, pinned: PinnedBase, fetch_error: str | None
) -> str | None:
    """Check out the pinned commit, if it was fetched. None if it worked, or git's error output."""
    if fetch_error is not None:
        return fetch_error
    env = {
        "AMPBOT_URL": f"{context.settings.github_url}/{pinned.repo_name}.git",
        "AMPBOT_COMMIT": pinned.base_sha,
        "AMPBOT_TREE": pinned.base_tree,
        "AMPBOT_BRANCH": "amp-work",
        "AMPBOT_BASE": pinned.base_branch,
        "AMPBOT_BASE_TIP": pinned.base_tip or "",
    }
    result = await sandbox.run(script("checkout"), env=env, seconds=FETCH_SECONDS)
    if result.exit_code != 0:
        log.warning("checkout failed", run=run.id, git=context.redact(result.stderr)[-500:])
        return result.stderr
    names = await sandbox.read(PATHS, max_bytes=MAX_PATHS)
    if names is not None:
        await context.database.write(runs.save_artifact, run.id, BASE_PATHS, names)
    return None


async def _diff(repository: Repository, pinned: PinnedBase) -> str:
    try:
        return diff.text_limit(await repository.diff(pinned.merge_base or "", pinned.base_sha), MAX_DIFF)
    except GitHubError as error:
        if error.status != 406:  # the diff has too many files or lines
            raise
        return "GitHub gives no diff of this pull request: it is too large. Compare the commits with git instead.\n"
