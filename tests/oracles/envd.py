"""Asks an envd: commands, files and signals in a sandbox, as the SDK asks for them.

https://github.com/e2b-dev/infra/tree/main/packages/envd/spec
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from tests.oracles.record import Json

_PATIENCE = 60.0  # seconds for one answer


class Envd:
    """`headers` name the sandbox and hold its token. Each operation has a folder of its own in the home."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._client = httpx.Client(base_url=url, headers=dict(headers), timeout=_PATIENCE)
        self._pids: dict[str, int] = {}  # tag -> process id
        self._count = 0

    def close(self) -> None:
        self._client.close()

    def ask(self, steps: Sequence[Json]) -> list[Json]:
        """The answers to the steps, in order, without ids and times. A step is one of:

        `run` (a command of the shell; `timeout` in seconds; `user`, `cwd`, `envs`, `stdin`; with `tag` it is left
        running), `connect` (a tag), `rpc` (with its `message`), or `http` (a method and a path; `headers`, `text`;
        `show` names headers of the answer). $HERE in a step is the operation's folder, and $PID:TAG the
        process of this tag.
        """
        self._count += 1
        here = f"/home/user/oracle/{self._count}"
        self._run({"run": f"mkdir -p {here}", "cwd": "/home/user"})
        self._pids.clear()
        try:
            answers = [self._step(self._filled(step, here)) for step in steps]
        finally:
            for pid in self._pids.values():
                kill = {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"}
                self._client.post("/process.Process/SendSignal", json=kill)
        return [json.loads(json.dumps(answer).replace(here, "$HERE")) for answer in answers]

    def _filled(self, step: Json, here: str) -> Json:
        text = json.dumps(step).replace("$HERE", here)
        return json.loads(re.sub(r'"\$PID:(\w+)"', lambda match: str(self._pids[match[1]]), text))

    def _step(self, step: Json) -> Json:
        if "run" in step:
            return self._run(step)
        if "connect" in step:
            return self._stream("process.Process/Connect", {"process": {"tag": step["connect"]}}, step)
        if "rpc" in step:
            answer = self._client.post(f"/{step['rpc']}", json=step["message"], headers=step.get("headers", {}))
            return {"status": answer.status_code, "body": _without_ids(_body(answer))}
        method, _, path = step["http"].partition(" ")
        content = step["text"].encode() if "text" in step else None
        answer = self._client.request(method, path, content=content, headers=step.get("headers", {}))
        shown = {name: answer.headers.get(name) for name in step.get("show", ())}
        return {"status": answer.status_code, **shown, "body": _without_ids(_body(answer))}

    def _run(self, step: Json) -> Json:
        process = {
            "cmd": "/bin/bash",
            "args": ["-l", "-c", step["run"]],
            "cwd": step.get("cwd", "$HERE").replace("$HERE", f"/home/user/oracle/{self._count}"),
            "envs": step.get("envs", {}),
        }
        message = {"process": process, "stdin": step.get("stdin", False)}
        message |= {name: step[name] for name in ("tag", "pty") if name in step}
        return self._stream("process.Process/Start", message, step)

    def _stream(self, call: str, message: Json, step: Json) -> Json:
        """What a stream says: its output joined, and its end. With a `tag` it is left once the process has begun."""
        headers = {"content-type": "application/connect+json", "connect-protocol-version": "1"}
        if "timeout" in step:
            headers["connect-timeout-ms"] = str(int(step["timeout"] * 1000))
        if "user" in step:
            headers["authorization"] = "Basic " + base64.b64encode(f"{step['user']}:".encode()).decode()
        body = json.dumps(message).encode()
        said: dict[str, bytes] = {}
        answer: dict[str, Any] = {}
        content = struct.pack(">BI", 0, len(body)) + body
        with self._client.stream("POST", f"/{call}", content=content, headers=headers) as stream:
            if stream.status_code != 200:
                stream.read()
                return {"status": stream.status_code, "body": _without_ids(_body(stream))}
            for flag, event in _envelopes(stream):
                if flag & 2:
                    answer |= event
                    break
                ((kind, what),) = event["event"].items()
                if kind == "start" and "tag" in step:
                    self._pids[step["tag"]] = what["pid"]
                    return {"started": True}
                if kind == "data":
                    ((name, data),) = what.items()
                    said[name] = said.get(name, b"") + base64.b64decode(data)
                if kind == "end":
                    answer |= {"end": what}
        return {name: data.decode("utf-8", "replace") for name, data in sorted(said.items())} | answer


def _envelopes(stream: httpx.Response) -> Iterator[tuple[int, Json]]:
    """https://connectrpc.com/docs/protocol/#streaming-rpcs"""
    rest = b""
    for piece in stream.iter_bytes():
        rest += piece
        while len(rest) >= 5:
            flag, size = struct.unpack(">BI", rest[:5])
            if len(rest) < 5 + size:
                break
            yield flag, json.loads(rest[5 : 5 + size])
            rest = rest[5 + size :]


def _body(answer: httpx.Response) -> Json:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def _without_ids(value: Json) -> Json:
    """The process ids and times are another each time, and so is the size of a folder."""
    if isinstance(value, list):
        return [_without_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _without_ids(each) for name, each in value.items()}
    if plain.get("type") == "FILE_TYPE_DIRECTORY":
        plain.pop("size", None)
    return plain | {name: name.upper() for name in ("pid", "modifiedTime") if name in plain}
