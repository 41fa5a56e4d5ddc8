"""`ampbot check`: tries every setting, key and permission. Each problem says what to do."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from bot.agent import cli as amp_cli
from bot.agent.cli import Installation
from bot.agent.outcome import redacted
from bot.context import Context
from bot.dispatch import offered
from bot.github import manifest
from bot.github.errors import GitHubError, NotFoundError, UnauthorizedError
from bot.model import Problem
from bot.sandbox.client import Sandbox
from bot.sandbox.errors import SandboxError
from bot.store.upgrade import UnusableError, migrate

# Seconds for Amp to list threads.
AMP_TIMEOUT = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `problem` is None if it passed."""

    name: str
    found: str
    problem: Problem | None = None


async def check(context: Context) -> tuple[Finding, ...]:
    """Run all checks in parallel. One starts a sandbox, for a few seconds."""
    checks: tuple[Callable[[Context], Awaitable[tuple[Finding, ...]]], ...] = (_database, _github, _sandbox, _handlers)
    results = await asyncio.gather(*(run(context) for run in checks))
    return tuple(finding for result in results for finding in result)


async def _database(context: Context) -> tuple[Finding, ...]:
    kind = context.settings.database_url.split("://", 1)[0]
    try:
        await asyncio.to_thread(migrate, context.database)
    except UnusableError as error:
        return (Finding("database", kind, Problem(str(error))),)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        cure = "Check AMPBOT_DATABASE_URL: the folder must exist and be writable, or the server reachable."
        return (Finding("database", kind, Problem(f"The database cannot be used: {cause}. {cure}")),)
    return (Finding("database", f"{kind}, up to date"),)


async def _github(context: Context) -> tuple[Finding, ...]:
    try:
        me = await context.github.identity()
    except UnauthorizedError:
        cure = "Check that AMPBOT_GITHUB_APP_ID and the private key belong to the same App, and this machine's clock."
        return (Finding("GitHub App", "key refused", Problem(f"GitHub does not accept the App's key. {cure}")),)
    except NotFoundError:
        cure = "Check AMPBOT_GITHUB_APP_ID and AMPBOT_GITHUB_API_URL."
        return (Finding("GitHub App", "not found", Problem(f"GitHub knows no such App. {cure}")),)
    except GitHubError as error:
        cure = "Check AMPBOT_GITHUB_API_URL and this machine's network."
        return (Finding("GitHub App", "no answer", Problem(f"GitHub did not answer ({error}). {cure}")),)
    declared = manifest.load()
    findings = [Finding("GitHub App", f"{me.slug} (id {me.id})")]
    lacking = manifest.lacking(declared.default_permissions, me.permissions)
    findings.append(
        Finding(
            "permissions",
            f"{len(me.permissions)} granted",
            Problem(f"The App lacks: {', '.join(lacking)}. Grant them in its settings, under Permissions.")
            if lacking
            else None,
        )
    )
    missing = sorted(set(declared.default_events) - set(me.events))
    findings.append(
        Finding(
            "events",
            f"{len(me.events)} subscribed",
            Problem(f"The App is not told of: {', '.join(missing)}. Subscribe to them in its settings.")
            if missing
            else None,
        )
    )
    findings.append(await _webhook(context))
    return tuple(findings)


async def _webhook(context: Context) -> Finding:
    try:
        url = await context.github.hook_url()
    except GitHubError as error:
        return Finding("webhook", "unknown", Problem(f"GitHub does not say where the webhook leads ({error})."))
    if not url:
        return Finding("webhook", "none", Problem("The App has no webhook address. Set it to https://HOST/webhook."))
    if not url.rstrip("/").endswith("/webhook"):
        return Finding("webhook", url, Problem(f"The webhook leads to {url}, but ampbot listens at /webhook."))
    return Finding("webhook", url)


async def _handlers(_context: Context) -> tuple[Finding, ...]:
    """Those of other packages: there is nothing to try about ours."""
    found = offered.load()
    return (
        *(Finding("handler", f"{name} ({package})") for name, package in found.packages),
        *(Finding("handler", "not usable", problem) for problem in found.problems),
    )


async def _sandbox(context: Context) -> tuple[Finding, ...]:
    template = context.settings.e2b_template
    try:
        sandbox = await context.sandboxes.create(f"check-{uuid.uuid4()}", template, seconds=120, repository=0)
    except SandboxError as error:
        cure = "Check E2B_API_KEY, and that AMPBOT_E2B_TEMPLATE names a template this key may use."
        said = context.redact(str(error)).rstrip(". ")
        return (Finding("sandbox", template, Problem(f"E2B starts no sandbox from {template!r}: {said}. {cure}")),)
    try:
        found = amp_cli.read_probe((await sandbox.run(amp_cli.PROBE, seconds=60)).stdout)
        findings = [Finding("sandbox", f"template {template}")]
        if isinstance(found, Problem):
            return (*findings, Finding("Amp", "not usable", found))
        findings.append(
            Finding("Amp", f"{found.version} ({found.cli.name})" + (f". {found.note}" if found.note else ""))
        )
        return (*findings, await _amp_key(context, sandbox, found))
    except SandboxError as error:
        return (Finding("sandbox", template, Problem(f"The sandbox did not work: {context.redact(str(error))}.")),)
    finally:
        with suppress(SandboxError):  # E2B ends it in two minutes
            await context.sandboxes.kill(sandbox.id)


async def _amp_key(context: Context, sandbox: Sandbox, amp: Installation) -> Finding:
    """List threads: that needs the key and costs nothing. Without a valid key the CLI may wait for a login for ever."""
    line = f"timeout {AMP_TIMEOUT} {shlex.quote(amp.binary)} threads list < /dev/null"
    ran = await sandbox.run(line, env={"AMP_API_KEY": context.settings.amp_api_key.get_secret_value()}, seconds=60)
    if ran.exit_code == 0:
        return Finding("Amp key", "accepted")
    said = context.redact(redacted(ran.stderr or ran.stdout)).strip()[-300:].rstrip(".")
    why = "it waits for somebody to log in" if ran.exit_code == 124 else said or f"exit {ran.exit_code}"
    return Finding("Amp key", "not accepted", Problem(f"Amp does not accept AMP_API_KEY: {why}. Set a valid key."))
