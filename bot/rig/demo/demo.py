"""`ampbot demo`: a comment becomes a pull request on this machine, shown as it happens."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from bot.model import Problem
from bot.rig.amp.sample import SAMPLE, SAMPLE_ASK, SAMPLE_ISSUE_BODY, SAMPLE_ISSUE_TITLE
from bot.rig.demo import result
from bot.rig.demo.result import Comment, Result, Seconds
from bot.rig.e2b.server import E2B
from bot.rig.github.git import head_of
from bot.rig.rig import AMP_KEY, SLUG, Rig

OWNER = "octo"
SAMPLE_NAME = f"{OWNER}/paging"
USER = "mona"
FIRST_ASK = "/amp say what this repository is about"
RUN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Options:
    repo: str | None = None
    ask: str | None = None
    agent: str = "scripted"  # scripted | amp
    sandbox: str = "local"  # local | e2b
    github: str = "local"  # local | live
    json: bool = False
    keep: bool = False
    accept_host_access: bool = False
    amp_key: str = ""


def refusal(options: Options) -> Problem | None:
    """Why these options cannot work together, or are unsafe."""
    if options.agent not in ("scripted", "amp") or options.sandbox not in ("local", "e2b"):
        return Problem("--agent is scripted or amp, and --sandbox is local or e2b.")
    if options.github not in ("local", "live"):
        return Problem("--github is local or live.")
    if options.sandbox == "e2b" and options.github != "live":
        return Problem(
            "A real sandbox cannot reach a GitHub on this machine's loopback: --sandbox e2b needs "
            "--github live --repo OWNER/NAME."
        )
    if options.github == "live":
        named = options.repo is not None and options.repo.count("/") == 1 and not Path(options.repo).exists()
        return (
            None if named else Problem("--github live needs --repo OWNER/NAME, a repository the App is installed on.")
        )
    if options.agent == "amp" and not options.accept_host_access:
        return Problem(
            "--agent amp with --sandbox local runs the real Amp on this machine, with your user's rights and network. "
            "If that is what you want, add --i-accept-host-access."
        )
    if options.agent == "amp" and shutil.which("amp") is None:
        return Problem("--agent amp needs the `amp` program on this machine's PATH: npm install -g @ampcode/cli.")
    if options.agent == "amp" and not options.amp_key:
        return Problem("--agent amp needs AMP_API_KEY in the environment.")
    return repository_problem(options.repo) if options.repo is not None else None


def repository_problem(repo: str) -> Problem | None:
    path = Path(repo)
    if not path.is_dir():
        return Problem(f"--repo {repo}: there is no such folder.")
    if not any((path / name).exists() for name in (".git", "HEAD")):
        return Problem(f"--repo {repo}: this is not a git repository.")
    if head_of(path) is None:
        return Problem(f"--repo {repo}: this repository has no commit yet, so there is nothing to start from.")
    return None


def demo(options: Options) -> int:
    """Run it; the exit code is 0 only if the pull request exists."""
    console = Console(stderr=options.json, highlight=False)
    if problem := refusal(options):
        console.print(f"[red]{escape(problem.message)}[/]")
        return 2
    if options.github == "live":
        from bot.rig.demo.live import live

        return live(
            options.repo or "",
            options.ask,
            local_sandbox=options.sandbox == "local",
            as_json=options.json,
            console=console,
        )
    with tempfile.TemporaryDirectory(prefix="ampbot-demo-") as folder:
        rig = Rig(Path(folder), amp_key=options.amp_key or AMP_KEY)
        if options.agent == "amp":
            rig.template = "amp-host"
            rig.e2b = E2B(isolated=False)
            rig.e2b.add_template("amp-host", _host_amp(shutil.which("amp") or "amp"))
        with rig:
            shown = _Show(console, rig)
            repository, number = _start(rig, options, shown)
            made = _play(rig, repository, number, options.ask, shown)
            _close(console, rig, repository, made)
            if options.keep:
                _keep(console, rig, repository, number)
    if options.json:
        print(made.json(), flush=True)
    return 0 if made.pull_request is not None else 1


def _start(rig: Rig, options: Options, shown: _Show) -> tuple[str, int]:
    """Set up a repository and start the bot: the repository's name and the issue's number."""
    name = create_scenario(rig, options.repo)
    shown.line(f"GitHub at {rig.github.url}, E2B at {rig.e2b.url}, repository {name}")
    rig.serve()
    shown.line(f"ampbot serves at {rig.bot.url} (process {rig.bot.pid})")
    title, body = (SAMPLE_ISSUE_TITLE, SAMPLE_ISSUE_BODY) if not options.repo else ("Try ampbot", "Does it work here?")
    number = rig.github.open_issue(name, USER, title, body).number
    rig.wait_idle()
    shown.line(f"issue #{number}: {title}")
    return name, number


def create_scenario(rig: Rig, repo: str | None) -> str:
    """Copy the sample or a local repository, install the App on it, and give a user write access. Returns its name."""
    rig.github.create_user(OWNER, kind="Organization")
    rig.github.create_user(USER)
    if repo is None:
        name = SAMPLE_NAME
        rig.github.create_repository(name, files=_sample())
    else:
        source = Path(repo).resolve()
        name = f"{OWNER}/{re.sub(r'[^A-Za-z0-9._-]', '-', source.name.removesuffix('.git')) or 'repository'}"
        rig.github.create_repository(name, source=source)
    rig.github.set_permission(name, USER, "write")
    rig.github.install(rig.app, [name])
    return name


def _sample() -> dict[str, tuple[str, bytes]]:
    """The sample's files: path -> (mode, content)."""
    return {
        path.relative_to(SAMPLE).as_posix(): ("100755" if os.access(path, os.X_OK) else "100644", path.read_bytes())
        for path in sorted(SAMPLE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _host_amp(program: str) -> Callable[[Path], None]:
    """A template whose `amp` is the one installed on this machine."""

    def seed(home: Path) -> None:
        folder = home / ".local" / "bin"
        folder.mkdir(parents=True)
        (folder / "amp").write_text(f'#!/bin/sh\nexec {shlex.quote(program)} "$@"\n')
        (folder / "amp").chmod(0o755)
        (home / ".bash_profile").write_text('export PATH="$HOME/.local/bin:$PATH"\n')

    return seed


def _play(rig: Rig, repository: str, number: int, ask: str | None, shown: _Show) -> Result:
    text = ask or (SAMPLE_ASK if repository == SAMPLE_NAME else FIRST_ASK)
    if not text.lstrip().startswith(("/amp", f"@{SLUG}")):
        text = f"/amp {text}"
    github_mark = len(rig.github.server.request_log.entries)
    sandbox_mark = len(rig.e2b.server.request_log.entries)
    shown.start()
    started = time.time()
    rig.github.comment(repository, number, USER, text)
    shown.line(f"{USER} comments: {text.splitlines()[0]}")
    with shown.following(repository, number):
        rig.wait("the run to end", lambda: _ended(rig), RUN_SECONDS)
    rig.wait_idle()
    total = time.time() - started
    pull = rig.query("SELECT pull FROM runs")[0]["pull"]
    with rig.github.state.lock:
        repo = rig.github.state.repository(repository)
        assert repo is not None
        said = tuple(Comment(c.author.account.login, c.body) for c in repo.issues[number].comments.values())
    return Result(
        pull_request=result.pull_request(rig, repository, pull) if pull else None,
        comments=said,
        github_requests=len(result.api_requests(rig, github_mark)),
        sandbox_requests=len(rig.e2b.server.request_log.since(sandbox_mark)),
        seconds=_seconds(rig, github_mark, started, total),
    )


def _ended(rig: Rig) -> bool:
    rows = rig.query("SELECT ended_at FROM runs")
    return bool(rows) and all(row["ended_at"] for row in rows)


def _seconds(rig: Rig, mark: int, started: float, total: float) -> Seconds:
    said = result.moments(rig.bot.log)
    entries = rig.github.server.request_log.since(mark)
    acks = [e.at + e.seconds for e in entries if e.method == "POST" and e.path.endswith(("/reactions", "/comments"))]
    pulls = [e.at + e.seconds for e in entries if e.method == "POST" and e.path.endswith("/pulls")]
    begun, ended = said.get("agent at work"), said.get("agent ended")

    def between(first: float | None, second: float | None) -> float | None:
        return round(second - first, 3) if first is not None and second is not None else None

    return Seconds(
        comment_to_ack=between(started, min(acks, default=None)),
        comment_to_agent=between(started, begun),
        agent=between(begun, ended),
        agent_to_pr=between(ended, min(pulls, default=None)),
        total=round(total, 3),
    )


class _Show:
    """Prints lines with the time since the comment."""

    def __init__(self, console: Console, rig: Rig) -> None:
        self._console = console
        self._rig = rig
        self._started: float | None = None

    def start(self) -> None:
        self._started = time.monotonic()

    def line(self, text: str, style: str = "") -> None:
        clock = "      " if self._started is None else f"{time.monotonic() - self._started:5.1f}s"
        body = escape(text)
        self._console.print(f"[dim]{clock}[/]  {f'[{style}]{body}[/]' if style else body}")

    @contextmanager
    def following(self, repository: str, number: int) -> Iterator[None]:
        """Show what the bot and the agent do until the block ends."""
        from bot.rig.demo.watch import Watch

        watch = Watch(self._rig, repository, number, self.line)
        watch.start()
        try:
            yield
        finally:
            watch.stop()


def _close(console: Console, rig: Rig, repository: str, made: Result) -> None:
    pull = made.pull_request
    if pull is None:
        console.print("\n[yellow]No pull request. ampbot's comment says why:[/]\n")
        console.print(escape(made.comments[-1].body if made.comments else "(no comment)"))
        return
    with rig.github.state.lock:
        repo = rig.github.state.repository(repository)
        assert repo is not None
        diff = repo.bare.run("diff", "--no-color", f"{pull.commit}^", pull.commit).decode("utf-8", "replace")
    lines = diff.splitlines()
    console.print()
    console.print(Syntax("\n".join(lines[:60]), "diff", background_color="default"))
    if len(lines) > 60:
        console.print(f"[dim]… {len(lines) - 60} more lines[/]")
    seconds = made.seconds
    console.print(f"\n[green]Pull request #{pull.number}[/]: {escape(pull.title)}\n  {pull.url}")
    console.print(
        f"  {seconds.total:.1f} s in all: {seconds.comment_to_ack} s to the first sign, {seconds.comment_to_agent} s "
        f"to the agent, {seconds.agent} s of agent, {seconds.agent_to_pr} s to the pull request"
    )
    console.print(f"  {made.github_requests} requests to GitHub, {made.sandbox_requests} to the sandbox")


def _keep(console: Console, rig: Rig, repository: str, number: int) -> None:
    console.print(f"\nIt stays up. Look at {rig.github.url}/{repository}/issues/{number}; end it with Ctrl-C.")
    try:
        while rig.bot.running:
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("Ended.")
