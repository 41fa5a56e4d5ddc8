"""`ampbot rig`: serves the stand-ins alone, for a bot that is started by hand."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from bot.rig.demo.demo import USER, create_scenario, repository_problem
from bot.rig.http.faults import FaultTable, from_json
from bot.rig.rig import Rig


def serve(repo: str | None, faults: tuple[str, ...], sandbox_faults: tuple[str, ...], webhook: str) -> int:
    """Serve until SIGINT or SIGTERM. Exit code 2 if an argument is invalid."""
    if repo is not None and (problem := repository_problem(repo)):
        print(problem.message, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="ampbot-rig-") as folder, Rig(Path(folder)) as rig:
        try:
            _add(rig.github.server.faults, faults)
            _add(rig.e2b.server.faults, sandbox_faults)
        except ValueError as error:
            print(f"Invalid fault: {error}", file=sys.stderr)
            return 2
        name = create_scenario(rig, repo)
        rig.github.set_hook(rig.app, webhook, rig.secret)
        number = rig.github.open_issue(name, USER, "Try ampbot", "Does it work here?").number
        print("# Settings for the bot (.env):")
        for variable, value in rig.environment.items():
            if variable != "AMPBOT_DATABASE_URL":
                print(f"{variable}={value}")
        token = rig.github.personal_token(USER)
        print(f"\n# {USER} may write to {name}. To comment as this user:")
        print(
            f"curl -H 'Authorization: Bearer {token}' -d '{json.dumps({'body': '/amp append README.md: hello'})}' "
            f"{rig.github.api_url}/repos/{name}/issues/{number}/comments"
        )
        print(f"\n# To look at: {rig.github.url}/{name}/issues/{number}")
        print(f"# Here, {rig.e2b.note}.")
        print(f"# Request logs and faults: {rig.github.url}/_rig/journal, {rig.e2b.url}/_rig/faults. Ctrl-C ends it.")
        try:
            # Scripts end it so: a shell lets its background jobs ignore SIGINT. Either way, the folder is removed.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            sys.stdout.flush()  # whoever reads it may interrupt at once
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def _add(table: FaultTable, texts: tuple[str, ...]) -> None:
    """Raises: ValueError with a sentence."""
    for text in texts:
        try:
            read = json.loads(text)
        except ValueError:
            raise ValueError(f"{text!r} is not JSON") from None
        table.add(*(from_json(one) for one in (read if isinstance(read, list) else [read])))
