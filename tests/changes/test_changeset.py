"""Reading an untrusted change set, and the rules that it must pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.changes import changeset
from bot.changes.changeset import Change, ChangeSet
from bot.changes.limits import Limits
from bot.model import Problem
from tests.changes.archives import BASE, ENTRY, MEMBERS, ONE, TREE, TWO, archive, packed
from tests.sandbox.checkout import Tree, differences, object_id, tree_id


def test_a_change_set_is_read_whole() -> None:
    found = changeset.read(packed(MEMBERS), base_tree=BASE)
    assert isinstance(found, ChangeSet)
    assert found == ChangeSet(
        tree=TREE,
        base_tree=BASE,
        changes=(Change("a", "100755", "100644", TWO, b"2\n", "modified"),),
        lfs=frozenset(),
        left_out=(),
        digest=found.digest,
    )
    assert found.total_bytes == 2


def test_the_digest_stands_for_every_part() -> None:
    variants = [
        (MEMBERS, BASE),
        (MEMBERS, "1" * 40),
        (MEMBERS | {"tree": b"2" * 40}, BASE),
        (MEMBERS | {"left": b"x\0"}, BASE),
        (MEMBERS | {"attrs": b"a\0filter\0lfs\0"}, BASE),
        (MEMBERS | {"raw": ENTRY.replace(b"100755", b"100644")}, BASE),
        (MEMBERS | {"raw": ENTRY.replace(b"\0a\0", b"\0b\0")}, BASE),
    ]
    found = [changeset.read(packed(members), base_tree=base) for members, base in variants]
    assert len({one.digest for one in found if isinstance(one, ChangeSet)}) == len(variants)
    assert changeset.read(packed(MEMBERS), base_tree=BASE) == found[0]


SUBMODULE = f":000000 160000 {'0' * 40} {'5' * 40} A\0a\0".encode()
DELETED = f":100644 000000 {ONE} {'0' * 40} D\0a\0".encode()
LINKED = f":100644 120000 {ONE} {TWO} T\0a\0".encode()


@pytest.mark.parametrize(
    ("raw", "blobs", "change"),
    [
        (SUBMODULE, b"", Change("a", "160000", None, "5" * 40, None, "added")),
        (DELETED, b"", Change("a", "000000", "100644", ONE, None, "deleted")),
        (LINKED, MEMBERS["blobs"], Change("a", "120000", "100644", TWO, b"2\n", "type changed")),
    ],
    ids=["submodule", "deletion", "type changed"],
)
def test_each_kind_of_entry_is_read(raw: bytes, blobs: bytes, change: Change) -> None:
    found = changeset.read(packed(MEMBERS | {"raw": raw, "blobs": blobs}), base_tree=BASE)
    assert isinstance(found, ChangeSet)
    assert found.changes == (change,)


def entry(old: bytes, new: bytes) -> dict[str, bytes]:
    assert old in ENTRY
    return {"raw": ENTRY.replace(old, new)}


DAMAGED: dict[str, tuple[dict[str, bytes], str]] = {
    "content is not its id": ({"blobs": f"{TWO} blob 2\n3\n\n".encode()}, "a blob whose content is not what"),
    "size is short": ({"blobs": f"{TWO} blob 1\n2\n\n".encode()}, "a blob whose content is not what"),
    "size is long": ({"blobs": f"{TWO} blob 9\n2\n\n".encode()}, "member blobs is too short for what it holds"),
    "size is enormous": ({"blobs": f"{TWO} blob {'9' * 30}\n2\n\n".encode()}, "member blobs has no line"),
    "blob is cut": ({"blobs": MEMBERS["blobs"][:-1]}, "member blobs is too short for what it holds"),
    "blob runs on": ({"blobs": MEMBERS["blobs"][:-1] + b"x"}, "a blob that is cut short"),
    "blob is a tree": ({"blobs": MEMBERS["blobs"].replace(b"blob", b"tree")}, "a blob without a header"),
    "blob is missing": ({"blobs": f"{TWO} missing\n".encode()}, "a blob without a header"),
    "blob is not there": ({"blobs": b""}, "a path without its blob"),
    "blob twice": ({"blobs": MEMBERS["blobs"] * 2}, "a blob twice"),
    "blob that nobody asked for": (
        {"blobs": MEMBERS["blobs"] + f"{ONE} blob 2\n1\n\n".encode()},
        "a blob that no path names",
    ),
    "ignored paths without a number": ({"ignored": b"a\0"}, "a number of ignored paths"),
    "fewer ignored paths than their number": ({"ignored": b"2\0a\0"}, "ignored paths that do not add up"),
    "an ignored path without a name": ({"ignored": b"2\0a\0\0"}, "ignored paths that do not add up"),
    "no tree": ({"tree": b""}, "no id of a tree"),
    "tree is a name": ({"tree": b"main\n"}, "no id of a tree"),
    "same tree, yet a change": ({"tree": BASE.encode()}, "the tree and the list of changes disagree"),
    "other tree, yet no change": ({"raw": b"", "blobs": b""}, "the tree and the list of changes disagree"),
    "path twice": ({"raw": ENTRY * 2}, "a path twice"),
    "entry is cut": ({"raw": ENTRY[:-1]}, "a list that is cut short"),
    "entry without a path": ({"raw": ENTRY[:-2]}, "an entry without a path"),
    "entry is text": ({"raw": b"hello\0a\0"}, "a malformed entry"),
    "sha-256 ids": (entry(ONE.encode(), b"1" * 64), "a malformed entry"),
    "odd mode": (entry(b"100755", b"100664"), "mode 100644 or 100664"),
    "folder as an entry": (entry(b"100755", b"040000"), "mode 100644 or 040000"),
    "nothing changed": (
        {"raw": ENTRY.replace(b"100755", b"100644").replace(ONE.encode(), TWO.encode())},
        "an entry that changes nothing, or another status",
    ),
    "letter that lies": (entry(b" M\0", b" A\0"), "an entry that changes nothing, or another status"),
    "absent both times": (
        {"raw": f":000000 000000 {'0' * 40} {TWO} A\0a\0".encode()},
        "an id",
    ),
    "added from something": ({"raw": f":000000 100644 {ONE} {TWO} A\0a\0".encode()}, "an id"),
    "modified from nothing": ({"raw": f":100644 100755 {'0' * 40} {TWO} M\0a\0".encode()}, "an id"),
    "deleted to something": ({"raw": f":100644 000000 {ONE} {TWO} D\0a\0".encode()}, "an id"),
    "attribute is cut": ({"attrs": b"a\0filter\0"}, "an attribute without a value"),
    "left-out list is cut": ({"left": b"a"}, "a list that is cut short"),
    "left-out list names nothing": ({"left": b"a\0\0"}, "an empty name"),
}


@pytest.mark.parametrize(("members", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_change_set_is_a_problem(members: dict[str, bytes], reason: str) -> None:
    found = changeset.read(packed(MEMBERS | members), base_tree=BASE)
    assert isinstance(found, Problem)
    assert found.message == "What came out of the sandbox is damaged; nothing was published."
    assert found.detail.startswith(reason)


def test_bytes_that_are_no_archive_are_a_problem() -> None:
    found = changeset.read(b"no archive", base_tree=BASE)
    assert isinstance(found, Problem)
    assert found.detail.startswith("not gzip")


def test_sha_256_repositories_are_told_so() -> None:
    assert changeset.read(packed(MEMBERS), base_tree="a" * 64) == Problem(
        "Repositories with SHA-256 object ids are not supported yet.", f"tree {'a' * 64!r}"
    )


def blob(content: bytes) -> bytes:
    return f"{object_id('blob', content)} blob {len(content)}\n".encode() + content + b"\n"


def new(*names: bytes, content: bytes = b"x") -> bytes:
    return archive({}, {name: ("100644", content + name) for name in names})


@pytest.mark.parametrize(
    ("data", "limits", "say"),
    [
        (
            new(b"a", b"b", b"c"),
            Limits(files=2),
            "The change is too large: 3 files, where `AMPBOT_MAX_FILES` allows 2.",
        ),
        (
            packed(MEMBERS | {"left": b"x\0y\0"}),
            Limits(files=2),
            "The change is too large: 3 files, where `AMPBOT_MAX_FILES` allows 2.",
        ),
        (
            new(b"a", content=b"x" * 9999),
            Limits(total_bytes=9999),
            "The change is too large: 10,000 bytes, where `AMPBOT_MAX_CHANGE_MB` allows 9,999.",
        ),
        (
            packed(MEMBERS | {"left": bytes(5000)}),
            Limits(files=2),
            "The change is too large: 5,000 files, where `AMPBOT_MAX_FILES` allows 2.",
        ),
        (
            packed(MEMBERS | {"raw": ENTRY * 3}),
            Limits(files=2),
            "The change is too large: 3 files, where `AMPBOT_MAX_FILES` allows 2.",
        ),
        (
            packed(MEMBERS | {"attrs": MEMBERS["attrs"] * 3}),
            Limits(files=2),
            "The change is too large: 3 files, where `AMPBOT_MAX_FILES` allows 2.",
        ),
        (
            packed(MEMBERS | {"blobs": b"".join(blob(b"%d" % number) for number in range(3))}),
            Limits(files=2),
            "The change is too large: 3 files, where `AMPBOT_MAX_FILES` allows 2.",
        ),
        (
            packed(MEMBERS | {"left": b"x" * 1_002_000 + b"\0"}),
            Limits(files=2),
            "The change is too large: 1,002,001 bytes of file names, where `AMPBOT_MAX_FILES` allows 1,001,024.",
        ),
        (
            new(*(b"%d/" % number + b"a/" * 99 + b"f" for number in range(60))),
            Limits(files=60),
            "The change is too large: 6,000 folders, where `AMPBOT_MAX_FILES` allows 5,600.",
        ),
    ],
    ids=[
        "files",
        "files with those left out",
        "bytes",
        "NULs",
        "entries",
        "attributes",
        "blobs",
        "file names",
        "folders",
    ],
)
def test_the_hosts_own_limits_hold(data: bytes, limits: Limits, say: str) -> None:
    assert changeset.read(data, base_tree=changeset.EMPTY_TREE, limits=limits) == Problem(say)


def test_a_change_set_at_its_limits_is_read() -> None:
    names = [b"%02d" % i + (b"/" + b"x" * 90) * 44 for i in range(60)]
    data = archive(
        {},
        {name: ("100644", b"%0100d" % i) for i, name in enumerate(names)},
        attrs=b"".join(name + b"\0filter\0unspecified\0" for name in names * 2),
    )
    limits = Limits(files=60, total_bytes=6000)
    assert isinstance(changeset.read(data, base_tree=changeset.EMPTY_TREE, limits=limits), ChangeSet)


def test_only_changed_paths_count_as_git_lfs() -> None:
    attrs = b"a\0filter\0lfs\0b\0filter\0lfs\0"
    found = changeset.read(packed(MEMBERS | {"attrs": attrs}), base_tree=BASE)
    assert isinstance(found, ChangeSet)
    assert found.lfs == {"a"}


PATHS = st.lists(st.sampled_from([b"a", b"b", b"\xff", "é".encode(), b"\n"]), min_size=1, max_size=3)
FILES = st.dictionaries(
    PATHS.map(b"-".join),
    st.tuples(st.sampled_from(["100644", "100755", "120000"]), st.binary(max_size=9)),
    max_size=6,
)


@given(FILES, FILES)
def test_every_change_set_comes_back_as_it_was(before: Tree, after: Tree) -> None:
    found = changeset.read(archive(before, after), base_tree=tree_id(before))
    assert isinstance(found, ChangeSet)
    assert (found.tree, found.base_tree) == (tree_id(after), tree_id(before))
    assert {
        change.path.encode("utf-8", "surrogateescape"): (change.old_mode, change.mode, change.content)
        for change in found.changes
    } == differences(before, after)
    assert [change.path for change in found.changes] == sorted(
        (change.path for change in found.changes), key=lambda path: path.encode("utf-8", "surrogateescape")
    )


@given(st.data())
def test_no_damage_raises(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(MEMBERS)))
    part = bytearray(MEMBERS[name])
    at = data.draw(st.integers(0, len(part)))
    part[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    found = changeset.read(packed(MEMBERS | {name: bytes(part)}), base_tree=BASE)
    if isinstance(found, ChangeSet):
        changeset.check(found, symlinks="inside")


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ("ok 3 14", None),
        ("ok 0 0\n", None),
        (
            "over-files 3001 3000",
            Problem("The change is too large: 3,001 files, where `AMPBOT_MAX_FILES` allows 3,000."),
        ),
        ("over-bytes 200 100", Problem("The change is too large: 200 bytes, where `AMPBOT_MAX_CHANGE_MB` allows 100.")),
        (
            "failed fatal: no\x1b[0m space",
            Problem("The changes could not be collected from the sandbox.", "fatal: no\\x1b[0m space"),
        ),
        ("", Problem("The changes could not be collected from the sandbox.")),
        ("ok", Problem("The changes could not be collected from the sandbox.", "ok")),
        ("ok 1 1\nok 1 1", Problem("The changes could not be collected from the sandbox.", "ok 1 1\\nok 1 1")),
    ],
)
def test_the_scripts_status_line_is_understood(status: str, problem: Problem | None) -> None:
    assert changeset.parse_status(status) == problem
