"""Archives as the collecting script writes them, made without git."""

from __future__ import annotations

import gzip
import io
import tarfile

from tests.sandbox.checkout import Tree, differences, object_id, tree_id

BASE = tree_id({b"a": ("100644", b"1\n")})
TREE = tree_id({b"a": ("100755", b"2\n")})
ONE, TWO = object_id("blob", b"1\n"), object_id("blob", b"2\n")
ENTRY = f":100644 100755 {ONE} {TWO} M\0a\0".encode()
MEMBERS = {
    "tree": TREE.encode() + b"\n",
    "raw": ENTRY,
    "left": b"",
    "attrs": b"a\0filter\0unspecified\0" * 2,
    "blobs": f"{TWO} blob 2\n2\n\n".encode(),
}


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(file.getvalue(), 1)


def archive(before: Tree, after: Tree, attrs: bytes = b"") -> bytes:
    """As the script writes it, worked out without git."""
    raw, contents = b"", {}
    for path, (old_mode, mode, content) in sorted(differences(before, after).items()):
        old_id = object_id("blob", before[path][1]) if old_mode else "0" * 40
        new_id = object_id("blob", content) if content is not None else "0" * 40
        letter = "A" if not old_mode else "D" if content is None else "M" if old_mode[:2] == mode[:2] else "T"
        raw += f":{old_mode or '000000'} {mode} {old_id} {new_id} {letter}\0".encode() + path + b"\0"
        if content is not None:
            contents[new_id] = content
    blobs = b"".join(f"{key} blob {len(value)}\n".encode() + value + b"\n" for key, value in contents.items())
    return packed(MEMBERS | {"tree": tree_id(after).encode(), "raw": raw, "attrs": attrs, "blobs": blobs})
