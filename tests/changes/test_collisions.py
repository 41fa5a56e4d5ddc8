"""Names that collide: which are found, and how little memory that takes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.changes.collisions import collisions
from bot.changes.paths import folded
from tests.changes.memory import peak


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a"}, {"a", "b"}, {}),
        ({"readme"}, {"README"}, {}),  # a rename in letter case only
        ({"docs/a"}, {"Docs/a"}, {}),
        ({"A", "a"}, {"A", "a", "b"}, {}),  # stood there before
        ({"Docs/a", "docs/b"}, {"Docs/a", "docs/b", "docs/c"}, {}),
        ({"a"}, {"a/b"}, {}),  # a file became a folder
        ({"a"}, {"a", "a/b"}, {"a": "is both a file and a folder"}),
        (set(), {"a", "a/b"}, {"a": "is both a file and a folder"}),
        ({"readme"}, {"readme", "README"}, {"README": "readme"}),
        (set(), {"readme", "README"}, {"README": "readme", "readme": "README"}),
        ({"docs/a"}, {"docs/a", "Docs/b"}, {"Docs": "docs"}),
        ({"caf\u00e9"}, {"caf\u00e9", "cafe\u0301"}, {"cafe\u0301": "café"}),
        ({"straße"}, {"straße", "STRASSE"}, {"STRASSE": "straße"}),
    ],
)
def test_a_name_collides_only_when_the_change_brings_it(
    before: set[str], after: set[str], found: dict[str, str]
) -> None:
    same = "is the same as `{}` where letter case and Unicode form do not count"
    expected = {path: text if text.startswith("is ") else same.format(text) for path, text in found.items()}
    assert dict(collisions(before, before - after, after - before)) == expected


def test_of_a_path_only_the_first_part_that_collides_is_named() -> None:
    found = list(collisions(["docs/a/b"], set(), ["Docs/A/B", "Docs/A/c", "docs/A"]))
    assert [path for path, _ in found] == ["Docs", "docs/A"]


def plainly(base: set[str], deleted: set[str], added: set[str]) -> set[str]:
    """Every added name that collides, worked out with all names in memory."""
    after = (base - deleted) | added
    old = base | folders(base)
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for name in after | folders(after):
        alike[folded(name)].add(name)
    both = after & folders(after)
    return both | {name for names in alike.values() if len(names) > 1 for name in names if name not in old}


def folders(paths: set[str]) -> set[str]:
    return {path[: slash.start()] for path in paths for slash in re.finditer("/", path)}


def with_parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def as_git_has_them(paths: set[str]) -> set[str]:
    return paths - folders(paths)


NAMES = st.lists(st.sampled_from(["a", "A", "b", "\u00e9", "e\u0301"]), min_size=1, max_size=3).map("/".join)
NAME_SETS = st.sets(NAMES, max_size=8)


@settings(deadline=None)
@given(NAME_SETS.map(as_git_has_them), NAME_SETS, NAME_SETS)
def test_what_is_found_is_what_collides(base: set[str], gone: set[str], new: set[str]) -> None:
    deleted, added = gone & base, new - base
    expected = plainly(base, deleted, added)
    found = {path for path, _ in collisions(sorted(base), deleted, added)}
    assert found <= expected
    # What is below a name that collides is not named again.
    assert all(found.intersection(with_parents(path)) for path in expected if not path.startswith(tuple(found)))
    assert bool(found) == bool(expected)


def test_a_large_base_is_looked_at_name_by_name() -> None:
    base = (f"folder/of/the/base/{number}" for number in range(200_000))
    found, memory = peak(lambda: list(collisions(base, set(), ["folder/of/the/Base/1", "other"])))
    assert [path for path, _ in found] == ["folder/of/the/Base"]
    assert memory < 200_000


def test_without_an_added_file_the_base_is_not_even_read() -> None:
    base = iter(["a", "b"])
    assert list(collisions(base, {"a"}, [])) == []
    assert list(base) == ["a", "b"]
