"""Asks an Amp command line: a command with its standard input and its key, and what it writes and exits with.

Amp's server is played here on loopback, as far as the checks before a turn ask it: the API key selects the answer.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.oracles.record import Json

# Three threads that the server knows of, whoever asks.
MISSING = "T-019c479a-39cc-72af-a2d1-65a965c076e0"
ARCHIVED = "T-019c479a-39cc-72af-a2d1-65a965c076e1"
FOREIGN = "T-019c479a-39cc-72af-a2d1-65a965c076e2"
_PATIENCE = 20.0  # seconds; what has not ended by then is waiting for something that does not come
_NOWHERE = "https://amp.invalid/"  # a name that is never there: https://www.rfc-editor.org/rfc/rfc6761#section-6.4
_SERVER = re.compile(r"http://127\.0\.0\.1:\d+/|https://amp\.invalid/")


class Amp:
    """`command` starts it. `env` is added to the few variables that it gets."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], server: str) -> None:
        self._command = command
        self._env = env
        self._server = server

    def ask(self, ask: Json, patience: float = _PATIENCE) -> Json:
        """Run it as `ask` says. The answer has no address, token or path of this machine.

        `args`; `key` (without: there is none); `stdin` (without: /dev/null); `bytes` for a standard input that is no
        text, as Latin-1; `show`: `options`, for the options alone that a help names.
        """
        with tempfile.TemporaryDirectory() as temporary:
            home, folder = Path(temporary, "home"), Path(temporary, "folder")
            home.mkdir()
            folder.mkdir()
            code, stdout, stderr = self._run(ask, home, folder, patience)
        if ask.get("show") == "options":
            return {"code": code, "options": sorted(set(re.findall(r"^ {2}(?:-\w, )?(--?[a-z][a-z-]+)", stdout, re.M)))}
        return {"code": code, "stdout": _plain(stdout, temporary), "stderr": _plain(stderr, temporary)}

    def _run(self, ask: Json, home: Path, folder: Path, patience: float) -> tuple[int | str, str, str]:
        offline = ask.get("key") == "sgamp_offline"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AMP_URL": _NOWHERE if offline else self._server,
            **({"AMP_API_KEY": ask["key"]} if "key" in ask else {}),
            **self._env,
        }
        given = ask["bytes"].encode("latin-1") if "bytes" in ask else ask.get("stdin", "").encode()
        silent = "bytes" not in ask and "stdin" not in ask
        with subprocess.Popen(
            [*self._command, *ask["args"]],
            stdin=subprocess.DEVNULL if silent else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=env,
        ) as process:
            code: int | str
            try:
                out, err = process.communicate(None if silent else given, timeout=patience)
                code = process.returncode
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                code = "waits"
        return code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _plain(text: str, folder: str) -> str:
    text = _SERVER.sub("SERVER/", text).replace(folder, "FOLDER")
    text = re.sub(r"(authToken=)[0-9a-f]+", r"\1TOKEN", text)
    text = re.sub(r"(callbackPort=)\d+", r"\1PORT", text)
    text = re.sub(r", \d+\w+ ago\)", ", AGE ago)", text)
    text = re.sub(r"\(Did you mean .*\?\)\n", "", text)
    return re.sub(r"T-(?!019c479a-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "THREAD", text)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        key = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        status, answer = _answer(self.path, key, body.decode("utf-8", "replace"))
        if not status:
            threading.Event().wait(_PATIENCE + 1)
            return
        data = answer.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _answer(path: str, key: str, body: str) -> tuple[int, str]:
    """Status 0: there is no answer. The shapes are those that the program accepts."""
    refused = {
        "sgamp_401": (401, "auth-required", "Invalid API key"),
        "sgamp_402": (402, "insufficient-credits", "insufficient-credits"),
        "sgamp_429": (429, "rate-limit-exceeded", "rate-limit-exceeded"),
    }
    if key == "sgamp_silent":
        return 0, ""
    if key == "sgamp_malformed":
        return 200, _ok({"id": 7} if "getUserInfo" in path else 7)
    if key == "sgamp_500":
        return 500, "Internal Server Error"
    if key in refused:
        status, code, message = refused[key]
        return status, json.dumps({"ok": False, "error": {"code": code, "message": message}})
    thread = next((each for each in (ARCHIVED, FOREIGN) if each in path + body), None)
    if "getUserInfo" in path:
        return 200, _ok({"id": "user_1", "email": "rig@example.com", "username": "rig", "features": [], "team": None})
    if "loadPlugins" in path or "loadSkills" in path:
        return 200, _ok([])
    if "getThread" in path and thread is not None:
        data = {"v": 3, "id": thread, "created": 1_795_828_109_023, "messages": [], "agentMode": "medium"}
        data |= {"creatorUserID": "user_1" if thread == ARCHIVED else "user_2", "archived": thread == ARCHIVED}
        shape = {"thread": {"id": thread, "data": data}, "messages": [], "hasMore": False, "firstMessageIndex": 0}
        return 200, _ok(shape)
    if "thread-actors" in path:
        return 403, json.dumps({"ok": False, "error": {"code": "permission-denied", "message": "Forbidden"}})
    missing = {"code": "thread-not-found", "message": "Thread not found"}
    return 200, json.dumps({"ok": False, "error": missing})


def _ok(result: Json) -> str:
    return json.dumps({"ok": True, "result": result})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """The program leaves connections open as it ends."""


@contextmanager
def server() -> Iterator[str]:
    """The address of Amp's server."""
    with _Server(("127.0.0.1", 0), _Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/"
        finally:
            running.shutdown()
