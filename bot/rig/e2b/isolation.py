"""Isolates the commands of a sandbox: private /home, /root, /tmp and process ids where Linux allows it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.rig.e2b.templates import AMP_PROGRAM
from bot.rig.e2b.tree import HOME, TOPS

_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT_SECONDS = 10.0  # seconds for a namespace to come up

# Runs as process 1 of a sandbox. The mounts over /home, /root and /tmp come last, because they may hide the sandbox's
# folder. Process 1 ends when its standard input closes, so a sandbox never outlives the stand-in, even if that is
# killed. When process 1 ends, the kernel ends every process of the sandbox, including daemons. Its `wait` also reaps
# orphaned processes.
_INIT = """
set -e
folder=$1 profile=$2
shift 2
for kept; do
    mount --rbind "$kept" "$folder$kept"
    mount -o remount,bind,ro "$folder$kept" 2>/dev/null || :
done
if [ -e /etc/profile ]; then mount --bind "$profile" /etc/profile; fi
if [ -e /etc/gitconfig ]; then mount --bind /dev/null /etc/gitconfig; fi
mount --rbind "$folder/home" /home
mount --rbind "$folder/root" /root
mount --rbind "$folder/tmp" /tmp
mount -o remount,bind,ro / 2>/dev/null || :
echo ready
exec 3<&0
cat <&3 >/dev/null &
wait $!
"""

# The ordinary user of E2B's templates. "user" in /etc/passwd is whoever the host calls so.
USER_ID = 1000

# As on Debian, a login shell gets the standard path whatever the caller set. Nothing else of the host's profile runs.
_PROFILE = 'PATH="{path}"\nexport PATH\n'


@dataclass(frozen=True, slots=True)
class Isolation:
    """How sandboxes are isolated on this machine. `unshare` is empty if they cannot be.

    `as_user` is put before the commands of the ordinary user. Without it, these run as the stand-in's own user.
    """

    unshare: tuple[str, ...]
    note: str  # the same as a sentence
    as_user: tuple[str, ...] = ()

    @property
    def private(self) -> bool:
        return bool(self.unshare)

    @property
    def owner(self) -> int | None:
        """The host's number of the sandbox's user, to whom its files belong; None: the stand-in's own user."""
        return USER_ID if self.as_user and "--user" not in self.unshare else None


@functools.cache
def program(name: str) -> str:
    """The path of a system program, found without the PATH that is given to a command."""
    return shutil.which(name, path=_STANDARD_PATH) or name


@functools.cache
def host_path() -> str:
    """PATH inside a sandbox: the standard one, then the folders of git and Python if they are elsewhere."""
    found = [os.path.realpath(each) for each in (shutil.which("git"), sys.executable) if each]
    return ":".join(dict.fromkeys([*_STANDARD_PATH.split(":"), *(str(Path(each).parent) for each in found)]))


def write_profile(folder: Path) -> Path:
    profile = folder / "profile"
    profile.write_text(_PROFILE.format(path=host_path()))
    profile.chmod(0o644)
    return profile


def make_folder(folder: Path) -> None:
    """Create a sandbox's own top directories, and mount points below them for host directories."""
    for top in TOPS:
        (folder / top).mkdir(parents=True)
    (folder / HOME[1:]).mkdir()
    for kept in _kept():
        (folder / kept[1:]).mkdir(parents=True, exist_ok=True)
    for parent, folders, _ in os.walk(folder):  # whatever our umask is
        for name in folders:
            Path(parent, name).chmod(0o755)
    (folder / "root").chmod(0o711)  # on E2B it is closed; here Python may lie below it
    (folder / "tmp").chmod(0o1777)


def give(folder: Path, owner: int | None) -> None:
    """Make all files below a sandbox's home its user's."""
    if owner is None:
        return
    os.chown(folder, owner, owner)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), owner, owner, follow_symlinks=False)


