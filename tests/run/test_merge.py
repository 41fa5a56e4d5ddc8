"""What a merge brings from the base branch, and the tree of the merge, built on the merged commit's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.changes.changeset import Change
from bot.github.records import TreeFile
from bot.run.merge import about_workflows, entries, same_as

Files = dict[str, TreeFile]

TREES = st.dictionaries(
    st.sampled_from(["a", "b", "c", ".github/workflows/ci.yml", "lib", "link"]),
    st.builds(
        TreeFile, st.sampled_from(["100644", "100755", "120000", "160000"]), st.sampled_from(["1" * 40, "2" * 40])
    ),
)


def difference(before: Files, after: Files) -> tuple[Change, ...]:
    """The change set; contents do not matter here."""
    changes = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if new is None:
            assert old is not None
            changes.append(Change(path, "000000", old.mode, old.id, None, "deleted"))
        else:
            status = "added" if old is None else "modified"
            changes.append(Change(path, new.mode, old and old.mode, new.id, b"", status))  # type: ignore[arg-type]
    return tuple(changes)


@given(TREES, TREES, TREES, TREES)
def test_the_tree_is_that_of_the_merge(common: Files, ours: Files, theirs: Files, merged: Files) -> None:
    changes = difference(ours, merged)
    same = same_as(changes, theirs, common)
    made = dict(theirs)
    for change in changes:
        if change.path not in same and change.status != "deleted":
            made[change.path] = TreeFile(change.mode, change.blob)
    for entry in entries(changes, ours, theirs):
        if entry.blob is None:
            assert entry.path in made, "only what is there can be deleted"
            del made[entry.path]
        else:
            made[entry.path] = TreeFile(entry.mode, entry.blob)
    assert made == merged


@given(TREES, TREES, TREES, TREES)
def test_what_is_not_as_in_the_merged_commit_is_amps(common: Files, ours: Files, theirs: Files, merged: Files) -> None:
    for path in same_as(difference(ours, merged), theirs, common):
        assert merged.get(path) == theirs.get(path)
        assert ours.get(path) != merged.get(path)
        assert path in theirs or path in common, "a file that the base branch never had"


def test_what_github_says_of_workflows() -> None:
    refusal = "refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml`"
    assert about_workflows(refusal)
    assert about_workflows("Resource not accessible by integration")
    assert not about_workflows("Repository rule violations found")
