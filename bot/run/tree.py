"""Creates the change set's tree on GitHub: text inline, other files as blobs, a large change set with `git push`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from bot.changes.changeset import Change, ChangeSet
from bot.context import Context
from bot.github.app import Token
from bot.github.records import TreeEntry
from bot.github.repository import Repository
from bot.model import PinnedBase
from bot.run import pack
from bot.run.merge import Merge

# GitHub may answer a large request with a 502, so we create the tree in steps of this size.
ENTRIES_A_REQUEST = 100
INLINE_A_REQUEST = 1_500_000
# Above these limits we push: each blob is a request, and GitHub limits requests.
MAX_BLOBS = 40
MAX_BYTES = 20_000_000


async def publish(
    context: Context,
    repository: Repository,
    token: Token,
    change_set: ChangeSet,
    pinned: PinnedBase,
    run: str,
    merge: Merge | None = None,
) -> str:
    """Create the tree and return its id, for the caller to compare with the sandbox's. Raises: GitHubError.

    `merge`: what Amp merged. Then the tree is built on that of the merged commit, so that what came from there is not
    sent: it may be a great deal, and GitHub refuses workflow files in such a request.
    """
    if is_large(change_set, merge):
        return await pack.push(context, token, change_set, pinned, run, merge.commit if merge is not None else None)
    changes = _sent(change_set, merge)
    # One after the other is slow, and all at once exceeds GitHub's limits.
    slots = asyncio.Semaphore(4)

    async def upload(change: Change) -> None:
        async with slots:
            await repository.blob(change.content or b"")

    await asyncio.gather(*(upload(change) for change in _unique_blobs(changes).values()))
    tree, entries = change_set.base_tree, [_entry(change) for change in changes]
    if merge is not None and merge.tree is not None:
        tree, entries = merge.tree, [*(entry for entry in entries if not _deletes(entry)), *merge.rest]
    for batch in _batches(entries):
        tree = await repository.tree(tree, batch)
    return tree


def is_large(change_set: ChangeSet, merge: Merge | None = None) -> bool:
    """Whether the change set is pushed with git."""
    changes = _sent(change_set, merge)
    size = sum({change.blob: len(change.content or b"") for change in changes}.values())
    return len(_unique_blobs(changes)) > MAX_BLOBS or size > MAX_BYTES


def _sent(change_set: ChangeSet, merge: Merge | None) -> Sequence[Change]:
    """The changes whose contents are sent."""
    if merge is None or merge.tree is None:
        return change_set.changes
    return [change for change in change_set.changes if change.path not in merge.theirs]


def _unique_blobs(changes: Sequence[Change]) -> dict[str, Change]:
    """The changes whose content cannot be inline in JSON, one for each blob."""
    return {c.blob: c for c in changes if c.content is not None and _text(c.content) is None}


def _text(content: bytes) -> str | None:
    if len(content) > INLINE_A_REQUEST:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _batches(entries: Sequence[TreeEntry]) -> Iterator[list[TreeEntry]]:
    """The entries of each request. If a file replaces a folder, or the reverse, deletions get requests of their own."""
    batch: list[TreeEntry] = []
    size = 0
    ordered = sorted(entries, key=lambda entry: not _deletes(entry))
    first_added = _first_added(ordered) if _swaps(entries) else None
    for index, entry in enumerate(ordered):
        weight = len(entry.text.encode()) if entry.text is not None else 0
        full = len(batch) == ENTRIES_A_REQUEST or size + weight > INLINE_A_REQUEST
        if batch and (full or index == first_added):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += weight
    if batch:
        yield batch


def _entry(change: Change) -> TreeEntry:
    if change.status == "deleted":
        return TreeEntry(change.path, change.old_mode or "100644")
    text = _text(change.content) if change.content is not None else None
    return (
        TreeEntry(change.path, change.mode, blob=change.blob)
        if text is None
        else TreeEntry(change.path, change.mode, text)
    )


def _deletes(entry: TreeEntry) -> bool:
    return entry.text is None and entry.blob is None


def _first_added(ordered: Sequence[TreeEntry]) -> int:
    return next((index for index, entry in enumerate(ordered) if not _deletes(entry)), len(ordered))


def _swaps(entries: Sequence[TreeEntry]) -> bool:
    """Whether a new path is below a deleted file, or a deleted path below a new file."""
    deleted = {entry.path for entry in entries if _deletes(entry)}
    added = {entry.path for entry in entries if not _deletes(entry)}
    return any(not deleted.isdisjoint(_parents(path)) for path in added) or any(
        not added.isdisjoint(_parents(path)) for path in deleted
    )


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(1, len(parts))}
