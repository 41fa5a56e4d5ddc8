"""Resolving paths of a sandbox from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.rig.e2b.tree import TOPS, Tree, expand, is_own


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for top in TOPS:
        (tmp_path / "sandbox" / top).mkdir(parents=True)
    (tmp_path / "sandbox" / "home" / "user").mkdir()
    (tmp_path / "outside").write_text("secret")
    return Tree(tmp_path / "sandbox")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", "/home/user"),
        ("f", "/home/user/f"),
        ("a/../f", "/home/user/f"),
        ("~", "/home/user"),
        ("~/f", "/home/user/f"),
        ("/tmp/f", "/tmp/f"),
        ("../../etc", "/etc"),
    ],
)
def test_relative_paths_begin_at_home(path: str, found: str) -> None:
    assert expand(path) == found


@pytest.mark.parametrize(
    ("path", "own"),
    [("/home/x", True), ("/tmp", True), ("/root/", True), ("/rootless", False), ("/", False), ("/tmp/../etc", False)],
)
def test_a_sandbox_owns_three_directories(path: str, own: bool) -> None:
    assert is_own(path) is own


@pytest.mark.parametrize(
    ("path", "make", "found"),
    [
        ("/home/user/f", False, "/home/user/f"),
        ("/home/user/", False, "/home/user"),
        ("/home/./user/../user/f", False, "/home/user/f"),
        ("/../../tmp/f", False, "/tmp/f"),
        ("/home/user/new/er/f", True, "/home/user/new/er/f"),
        ("/", False, "/"),
    ],
)
def test_a_path_leads_to_a_name_in_a_directory(tree: Tree, path: str, make: bool, found: str) -> None:
    with tree.spot(path, make=make) as spot:
        assert spot.path == found


NAMES = ["..", ".", "home", "user", "tmp", "a", "link", "outside", "", "~"]
TARGETS = ["/", "..", "../..", "/tmp", "/home/user/a", "../../../outside", "a", "link", "{outside}"]


@given(
    path=st.lists(st.sampled_from(NAMES), max_size=8).map("/".join),
    target=st.sampled_from(TARGETS),
    follow=st.booleans(),
    make=st.booleans(),
)
def test_no_path_and_no_link_leads_out(
    tmp_path_factory: pytest.TempPathFactory, path: str, target: str, follow: bool, make: bool
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    sandbox, outside = folder / "sandbox", folder / "outside"
    for top in TOPS:
        (sandbox / top).mkdir(parents=True)
    (sandbox / "home" / "user").mkdir()
    outside.write_text("secret")
    (sandbox / "home" / "user" / "link").symlink_to(target.format(outside=outside))
    (sandbox / "tmp" / "link").symlink_to(target.format(outside=outside))

    try:
        with Tree(sandbox).spot("/home/user/" + path, follow=follow, make=make) as spot:
            parent = Path(f"/proc/self/fd/{spot.parent}").readlink()
            assert parent == sandbox or sandbox in parent.parents
            assert spot.name not in ("..", "")
            assert not (follow and (parent / spot.name).is_symlink())
    except OSError:
        pass
    assert sorted(path.name for path in folder.iterdir()) == ["outside", "sandbox"]
    assert sorted(path.name for path in sandbox.iterdir()) == sorted(TOPS)
