"""/files: upload and download of whole files."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import posixpath
import re
import stat
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bot.rig.e2b.envd import Call, Gateway, GatewayError
from bot.rig.e2b.envd_files import XATTR
from bot.rig.e2b.tree import expand

_CHUNK = 256 * 1024  # bytes
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_METADATA = "x-metadata-"


def routes(gateway: Gateway) -> list[Route]:
    return [
        Route("/files", _no_head, methods=["HEAD"]),
        Route("/files", gateway.signed(download, "read"), methods=["GET"]),
        Route("/files", gateway.signed(upload, "write"), methods=["POST"]),
    ]


async def _no_head(_request: Request) -> Response:
    return Response(status_code=405)


async def download(call: Call) -> Response:
    """The file's bytes, or the requested range of them."""
    path = _where(call.request.query_params.get("path", ""))
    descriptor, size, modified = _open(call, path)
    headers = {"vary": "Accept-Encoding", "accept-ranges": "bytes", "last-modified": formatdate(modified, usegmt=True)}
    asked = call.request.headers.get("range")
    if asked is None and "gzip" in call.request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return _stream(_gzipped(_read(descriptor, 0, size)), 200, headers)
    span = _span(asked, size) if asked is not None else (0, size)
    if span is None:
        os.close(descriptor)
        return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
    begin, end = span
    headers["content-length"] = str(end - begin)
    if asked is not None:
        headers["content-range"] = f"bytes {begin}-{end - 1}/{size}"
    return _stream(_read(descriptor, begin, end), 206 if asked is not None else 200, headers)


