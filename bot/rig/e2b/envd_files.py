"""filesystem.Filesystem: status, listing, and changes of files and directories."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from starlette.routing import Route

from bot.rig.e2b.envd import Call, Gateway
from bot.rig.e2b.rpc import Message, RpcError
from bot.rig.e2b.tree import TOPS, Spot, Tree, expand

XATTR = "user.e2b."  # prefix of the extended attributes where envd keeps a file's metadata


def routes(gateway: Gateway) -> list[Route]:
    calls = {
        "Stat": gateway.unary(status),
        "ListDir": gateway.unary(list_directory),
        "MakeDir": gateway.unary(make_directory),
        "Move": gateway.unary(move),
        "Remove": gateway.unary(remove),
    }
    return [Route(f"/filesystem.Filesystem/{name}", call, methods=["POST"]) for name, call in calls.items()]


async def status(call: Call, message: dict[str, Any]) -> Message:
    path = where(message.get("path", ""))
    with _failing("file not found", "error getting file info", f"lstat {path}"):
        return {"entry": _entry(call, path)}


async def list_directory(call: Call, message: dict[str, Any]) -> Message:
    path = where(message.get("path", ""))
    depth = int(message.get("depth") or 1)
    with _failing("path not found", "error reading directory", f"lstat {path}"):
        tree = call.machine.tree
        entries = [entry(tree, posixpath.join(path, name), info) for name, info in tree.walk(path, depth)]
    return {"entries": entries} if entries else {}


async def make_directory(call: Call, message: dict[str, Any]) -> Message:
    path = where(message.get("path", ""))
    tree = call.machine.tree
    with _failing("file not found", "error getting file info", f"stat {path}", wrong_kind="internal"):
        try:
            with tree.spot(path) as spot:
                is_directory = stat.S_ISDIR(spot.stat().st_mode)
        except FileNotFoundError:
            tree.make_directories(path)
            return {"entry": _entry(call, path)}
    if is_directory:
        raise RpcError("already_exists", f"directory already exists: {path}")
    raise RpcError("invalid_argument", f"path already exists but it is not a directory: {path}")


async def move(call: Call, message: dict[str, Any]) -> Message:
    source, target = where(message.get("source", "")), where(message.get("destination", ""))
    tree = call.machine.tree
    with (
        _failing("source file not found", "error renaming", f"rename {source} {target}"),
        tree.spot(source, follow=False) as old,
        tree.spot(target, follow=False, make=True) as new,
    ):
        os.rename(old.name, new.name, src_dir_fd=old.parent, dst_dir_fd=new.parent)
    return {"entry": _entry(call, target)}


async def remove(call: Call, message: dict[str, Any]) -> Message:
    """Removing a missing path succeeds."""
    path = where(message.get("path", ""))
    with (
        _failing("", "error removing file or directory", f"unlinkat {path}"),
        contextlib.suppress(FileNotFoundError),
        call.machine.tree.spot(path, follow=False) as spot,
    ):
        if spot.path.count("/") == 1 and spot.path[1:] in ("", *TOPS):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if stat.S_ISDIR(spot.stat().st_mode):
            shutil.rmtree(spot.name, dir_fd=spot.parent)
        else:
            os.unlink(spot.name, dir_fd=spot.parent)
    return {}


def where(path: str) -> str:
    """The absolute path. Raises RpcError for an invalid one."""
    try:
        return expand(path)
    except ValueError as error:
        raise RpcError("invalid_argument", str(error)) from error


def entry(tree: Tree, path: str, info: os.stat_result, metadata: dict[str, str] | None = None) -> Message:
    """A link has its target's type and mode; one that leads nowhere has neither, and itself for a target.

    What is zero is left out, as always in proto3's JSON: https://protobuf.dev/programming-guides/json/
    """
    kinds = {stat.S_IFDIR: "FILE_TYPE_DIRECTORY", stat.S_IFREG: "FILE_TYPE_FILE"}
    modified = datetime.fromtimestamp(info.st_mtime, UTC).isoformat(timespec="microseconds")
    linked = stat.S_ISLNK(info.st_mode)
    end = _end(tree, path) if linked else (path, info.st_mode)
    mode = 0 if end is None else end[1]
    shown: dict[str, Any] = {
        "name": posixpath.basename(path),
        "type": kinds.get(stat.S_IFMT(mode)),
        "path": path,
        "size": str(info.st_size) if info.st_size else None,
        "mode": stat.S_IMODE(mode) & 0o777 or None,
        "permissions": stat.filemode(info.st_mode).replace("l", "L", 1),  # as Go writes a link
        "owner": "user",
        "group": "user",
        "modifiedTime": modified.replace("+00:00", "Z"),
    }
    if linked:
        shown["symlinkTarget"] = path if end is None else end[0]
    if metadata:
        shown["metadata"] = metadata
    return {name: value for name, value in shown.items() if value is not None}


def _end(tree: Tree, path: str) -> tuple[str, int] | None:
    """Where a link leads to, and the mode of what is there. None: nowhere."""
    try:
        with tree.spot(path) as spot:
            return spot.path, spot.stat().st_mode
    except OSError:
        return None


def _entry(call: Call, path: str) -> Message:
    with call.machine.tree.spot(path, follow=False) as spot:
        info = spot.stat()
        return entry(call.machine.tree, posixpath.normpath(path), info, _metadata(spot, info))


def _metadata(spot: Spot, info: os.stat_result) -> dict[str, str]:
    if not stat.S_ISREG(info.st_mode):
        return {}
    descriptor = spot.open(os.O_RDONLY)
    try:
        names = [name for name in os.listxattr(descriptor) if name.startswith(XATTR)]
        return {name[len(XATTR) :]: os.getxattr(descriptor, name).decode() for name in names}
    except OSError:  # this file system has no extended attributes
        return {}
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _failing(missing: str, otherwise: str, doing: str, *, wrong_kind: str = "invalid_argument") -> Iterator[None]:
    """Convert an OSError into envd's answer, worded as Go words it. `wrong_kind`: the code where a file stands for a
    directory."""
    try:
        yield
    except FileNotFoundError as error:
        raise RpcError("not_found", f"{missing}: {doing}: no such file or directory") from error
    except NotADirectoryError as error:
        if wrong_kind == "internal":
            raise RpcError("internal", f"{otherwise}: {doing}: not a directory") from error
        raise RpcError("invalid_argument", f"path is not a directory: {doing.split(' ', 1)[1]}") from error
    except OSError as error:
        raise RpcError("internal", f"{otherwise}: {doing}: {(error.strerror or str(error)).lower()}") from error
