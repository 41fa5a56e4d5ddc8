"""The change set becomes a tree on GitHub: inline where it is text, as blobs where it is not, as a pack when large."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from bot.changes.changeset import Change, ChangeSet
from bot.context import Context
from bot.github.app import Token
from bot.github.repository import Repository, TreeEntry
from bot.model import PinnedBase
from bot.run import pack

# Reported from the field (github.md 4.1): large bodies get a 502, so a tree is made in steps.
ENTRIES_A_REQUEST = 100
INLINE_A_REQUEST = 1_500_000
# More than this goes up as one pack: a blob is a request, and requests are rationed.
MAX_BLOBS = 40
MAX_BYTES = 20_000_000


async def publish(
    context: Context, repository: Repository, token: Token, change_set: ChangeSet, pinned: PinnedBase, run: str
) -> str:
    """The id of the tree that GitHub now has. The caller holds it against the sandbox's."""
    if is_large(change_set):
        return await pack.push(context, token, change_set, pinned, run)
    # One after the other costs a request's time for each, all at once trips GitHub's limits: a few at a time.
    gate = asyncio.Semaphore(4)

    async def upload(change: Change) -> None:
        async with gate:
            await repository.blob(change.content or b"")

    await asyncio.gather(*(upload(change) for change in _unique_blobs(change_set.changes).values()))
    tree = change_set.base_tree
    for entries in _batches(change_set.changes):
        tree = await repository.tree(tree, entries)
    return tree


def is_large(change_set: ChangeSet) -> bool:
    """Does it go up as a pack?"""
    return len(_unique_blobs(change_set.changes)) > MAX_BLOBS or change_set.total_bytes > MAX_BYTES


def _unique_blobs(changes: Sequence[Change]) -> dict[str, Change]:
    """The contents that cannot stand inline in JSON, each once."""
    return {c.blob: c for c in changes if c.content is not None and _text(c.content) is None}


def _text(content: bytes) -> str | None:
    if len(content) > INLINE_A_REQUEST:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _batches(changes: Sequence[Change]) -> Iterator[list[TreeEntry]]:
    """In one request where that can be. A file that stands where a folder was, or the reverse, waits for its turn."""
    batch: list[TreeEntry] = []
    size = 0
    ordered = sorted(changes, key=lambda change: change.content is not None)
    turns = _first_added(ordered) if _swaps(changes) else None
    for index, change in enumerate(ordered):
        entry = _entry(change)
        weight = len(change.content or b"") if entry.text is not None else 0
        full = len(batch) == ENTRIES_A_REQUEST or size + weight > INLINE_A_REQUEST
        if batch and (full or index == turns):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += weight
    if batch:
        yield batch


def _entry(change: Change) -> TreeEntry:
    if change.content is None:
        return TreeEntry(change.path, change.old_mode or "100644")
    text = _text(change.content)
    return (
        TreeEntry(change.path, change.mode, blob=change.blob)
        if text is None
        else TreeEntry(change.path, change.mode, text)
    )


def _first_added(ordered: Sequence[Change]) -> int:
    return next((index for index, change in enumerate(ordered) if change.content is not None), len(ordered))


def _swaps(changes: Sequence[Change]) -> bool:
    """Does a new path lie below a deleted file, or a deleted one below a new file?"""
    deleted = {change.path for change in changes if change.content is None}
    added = {change.path for change in changes if change.content is not None}
    return any(not deleted.isdisjoint(_parents(path)) for path in added) or any(
        not added.isdisjoint(_parents(path)) for path in deleted
    )


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(1, len(parts))}