async def upload(call: Call) -> Response:
    """Accepts a raw body, or a form with parts named `file`. The path is in the query or each part's file name."""
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = call.request.query_params.get("path")
    if kind == "application/octet-stream":
        if wanted is None:
            raise GatewayError(400, "path query parameter is required for raw body upload")
        written = [await _write(call, wanted, _body(call))]
    elif kind.startswith("multipart/"):
        written = await _write_form(call, wanted)
    else:
        said = "expected multipart/form-data or application/octet-stream"
        raise GatewayError(400, f"unsupported content type: {kind}, {said}")
    return Response(json.dumps(written), media_type="text/plain")  # as envd says, though it is JSON


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a form, read piece by piece."""

    file: UploadFile

    async def pieces(self) -> AsyncIterator[bytes]:
        while piece := await self.file.read(_CHUNK):
            yield piece


async def _write_form(call: Call, wanted: str | None) -> list[Mapping[str, Any]]:
    if call.request.headers.get("content-encoding"):
        raise GatewayError(400, "error decompressing request body: only raw uploads are compressed here")
    written: list[Mapping[str, Any]] = []
    try:
        async with call.request.form(max_files=10_000) as form:
            for name, part in form.multi_items():
                if name != "file" or not isinstance(part, UploadFile):
                    continue
                path = wanted if wanted is not None else part.filename or ""
                if any(each["path"] == _where(path) for each in written):
                    said = "you cannot upload multiple files to the same path"
                    raise GatewayError(400, f"{said} '{_where(path)}' in one upload request")
                written.append(await _write(call, path, _Part(part).pieces()))
    except HTTPException as error:
        raise GatewayError(500, f"error reading form: {error.detail}") from error
    return written


async def _write(call: Call, wanted: str, pieces: AsyncIterator[bytes]) -> Mapping[str, Any]:
    path = _where(wanted)
    metadata = {
        name[len(_METADATA) :]: value for name, value in call.request.headers.items() if name.startswith(_METADATA)
    }
    with _opened_for_writing(call, path) as descriptor:
        for name, value in metadata.items():
            with contextlib.suppress(OSError):  # a file system without extended attributes
                os.setxattr(descriptor, XATTR + name, value.encode())
        async for piece in pieces:
            if call.machine.sandbox.disk_full:
                length = call.request.headers.get("content-length")
                tried = f"attempted to write {length} bytes: " if length else ""
                raise GatewayError(507, f"{tried}not enough disk space available")
            _write_all(descriptor, piece)
    shown: dict[str, Any] = {"name": posixpath.basename(path), "type": "file", "path": path}
    return {**shown, "metadata": metadata} if metadata else shown


@contextlib.contextmanager
def _opened_for_writing(call: Call, path: str) -> Any:
    try:
        with call.machine.tree.spot(path, make=True) as spot:
            with contextlib.suppress(FileNotFoundError):
                mode = spot.stat().st_mode
                if stat.S_ISDIR(mode):
                    raise GatewayError(400, f"path is a directory: {path}")
                if not stat.S_ISREG(mode):
                    raise GatewayError(500, f"error opening file: open {path}: not a regular file")
            descriptor = spot.open(os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    except OSError as error:
        if isinstance(error, NotADirectoryError):
            said = f"error ensuring directories: path is a file: {posixpath.dirname(path)}"
            raise GatewayError(500, said) from error
        doing = "ensuring directories" if isinstance(error, PermissionError) else "opening file"
        raise GatewayError(500, f"error {doing}: {path}: {(error.strerror or '').lower()}") from error
    try:
        yield descriptor
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise GatewayError(507, "not enough disk space available") from error
        raise GatewayError(500, f"error writing file: {(error.strerror or '').lower()}") from error
    finally:
        os.close(descriptor)


def _open(call: Call, path: str) -> tuple[int, int, float]:
    """Descriptor, size and modification time of the opened file."""
    try:
        with call.machine.tree.spot(path) as spot:
            info = spot.stat()
            if stat.S_ISDIR(info.st_mode):
                raise GatewayError(400, f"path '{path}' is a directory")
            if not stat.S_ISREG(info.st_mode):
                raise GatewayError(500, f"error opening file '{path}': not a regular file")
            return spot.open(os.O_RDONLY), info.st_size, info.st_mtime
    except (FileNotFoundError, NotADirectoryError) as error:
        raise GatewayError(404, f"path '{path}' does not exist") from error
    except OSError as error:
        raise GatewayError(500, f"error opening file '{path}': {(error.strerror or '').lower()}") from error


def _where(path: str) -> str:
    try:
        return expand(path)
    except ValueError as error:
        raise GatewayError(400, f"error resolving path: {error}") from error


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of the requested range; None if it is empty."""
    found = _RANGE.fullmatch(asked)
    if found is None or not any(found.groups()):
        return (0, size)
    first, last = found.groups()
    begin, end = (int(first), int(last) + 1 if last else size) if first else (max(size - int(last), 0), size)
    return (begin, min(end, size)) if begin < min(end, size) else None


def _stream(pieces: AsyncIterator[bytes], code: int, headers: Mapping[str, str]) -> Response:
    return StreamingResponse(pieces, code, headers, media_type="application/octet-stream")


async def _read(descriptor: int, begin: int, end: int) -> AsyncIterator[bytes]:
    try:
        while begin < end and (piece := os.pread(descriptor, min(_CHUNK, end - begin), begin)):
            begin += len(piece)
            yield piece
    finally:
        os.close(descriptor)


async def _gzipped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(level=1, wbits=31)
    async for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


async def _body(call: Call) -> AsyncIterator[bytes]:
    encoding = call.request.headers.get("content-encoding", "identity")
    if encoding not in ("identity", "gzip"):
        raise GatewayError(400, f"error decompressing request body: unsupported encoding {encoding}")
    unpacker = zlib.decompressobj(wbits=31)
    async for piece in call.request.stream():
        try:
            yield unpacker.decompress(piece) if encoding == "gzip" else piece
        except zlib.error as error:
            said = "failed to create gzip reader: gzip: invalid header"
            raise GatewayError(400, f"error decompressing request body: {said}") from error
    if encoding == "gzip" and not unpacker.eof:
        raise GatewayError(500, "error writing file: unexpected EOF")


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
