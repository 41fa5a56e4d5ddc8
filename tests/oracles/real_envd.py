"""Runs the real envd, built from its public source, where it can harm nothing.

It starts every command as whoever is named, root included, and writes anywhere. So it gets a network of its own that
has nothing but loopback, its own process ids, and a file system that it can change in /home, /root, /run and /tmp only.
Needs root.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from tests.oracles.envd import Envd
from tests.oracles.record import FOLDER, Json

_TOKEN = "oracle"
_PORT = 49983
_START_SECONDS = 20.0

# $1: a folder for what it may change. Then the command. The user is that of E2B's templates.
_SETUP = """
set -e
folder=$1; shift
mkdir -p "$folder/home/user" "$folder/root" "$folder/run" "$folder/tmp"
chmod 755 "$folder" "$folder/home"; chmod 1777 "$folder/tmp"; chown 1000:1000 "$folder/home/user"
grep -v -e '^user:' -e ':x:1000:' /etc/passwd > "$folder/passwd"
echo 'user:x:1000:1000::/home/user:/bin/bash' >> "$folder/passwd"
grep -v -e '^user:' -e ':x:1000:' /etc/group > "$folder/group"
echo 'user:x:1000:' >> "$folder/group"
for kept in $KEPT; do
    mkdir -p "$folder$kept"
    mount --rbind "$kept" "$folder$kept"
done
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/group" /etc/group
for top in home root run tmp; do mount --rbind "$folder/$top" "/$top"; done
mount -o remount,bind,ro /
exec "$@"
"""


def ask(binary: Path, asks: Sequence[Json]) -> tuple[str, list[Json]]:
    """The version of this envd, and its answers. Raises RuntimeError with a sentence if it does not start."""
    if os.geteuid() != 0:
        raise RuntimeError("the real envd is asked in namespaces of its own, for which you must be root")
    if os.nice(0):
        raise RuntimeError("envd starts each command with a niceness of 0: ask it without `nice`")
    top = str(FOLDER.parents[1])
    needed = {top, os.path.realpath(sys.base_prefix), sys.prefix, str(binary.resolve().parent)}
    hidden = ("/home/", "/root/", "/run/", "/tmp/")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("/bin/sh", "-c", _SETUP, "sh", folder),
                *(sys.executable, "-m", "tests.oracles.real_envd", str(binary.resolve())),
            ],
            input=json.dumps(list(asks)),
            stdout=subprocess.PIPE,
            text=True,
            cwd=top,
            env={**os.environ, "KEPT": " ".join(sorted(path for path in needed if path.startswith(hidden)))},
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the real envd was not asked to the end (exit code {done.returncode})")
    said = json.loads(done.stdout)
    return said["version"], said["answers"]


def main() -> None:
    """Inside the namespaces: start it, ask what standard input says, print the answers."""
    asks, binary = json.load(sys.stdin), sys.argv[1]
    _loopback_up()
    version = subprocess.run([binary, "-version"], capture_output=True, text=True, check=True).stdout.strip()
    with (
        Path("/tmp/envd.log").open("wb") as log,
        subprocess.Popen([binary, "-isnotfc", "-no-cgroups", "-port", str(_PORT)], stdout=log, stderr=log) as real,
    ):
        url = f"http://127.0.0.1:{_PORT}"
        _begin(url)
        envd = Envd(url, {"x-access-token": _TOKEN})
        answers = [envd.ask(each) for each in asks]
        envd.close()
        real.kill()
    json.dump({"version": version, "answers": answers}, sys.stdout)


def _begin(url: str) -> None:
    body = {"accessToken": _TOKEN, "defaultUser": "user", "defaultWorkdir": "/home/user"}
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with suppress(httpx.TransportError):
            httpx.post(f"{url}/init", json=body).raise_for_status()
            return
        if time.monotonic() > deadline:
            raise RuntimeError("envd does not answer")
        time.sleep(0.05)


def _loopback_up() -> None:
    """https://man7.org/linux/man-pages/man7/netdevice.7.html"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


if __name__ == "__main__":
    main()
