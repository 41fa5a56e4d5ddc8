"""Shows a run as it happens: the bot's requests to GitHub, and the agent's messages."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bot.agent.stream import Stream, Text, ToolUse
from bot.rig.http.request_log import Entry
from bot.rig.rig import Rig

Say = Callable[[str, str], None]

# The requests to show, by the end of their path.
_WORTH = (
    ("POST", "/reactions", "👀 on the comment"),
    ("POST", "/comments", "progress comment posted"),
    ("POST", "/git/trees", "tree made"),
    ("POST", "/git/commits", "commit made, signed by GitHub as the App's"),
    ("POST", "/git/refs", "branch created"),
    ("POST", "/pulls", "pull request opened"),
    ("POST", "/git-upload-pack", "the sandbox fetches, with a token that can only read"),
)


class Watch:
    """Polls the request log and the transcript in its own thread."""

    def __init__(self, rig: Rig, repository: str, number: int, say: Callable[..., None]) -> None:
        self._rig = rig
        self._where = f"{repository}#{number}"
        self._say = say
        self._seen = len(rig.github.server.request_log.entries)
        self._sandboxes = len(rig.e2b.records)
        self._lines = 0
        self._tokens = 0
        self._fetched = False
        self._stream = Stream()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {self._where}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._poll()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            self._poll()

    def _poll(self) -> None:
        for sandbox in self._rig.e2b.records[self._sandboxes :]:
            self._sandboxes += 1
            self._say(f"sandbox {sandbox.id} from template {sandbox.options.template}")
        for entry in self._rig.github.server.request_log.since(self._seen):
            self._seen = max(self._seen, entry.number)
            self._request(entry)
        lines = self._rig.query("SELECT line FROM transcript WHERE sequence >= :n ORDER BY sequence", n=self._lines)
        for row in lines:
            self._lines += 1
            for event in self._stream.feed(row["line"].encode() + b"\n"):
                if isinstance(event, ToolUse):
                    self._say(f"  amp  {event.name} {event.summary}"[:110], "cyan")
                elif isinstance(event, Text):
                    self._say(f"  amp  {event.text.splitlines()[0] if event.text.strip() else ''}"[:110], "cyan")

    def _request(self, entry: Entry) -> None:
        if entry.method == "DELETE" and entry.path.endswith("/installation/token"):
            self._tokens += 1
            self._say("read-only token revoked; Amp starts" if self._tokens == 1 else "write token revoked")
        for method, end, what in _WORTH:
            if entry.method == method and entry.path.endswith(end) and (entry.status or 0) < 400:
                if end == "/git-upload-pack":
                    if self._fetched:
                        return
                    self._fetched = True
                self._say(what)
