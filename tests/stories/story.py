"""A story: a repository on a shared rig, with methods to act as its users and to query its state."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.rig.github.records import Comment, Installation, Pull, Repository, Review
from bot.rig.rig import PATIENCE, SLUG, Rig

MAINTAINER = "mona"
STRANGER = "eve"
BOT = f"{SLUG}[bot]"
# Where a script says so, the agent stands still until the story settles: on a slow machine seconds are over too soon.
HELD = "run: until [ -e ~/go ]; do sleep 0.1; done"
# The agent never gets further: somebody ends it.
ENDLESS = "wait 3000"

FILES: Mapping[str, Any] = {
    "README.md": "# Pages\n",
    "app.py": "def answer():\n    return 41\n",
    "bin/run": ("100755", b"#!/bin/sh\necho run\n"),
    "docs/guide.md": "Guide\n",
}

_numbers = itertools.count(1)


@dataclass(slots=True)
class Story:
    rig: Rig
    repo: Repository
    installation: Installation

    @classmethod
    def begin(cls, rig: Rig, files: Mapping[str, Any] | None = FILES, *, private: bool = False, **more: Any) -> Story:
        number = next(_numbers)
        owner = f"octo{number}"
        repo = rig.github.create_repository(f"{owner}/pages", files=files, private=private, **more)
        for login, role in ((MAINTAINER, "write"), (STRANGER, "none" if private else "read")):
            if rig.github.state.account(login) is None:
                rig.github.create_user(login)
            rig.github.set_permission(repo, login, role)
        return cls(rig, repo, rig.github.install(rig.app, [repo]))

    # --- actions ---

    def issue(self, title: str = "The answer is wrong", body: str = "It should be 42.", by: str = MAINTAINER) -> int:
        return self.rig.github.open_issue(self.repo, by, title, body).number

    def say(self, number: int, text: str, by: str = MAINTAINER) -> Comment:
        return self.rig.github.comment(self.repo, number, by, text)

    def pull(self, files: Mapping[str, Any], *, branch: str = "feature", title: str = "A feature") -> Pull:
        self.rig.github.push_commit(self.repo, branch, files, MAINTAINER)
        return self.rig.github.open_pull(self.repo, MAINTAINER, branch, title, "What it does.")

    def settle(self, seconds: float = PATIENCE) -> Story:
        """Let the agents go on that are held, and wait until the bot is idle."""
        for sandbox in list(self.rig.e2b.sandboxes.values()):
            if sandbox.live and sandbox.options.metadata["repository"] == str(self.repo.id):
                (sandbox.home / "go").touch()
        self.rig.wait_idle(seconds)
        return self

    def until(self, what: str, holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        return self.rig.wait(what, holds, seconds)

    def seconds_pass(self, count: int = 1) -> None:
        """Until a time that GitHub tells, in whole seconds, is later by so many."""
        until = int(time.time()) + count
        while time.time() < until:
            time.sleep(0.02)

    # --- looks ---

    def comments(self, number: int) -> list[Comment]:
        return list(self.repo.issues[number].comments.values())

    def from_bot(self, number: int) -> list[str]:
        return [c.body for c in self.comments(number) if c.author.account.login == BOT]

    def only_answer(self, number: int) -> str:
        """The one comment the bot wrote here."""
        (body,) = self.from_bot(number)
        return body

    def pulls(self) -> list[Pull]:
        return self.repo.pulls

    def only_pull(self) -> Pull:
        (pull,) = self.repo.pulls
        return pull

    def reviews(self, number: int) -> list[Review]:
        pull = self.repo.issues[number].pull
        assert pull is not None
        return list(pull.reviews.values())

    def branches(self) -> dict[str, str]:
        return {name.removeprefix("refs/heads/"): oid for name, oid in self.repo.bare.refs("refs/heads").items()}

    def files(self, revision: str) -> dict[str, tuple[str, bytes]]:
        """Every file of a commit: path -> (mode, content)."""
        tree = self.repo.bare.commit(revision).tree
        return {
            entry.path: (entry.mode, self.repo.bare.blob(entry.oid))
            for entry in self.repo.bare.entries(tree, recursive=True)
            if entry.kind == "blob"
        }

    def reactions(self, comment: Comment) -> list[tuple[str, str]]:
        """Sorted: the effects of one delivery are performed side by side."""
        return sorted((reaction.account.login, reaction.content) for reaction in comment.reactions)

    def runs(self) -> list[dict[str, Any]]:
        """The bot's rows for this repository, oldest first."""
        return self.rig.query("SELECT * FROM runs WHERE repository = :id ORDER BY created_at", id=self.repo.id)

    def states(self) -> list[str]:
        return [row["state"] for row in self.runs()]

    def endings(self) -> list[tuple[str, str]]:
        """(state, the sentence in the bot's own row) of each run: there also where GitHub takes no comment."""
        decided = [json.loads(row["ending"]) for row in self.runs()]
        return [(ending["state"], ending["say"]) for ending in decided]

    def kept(self) -> tuple[list[str], bool]:
        """The artifacts of the one run, and whether its transcript goes to the agent's end."""
        (run,) = self.runs()
        names = self.rig.query(
            "SELECT name FROM artifacts WHERE name <> 'paths' AND run = :run ORDER BY name", run=run["id"]
        )
        lines = self.rig.query("SELECT line FROM transcript WHERE run = :run ORDER BY sequence", run=run["id"])
        return [row["name"] for row in names], bool(lines) and json.loads(lines[-1]["line"])["type"] == "result"

    def prompt(self) -> str:
        """The prompt of the newest run, as the agent repeats it in its stream."""
        rows = self.rig.query(
            "SELECT line FROM transcript WHERE run = :run ORDER BY sequence", run=self.runs()[-1]["id"]
        )
        events = [json.loads(row["line"]) for row in rows]
        prompt: str = next(event for event in events if event["type"] == "user")["message"]["content"][0]["text"]
        return prompt

    def change(self) -> dict[str, tuple[str, bytes]]:
        """What the one pull request adds or alters: path -> (mode, content). It deletes nothing."""
        before = self.files(self.branches()[self.repo.default_branch])
        after = self.files(self.only_pull().head_sha)
        assert set(before) <= set(after)
        return {path: entry for path, entry in after.items() if before.get(path) != entry}

    def requests(self, since: int = 0) -> list[str]:
        """`METHOD path` of the bot's API requests that name this repository, after request log number `since`."""
        return [
            f"{entry.method} {entry.path.removeprefix(f'/api/v3/repos/{self.repo.full_name}')}"
            for entry in self.rig.github.server.request_log.since(since)
            if self.repo.full_name in entry.path and entry.path.startswith("/api/")
        ]

    def mark(self) -> int:
        entries = self.rig.github.server.request_log.entries
        return entries[-1].number if entries else 0
