"""The kinds of hostile archives. Each makes as many different ones as are asked for, always the same for a seed."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.rig.hostile.packing import (
    BASE_TREE,
    NEW_TREE,
    PIECE,
    added,
    attributes,
    blob,
    blob_id,
    endless,
    entry,
    file,
    packed,
    repeated,
    tar,
    zipped,
)

MEGABYTE = 1_000_000
NO_NAMES = zipped(b"README.md\0src/main.py\0")


@dataclass(frozen=True, slots=True)
class Case:
    """An archive and the names of the base's files, as the bot gets them from a sandbox."""

    kind: str
    archive: bytes
    names: bytes = NO_NAMES


Kind = Callable[[random.Random], bytes | tuple[bytes, bytes]]
KINDS: dict[str, Kind] = {}


def cases(count: int, seed: int, only: str | None = None) -> Iterator[Case]:
    """`count` cases, every kind in turn, or one kind only."""
    names = [only] if only is not None else list(KINDS)
    for number in range(count):
        name = names[number % len(names)]
        made = KINDS[name](random.Random(f"{seed}/{number}"))
        archive, base = made if isinstance(made, tuple) else (made, NO_NAMES)
        yield Case(name, archive, base)


def _kind(make: Kind) -> Kind:
    KINDS[make.__name__] = make
    return make


def _some(rng: random.Random, count: int = 5) -> dict[str, bytes]:
    """An ordinary change."""
    return added({b"src/%d.py" % number: rng.randbytes(rng.randint(0, 2_000)) for number in range(count)})


@_kind
def ordinary(rng: random.Random) -> bytes:
    return packed(_some(rng, rng.randint(1, 300)))


@_kind
def deep(rng: random.Random) -> bytes:
    depth = rng.choice([99, 100, 101, 500, 2_000])
    return packed(added({b"%d/" % number + b"a/" * depth + b"f": b"%d" % number for number in range(200)}))


@_kind
def wide(rng: random.Random) -> bytes:
    count = rng.choice([2_999, 3_000, 3_001, 20_000, 100_000])
    folders = rng.choice([1, 5, 11])
    name = b"/".join([b"%d-%%d" % rng.randrange(10)] * folders)
    return packed(added({name % ((number,) * folders) + b"/f": b"" for number in range(count)}))


