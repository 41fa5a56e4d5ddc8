"""Check runs: the status of a commit with text and buttons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.rig.github.effects.checks import announce
from bot.rig.github.records import App, CheckRun
from bot.rig.github.refusal import Refusal, missing
from bot.rig.github.rest.call import Answer, Call, created
from bot.rig.github.rest.issues import instant
from bot.rig.github.rest.repositories import resolve_commit
from bot.rig.github.rest.router import Routes
from bot.rig.github.shapes.pulls import check_run

routes = Routes()

_STATUSES = ("queued", "in_progress", "completed")
_CONCLUSIONS = (
    "action_required",
    "cancelled",
    "failure",
    "neutral",
    "success",
    "skipped",
    "stale",
    "timed_out",
)
_MAX_TEXT = 65_535
# https://docs.github.com/en/rest/checks/runs#create-a-check-run
_BUTTON = {"label": 20, "description": 40, "identifier": 20}


def _app(call: Call) -> App:
    if call.actor.app is None:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    return call.actor.app


def _the_run(call: Call) -> CheckRun:
    run = call.repo.check_runs.get(call.number("check_run_id"))
    if run is None:
        raise Refusal.not_found()
    return run


@routes.post("/repos/{owner}/{repo}/check-runs", "checks:write")
def create_run(call: Call) -> Answer:
    call.require("name", "head_sha")
    app, sha = _app(call), call.string("head_sha")
    if call.repo.bare.kind(sha) != "commit":
        raise Refusal.unprocessable(f"No commit found for SHA: {sha}")
    run = CheckRun(
        id=call.state.next_id(),
        repository=call.repo,
        app=app,
        name=call.string("name"),
        head_sha=sha,
        status="queued",
        conclusion=None,
        started_at=call.state.now(),
        completed_at=None,
        external_id=call.string("external_id"),
        details_url=call.string("details_url"),
        title=None,
        summary=None,
        text=None,
    )
    _fill(call, run)
    call.repo.check_runs[run.id] = run
    announce(call.state, run, call.actor, "created")
    if run.status == "completed":
        announce(call.state, run, call.actor, "completed")
    return created(check_run(call.url, run))


@routes.patch("/repos/{owner}/{repo}/check-runs/{check_run_id}", "checks:write")
def update_run(call: Call) -> Answer:
    run = _the_run(call)
    if run.app is not _app(call):
        raise Refusal(
            403,
            f"Invalid app_id `{run.app.id}` - check run can only be modified by the GitHub App that created it.",
        )
    was = run.status
    run.name = call.string("name", run.name)
    run.external_id = call.string("external_id", run.external_id)
    run.details_url = call.string("details_url", run.details_url)
    _fill(call, run)
    if run.status == "completed" and was != "completed":
        announce(call.state, run, call.actor, "completed")
    return Answer(body=check_run(call.url, run))


@routes.get("/repos/{owner}/{repo}/check-runs/{check_run_id}", "checks:read")
def get_run(call: Call) -> Answer:
    return Answer(body=check_run(call.url, _the_run(call)))


@routes.get("/repos/{owner}/{repo}/commits/{ref}/check-runs", "checks:read")
def list_runs(call: Call) -> Answer:
    """By default only the latest of each name and App."""
    oid = resolve_commit(call, call.params["ref"])
    found = [run for run in call.repo.check_runs.values() if run.head_sha == oid]
    if call.query.get("filter", "latest") == "latest":
        found = list({(run.app.id, run.name): run for run in found}.values())
    name, status = call.query.get("check_name"), call.query.get("status")
    found = [run for run in found if name in (None, run.name) and status in (None, run.status)]
    return call.page(
        found,
        lambda run: check_run(call.url, run),
        created_at=lambda run: run.started_at,
        wrap="check_runs",
    )


def _fill(call: Call, run: CheckRun) -> None:
    """Set status, output and actions from the body."""
    conclusion = call.string_or_none("conclusion")
    status = call.string("status", "completed" if conclusion else run.status)
    if status not in _STATUSES or (conclusion is not None and conclusion not in _CONCLUSIONS):
        raise Refusal.invalid(missing("CheckRun", "status", "invalid"))
    if status == "completed" and conclusion is None and run.conclusion is None:
        raise Refusal.invalid(missing("CheckRun", "conclusion"))
    output = call.fields.get("output")
    actions = tuple(call.objects("actions")) if "actions" in call.fields else run.actions
    _check_actions(actions)
    if output is not None:
        _fill_output(output, run)
    run.status = status
    run.conclusion = (conclusion or run.conclusion) if status == "completed" else None
    if "started_at" in call.fields:
        run.started_at = instant(call.string("started_at"))
    if status == "completed":
        given = call.string_or_none("completed_at")
        run.completed_at = instant(given) if given else run.completed_at or call.state.now()
    run.actions = actions


def _fill_output(output: Mapping[str, Any], run: CheckRun) -> None:
    annotations = output.get("annotations", [])
    if len(annotations) > 50:
        raise Refusal.unprocessable('Invalid request.\n\nNo more than 50 items are allowed in "annotations".')
    title, summary, text = (output.get(name) for name in ("title", "summary", "text"))
    if not title and run.title is None:
        raise Refusal.unprocessable('Invalid request.\n\n"title" wasn\'t supplied.')
    if not summary and run.summary is None:
        raise Refusal.unprocessable('Invalid request.\n\n"summary" wasn\'t supplied.')
    for name, value in (("summary", summary), ("text", text)):
        if value is not None and len(value) > _MAX_TEXT:
            raise Refusal.unprocessable(
                f"Invalid request.\n\nOnly {_MAX_TEXT} characters are allowed; {len(value)} were supplied for '{name}'."
            )
    run.title, run.summary, run.text = title or run.title, summary or run.summary, text or run.text
    run.annotations += len(annotations)


def _check_actions(actions: tuple[Mapping[str, Any], ...]) -> None:
    if len(actions) > 3:
        raise Refusal.unprocessable('Invalid request.\n\nNo more than 3 items are allowed in "actions".')
    for action in actions:
        for name, most in _BUTTON.items():
            value = action.get(name)
            if not isinstance(value, str):
                raise Refusal.unprocessable(f'Invalid request.\n\n"{name}" wasn\'t supplied.')
            if len(value) > most:
                raise Refusal.unprocessable(
                    f"Invalid request.\n\nOnly {most} characters are allowed; {len(value)} were supplied."
                )