class Namespace:
    """The Linux namespaces of one sandbox, kept alive by its process 1."""

    def __init__(self, process: subprocess.Popen[bytes], *, user: bool) -> None:
        self._process = process
        self._first = child_of(process.pid)  # the process id on the host of the sandbox's process 1
        here = f"/proc/{process.pid}/ns"
        own = (f"--user={here}/user", "--preserve-credentials") if user else ()
        self.enter = (program("nsenter"), *own, f"--mount={here}/mnt", f"--pid={here}/pid_for_children")

    @classmethod
    async def open(cls, isolation: Isolation, folder: Path, profile: Path) -> Namespace:
        """Raises OSError if the namespace does not start."""
        process = _spawn([*isolation.unshare, "/bin/sh", "-c", _INIT, "sh", str(folder), str(profile), *_kept()])
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                ready = await _readable(process.stdout.fileno())
        except TimeoutError:
            ready = b""
        if not ready:
            process.kill()
            await wait(process)
            raise OSError("the sandbox's namespace did not start")
        return cls(process, user="--user" in isolation.unshare)

    async def send_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of the sandbox except process 1."""
        killer = _spawn([*self.enter, "/bin/sh", "-c", f"kill -{int(number)} -1 || :"])
        await wait(killer)
        for pipe in (killer.stdin, killer.stdout):
            if pipe is not None:
                pipe.close()

    async def close(self) -> None:
        """End every process of the sandbox and wait until they have ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._first, signal.SIGKILL)
        await wait(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def child_of(parent: int) -> int:
    """The only child of a process, or the process itself if the child is gone."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return int(children[0]) if children else parent


def _spawn(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": _STANDARD_PATH},
        start_new_session=True,
    )


async def wait(process: subprocess.Popen[bytes]) -> int:
    """Wait without a thread. Returns the exit code, -N for signal N."""
    loop = asyncio.get_running_loop()
    if process.poll() is None:
        handle = os.pidfd_open(process.pid)
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(handle, _wake, ended)
        try:
            await ended
        finally:
            loop.remove_reader(handle)
            os.close(handle)
    return process.wait()


async def kill_all(home: str, leaders: Iterable[int]) -> None:
    """Without namespaces: kill the groups of `leaders`, then every other process with the sandbox's HOME."""
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
    while found := _at_home(home):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)


def _at_home(home: str) -> list[int]:
    mark = f"HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


@functools.cache
def detect() -> Isolation:
    """The isolation that works on this machine, tried once."""
    if not hasattr(os, "pidfd_open") or not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        return plain("this kernel has no /proc/PID/task/TID/children")
    common = (program("unshare"), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    own = f"{program('unshare')} --user --map-user={USER_ID} --map-group={USER_ID} --"
    drop = f"{program('setpriv')} --reuid={USER_ID} --regid={USER_ID} --clear-groups --"
    ways = ((common, drop), ((common[0], "--user", "--map-root-user", *common[1:]), own))
    where = "sandboxes have their own /home, /root, /tmp and process ids"
    for unshare, as_user in ways:
        if _works(Isolation(unshare, "", tuple(as_user.split()))):
            return Isolation(unshare, f"{where}, and an ordinary user", tuple(as_user.split()))
    for unshare, _ in ways:
        if _works(Isolation(unshare, "")):
            note = f"{where}, but their user is root: this machine allows no second one, or hides Python from it"
            return Isolation(unshare, note)
    return plain("this machine does not allow private mount namespaces")


def plain(reason: str) -> Isolation:
    return Isolation((), f"sandboxes share the host's file system and have only their own HOME: {reason}")


def _works(isolation: Isolation) -> bool:
    """Whether a sandbox's user can write its home and start Amp and git there."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "sandbox"
        make_folder(folder)
        profile = write_profile(Path(temporary))
        tools = f"PATH={shlex.quote(host_path())} git --version && test -r {shlex.quote(str(AMP_PROGRAM))}"
        python = f"{shlex.quote(os.path.realpath(sys.executable))} -I -S -c pass"
        look = shlex.quote(f"{tools} && {python} && touch {HOME}/trial")
        trial = _INIT.replace("echo ready", f"exec {shlex.join(isolation.as_user)} /bin/sh -c {look}")
        command = [*isolation.unshare, "/bin/sh", "-c", trial, "sh", str(folder), str(profile), *_kept()]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            give(folder / HOME[1:], isolation.owner)
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": _STANDARD_PATH},
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        return (folder / HOME[1:] / "trial").exists()


@functools.cache
def _kept() -> tuple[str, ...]:
    """Host directories that a sandbox needs and that its own top directories would hide."""
    git = shutil.which("git")
    needed = {os.path.realpath(sys.base_prefix), str(AMP_PROGRAM.parent)}
    if git:
        needed.add(str(Path(os.path.realpath(git)).parent))
    return tuple(sorted(path for path in needed if any(_covers(path, f"/{top}") for top in TOPS)))


def _covers(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


async def _readable(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 64)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