@_kind
def long_names(rng: random.Random) -> bytes:
    length = rng.choice([200, 254, 4_000, 4_097, 70_000, MEGABYTE])
    face = rng.choice(["x", "\U0001f600", "\u200d", "\udcff"])
    part = face * ((250 if length < 5_000 else length) // len(face.encode("utf-8", "surrogateescape")))
    name = "/".join([part] * max(1, length // 252)) if length < 5_000 else part
    paths = [f"{number}/{name}".encode("utf-8", "surrogateescape") for number in range(max(1, 2 * MEGABYTE // length))]
    return packed(added(dict.fromkeys(paths, b"x")))


@_kind
def endless_names(rng: random.Random) -> bytes:
    return endless(
        rng.choice(["raw", "left", "attrs", "ignored", "tree"]), b"x" * PIECE, rng.choice([3, 90, 900]) * MEGABYTE
    )


@_kind
def nuls(rng: random.Random) -> bytes:
    return endless(
        rng.choice(["raw", "left", "attrs", "ignored"]), bytes(PIECE), rng.choice([1, 2, 4, 100, 900]) * MEGABYTE
    )


@_kind
def nuls_among_names(rng: random.Random) -> bytes:
    member = rng.choice(["raw", "left", "attrs", "ignored"])
    members = _some(rng)
    at = rng.randrange(len(members[member]) + 1)
    members[member] = members[member][:at] + bytes(rng.randint(1, 50_000)) + members[member][at:]
    return packed(members)


@_kind
def nuls_in_the_base(rng: random.Random) -> tuple[bytes, bytes]:
    start = b"src/main.py\0" * rng.randint(0, 9)
    return packed(_some(rng)), repeated(start, bytes(PIECE), rng.choice([1, 200, 2_000]))


@_kind
def endless_base(rng: random.Random) -> tuple[bytes, bytes]:
    piece = rng.choice([b"src/file.py\0" * 50_000, b"s/" * 300_000, b"a/b\0" * 200_000])
    return packed(_some(rng)), repeated(b"", piece, rng.choice([2, 40, 400]))


@_kind
def sizes_in_headers_that_lie(rng: random.Random) -> bytes:
    members = {name: file(name.encode(), content) for name, content in _some(rng).items()}
    name = rng.choice(list(members))
    size = rng.choice([b"%011o\0" % rng.randrange(10_000), b"77777777777\0", b"-0000000001\0", b"\x80" + b"\xff" * 11])
    members[name] = members[name][:124] + size + members[name][136:]
    return zipped(b"".join(members.values()) + bytes(1024))


@_kind
def sizes_of_blobs_that_lie(rng: random.Random) -> bytes:
    members = _some(rng)
    size = rng.choice([0, 1, 99 * MEGABYTE, 101 * MEGABYTE, 10**16, 10**40])
    members["blobs"] = f"{blob_id(b'x')} blob {size}\nx\n".encode() + members["blobs"]
    return packed(members)


@_kind
def cut(rng: random.Random) -> bytes:
    whole = packed(_some(rng))
    return whole[: rng.randrange(len(whole))]


@_kind
def cut_inside(rng: random.Random) -> bytes:
    whole = tar(_some(rng))
    return zipped(whole[: rng.randrange(len(whole) - 10_240)])


@_kind
def doubled(rng: random.Random) -> bytes:
    members = _some(rng)
    name = rng.choice(["raw", "attrs", "blobs", "tree"])
    if rng.random() < 0.3:
        return zipped(file(name.encode(), members[name]) + tar(members))
    return packed(members | {name: members[name] * rng.choice([2, 1_000])})


@_kind
def same_paths(rng: random.Random) -> bytes:
    path = rng.choice([b"a", b"src/0.py", b"a/b/c/d"])
    contents = [b"%d" % number for number in range(rng.choice([2, 2_000]))]
    return packed(
        added({b"x": b"x"})
        | {"raw": b"".join(entry(path, blob_id(one)) for one in contents), "blobs": b"".join(map(blob, contents))}
    )


@_kind
def alike(rng: random.Random) -> tuple[bytes, bytes]:
    def spelled(path: str) -> bytes:
        return "".join(rng.choice([char.upper(), char.lower()]) for char in path).encode()

    path = rng.choice(["straße/é/module/file" * 3, "/".join(["folder"] * 60), "a/" * 90 + "b"])
    paths = {spelled(path): b"%d" % number for number in range(rng.choice([2, 500, 2_500]))}
    names = b"\0".join({spelled(path) for _ in range(rng.choice([1, 5_000]))}) + b"\0"
    return packed(added(paths)), zipped(names)


@_kind
def files_that_are_folders(rng: random.Random) -> bytes:
    depth = rng.randint(1, 100)
    return packed(added({b"/".join([b"a"] * number): b"%d" % number for number in range(1, depth + 2)}))


@_kind
def nested(rng: random.Random) -> bytes:
    archive = packed(_some(rng))
    for _ in range(rng.randint(1, 5)):
        members = _some(rng) | {rng.choice(["raw", "blobs", "left"]): archive}
        archive = zipped(archive) if rng.random() < 0.3 else packed(members)
    return archive


@_kind
def noise(rng: random.Random) -> bytes:
    data = rng.randbytes(rng.choice([0, 1, 512, 5_000, 3 * MEGABYTE]))
    return data if rng.random() < 0.5 else zipped(data)


@_kind
def damaged(rng: random.Random) -> bytes:
    whole = bytearray(tar(_some(rng)))
    for _ in range(rng.randint(1, 20)):
        whole[rng.randrange(len(whole))] = rng.randrange(256)
    return zipped(whole)


@_kind
def sparse(rng: random.Random) -> bytes:
    odd = file(b"blobs", bytes(512), b"S")
    huge = bytearray(odd[:512])
    huge[386:483] = (b"00000000000\0" + b"77777777777\0") * 4 + b"\x01"
    huge[483:495] = b"\x80" + bytes(3) + b"\x7f" * 8
    return zipped(bytes(huge) + tar(_some(rng)))


@_kind
def extended_headers(rng: random.Random) -> bytes:
    kind, name = rng.choice([(b"x", b"PaxHeaders/raw"), (b"g", b"pax_global_header"), (b"L", b"././@LongLink")])
    size = rng.choice([b"77777777777\0", b"\x80" + bytes(3) + b"\xff" * 8, None])
    record = b"30 size=99999999999999999999999\n30 path=" + b"x" * rng.choice([10, 5 * MEGABYTE])
    return zipped(file(name, record, kind, size) + tar(_some(rng)))


@_kind
def other_members(rng: random.Random) -> bytes:
    name = rng.choice([b"../raw", b"/etc/passwd", b"raw/", b"x" * 100, b"\0raw", b"RAW"])
    kind = rng.choice([b"0", b"1", b"2", b"3", b"5", b"6"])
    return zipped(file(name, b"x" * rng.randrange(2_000), kind) + tar(_some(rng)))


@_kind
def bomb(rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return repeated(b"", bytes(PIECE), 10_000)
    content = bytes(PIECE)
    head = f"{'1' * 40} blob {10_000 * PIECE if rng.random() < 0.5 else 99 * PIECE}\n".encode()
    before = b"".join(file(name.encode(), b"") for name in ("raw", "left", "attrs"))
    size = b"%011o\0" % rng.choice([99 * PIECE, 4_000 * PIECE])
    return repeated(before + file(b"blobs", b"", size_field=size) + head, content, 200)


@_kind
def many_blobs(rng: random.Random) -> bytes:
    blobs = b"".join(blob(b"%d" % number) for number in range(rng.choice([3_001, 50_000])))
    return packed(_some(rng) | {"blobs": blobs})


@_kind
def full(rng: random.Random) -> bytes:
    """As much as a change may hold, or a little more."""
    size = rng.choice([49, 51, 99, 101]) * MEGABYTE
    content = b"%d" % rng.randrange(1_000) + bytes(size)
    return packed(added({b"big": content}))


@_kind
def full_of_noise(rng: random.Random) -> bytes:
    """The same where nothing can be packed."""
    size = rng.choice([5, 20, 95])
    packer = zlib.compressobj(0, wbits=31)
    whole = tar(added({b"big/%d" % number: rng.randbytes(MEGABYTE) for number in range(size)}))
    return packer.compress(whole) + packer.flush()


@_kind
def links(rng: random.Random) -> bytes:
    target = rng.choice([b"../" * 1_000, b"/" * 30 * MEGABYTE, b"a/" * MEGABYTE, b"\xff" * 99, b"", b"./" * 2_000])
    return packed(added({b"link": target, b"a/b/c/link": target + b"x"}, mode="120000"))


@_kind
def odd_attributes(rng: random.Random) -> bytes:
    members = _some(rng)
    count, value = rng.choice([(1, b"lfs"), (5_000, b"lfs"), (5, b""), (5_000, b"x" * 2_000), (5, b"x" * MEGABYTE)])
    return packed(members | {"attrs": attributes([b"src/0.py"] * count, value)})


@_kind
def odd_entries(rng: random.Random) -> bytes:
    members = _some(rng)
    swaps = [(b"100644", b"040000"), (b"100644", b"160000"), (b" A\0", b" D\0"), (b"000000", b"100644"), (b"src/", b"")]
    old, new = rng.choice([*swaps, (b"src/", b".git/"), (b"src/", b"../"), (b"src/", b"src\n\x1b[2J/")])
    return packed(members | {"raw": members["raw"].replace(old, new, rng.choice([1, -1]))})


@_kind
def odd_trees(rng: random.Random) -> bytes:
    tree = rng.choice([b"", BASE_TREE.encode(), NEW_TREE.encode() * 2, b"main", b"\xff" * 40, bytes(64)])
    return packed(_some(rng) | {"tree": tree})


@_kind
def odd_gzip(rng: random.Random) -> bytes:
    whole = packed(_some(rng))
    plain = tar(_some(rng))
    return rng.choice(
        [whole * 2, whole + b"x", whole[:-8] + bytes(8), plain, zlib.compress(plain), whole[:3] + b"\xff" + whole[4:]]
    )
