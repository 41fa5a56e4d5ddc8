"""A change set becomes GitHub's tree: object by object what git makes of it, in few requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.changes.changeset import Change, ChangeSet, Status
from bot.github.app import Token
from bot.github.records import TreeEntry
from bot.model import PinnedBase
from bot.run import pack, tree
from bot.run.tree import ENTRIES_A_REQUEST, INLINE_A_REQUEST, MAX_BLOBS, MAX_BYTES
from tests.factory import pinned
from tests.sandbox.checkout import Tree, object_id, tree_id

TEXT, PROGRAM, LINK = "100644", "100755", "120000"
NOBODY: Any = None
PINNED = pinned()


class GitHub:
    """Trees and blobs as GitHub makes them. In one request nothing may stand where the base has something else."""

    def __init__(self, base: Tree) -> None:
        self.trees = {tree_id(base): base}
        self.blobs = {object_id("blob", content): content for _, content in base.values()}
        self.requests: list[int] = []  # bytes of each body
        self.at_once = self.most_at_once = 0

    async def blob(self, content: bytes) -> str:
        self.requests.append(len(content))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        self.blobs[object_id("blob", content)] = content
        return object_id("blob", content)

    async def tree(self, base: str, entries: Sequence[TreeEntry]) -> str:
        self.requests.append(len(json.dumps([entry.text for entry in entries])))
        assert 0 < len(entries) <= ENTRIES_A_REQUEST
        before = self.trees[base]
        after = dict(before)
        for entry in entries:
            path = entry.path.encode("utf-8", "surrogateescape")
            if entry.text is None and entry.blob is None:
                assert before[path][0] == entry.mode, "only what is there can be deleted"
                del after[path]
                continue
            for parent in parents(path):
                assert parent not in before, "below a file"
            assert not any(other.startswith(path + b"/") for other in before), "in place of a folder"
            content = entry.text.encode() if entry.text is not None else self.blobs[entry.blob or ""]
            after[path] = (entry.mode, content)
        self.trees[tree_id(after)] = after
        return tree_id(after)


def parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:length]) for length in range(1, len(parts))]


def change_set(before: Tree, after: Tree) -> ChangeSet:
    changes = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        mode, content = new or ("000000", None)
        status: Status = "deleted" if new is None else "added" if old is None else "modified"
        blob = object_id("blob", new[1] if new else old[1] if old else b"")
        changes.append(Change(path.decode("utf-8", "surrogateescape"), mode, old and old[0], blob, content, status))
    return ChangeSet(tree_id(after), tree_id(before), tuple(changes), frozenset(), (), "")


async def published(before: Tree, after: Tree) -> GitHub:
    github: Any = GitHub(before)
    made = await tree.publish(NOBODY, github, NOBODY, change_set(before, after), PINNED, "run")
    assert made == tree_id(after)
    assert github.trees[made] == after
    return github  # type: ignore[no-any-return]  # it is one, seen as a Repository


BASE: Tree = {
    b"kept": (TEXT, b"kept\n"),
    b"old": (TEXT, b"old\n"),
    b"tool.sh": (TEXT, b"#!/bin/sh\n"),
    b"folder/a": (TEXT, b"a\n"),
    b"folder/b": (PROGRAM, b"b\n"),
    b"link": (LINK, b"old"),
    b"picture": (TEXT, b"\x89PNG\0"),
}


def without(*gone: bytes) -> Tree:
    return {path: entry for path, entry in BASE.items() if path not in gone}


CHANGES: dict[str, tuple[Tree, int]] = {
    "text added and altered": (BASE | {b"new": (TEXT, b"new\n"), b"old": (TEXT, "ünï\r\n".encode())}, 1),
    "an empty file": (BASE | {b"empty": (TEXT, b"")}, 1),
    "a file that became a program": (BASE | {b"tool.sh": (PROGRAM, b"#!/bin/sh\n")}, 1),
    "files deleted": (without(b"old", b"folder/a", b"folder/b", b"link"), 1),
    "a file renamed": (without(b"old") | {b"new": BASE[b"old"]}, 1),
    "a link that points elsewhere": (BASE | {b"link": (LINK, b"kept")}, 1),
    "a file that became a link": (BASE | {b"old": (LINK, b"kept")}, 1),
    "a binary file": (BASE | {b"picture": (TEXT, b"\xff\xfe\0")}, 2),
    "a text with a NUL": (BASE | {b"nul": (TEXT, b"a\0b")}, 2),
    "the same binary content three times": (BASE | dict.fromkeys((b"x", b"y", b"z/z"), (TEXT, b"\xff")), 2),
    "names of every script": (BASE | {"größe/日本 'x\".txt".encode(): (TEXT, b"x")}, 1),
    "a file that became a folder": (without(b"old") | {b"old/a": (TEXT, b"a"), b"old/b/c": (TEXT, b"c")}, 2),
    "a folder that became a file": (without(b"folder/a", b"folder/b") | {b"folder": (TEXT, b"x")}, 2),
    "both, crossed": (
        without(b"old", b"folder/a", b"folder/b") | {b"folder": (TEXT, b"x"), b"old/folder": (TEXT, b"y")},
        2,
    ),
}


@pytest.mark.parametrize(("after", "requests"), CHANGES.values(), ids=CHANGES.keys())
async def test_every_kind_of_change_comes_out_as_git_makes_it(after: Tree, requests: int) -> None:
    assert len((await published(BASE, after)).requests) == requests


async def test_a_thousand_text_files_cost_ten_requests() -> None:
    many = {f"f{number:04}".encode(): (TEXT, b"text\n" * 100) for number in range(1_000)}
    github = await published(BASE, BASE | many)
    assert len(github.requests) == 10
    deleted = await published(BASE | many, BASE)
    assert len(deleted.requests) == 10


async def test_large_texts_are_spread_over_requests_and_the_largest_go_as_blobs() -> None:
    half = b"x" * (INLINE_A_REQUEST // 2)
    sizes = {b"a": half, b"b": half, b"c": half, b"d": half * 3, b"e": ("ü" * (INLINE_A_REQUEST // 2)).encode()}
    github = await published(BASE, BASE | {path: (TEXT, content) for path, content in sizes.items()})
    assert len(half) * 3 in github.requests  # the blob, as it is
    assert len(github.requests) == 4
    assert all(size <= INLINE_A_REQUEST * 6 + 1_000 for size in github.requests)  # JSON may write six for one


async def test_blobs_go_up_a_few_at_a_time() -> None:
    github = await published(
        BASE, BASE | {f"b{number}".encode(): (TEXT, b"\xff%d" % number) for number in range(MAX_BLOBS)}
    )
    assert (len(github.requests), github.most_at_once) == (MAX_BLOBS + 1, 4)


@pytest.mark.parametrize(
    ("after", "large"),
    [
        ({f"b{number}".encode(): (TEXT, b"\xff%d" % number) for number in range(MAX_BLOBS)}, False),
        ({f"b{number}".encode(): (TEXT, b"\xff%d" % number) for number in range(MAX_BLOBS + 1)}, True),
        ({f"b{number}".encode(): (TEXT, b"\xff") for number in range(100)}, False),
        ({b"big": (TEXT, b"x" * MAX_BYTES)}, False),
        ({b"big": (TEXT, b"x" * MAX_BYTES), b"more": (TEXT, b"x")}, True),
        ({}, False),
    ],
)
async def test_what_is_large_goes_as_one_pack(monkeypatch: pytest.MonkeyPatch, after: Tree, large: bool) -> None:
    found = change_set({}, after)
    packed: list[object] = []

    async def push(
        context: object, token: Token, change_set: ChangeSet, pinned: PinnedBase, run: str, merged: str | None
    ) -> str:
        packed.extend([change_set, pinned, run])
        return "by pack"

    monkeypatch.setattr(pack, "push", push)
    github: Any = GitHub({})
    made = await tree.publish(NOBODY, github, NOBODY, found, PINNED, "run")
    assert tree.is_large(found) is large
    assert (made, packed) == (("by pack", [found, PINNED, "run"]) if large else (found.tree, []))
    assert not (large and github.requests)


NAMES = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b"/".join)
FILES = st.tuples(st.sampled_from([TEXT, PROGRAM, LINK]), st.sampled_from([b"", b"x", b"y\n", b"\xff", b"\0"]))


def settled(files: Tree) -> Tree:
    """Without files in the place of folders."""
    return {path: entry for path, entry in files.items() if not any(other.startswith(path + b"/") for other in files)}


TREES = st.dictionaries(NAMES, FILES, max_size=6).map(settled)


@settings(max_examples=200, deadline=None)
@given(TREES, TREES)
async def test_any_tree_becomes_any_other(before: Tree, after: Tree) -> None:
    github = await published(before, after)
    assert len(github.requests) <= 2 + 2  # two unlike binary contents, and two turns at most
