"""What a change set must not contain, and how it is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from bot.changes import changeset
from bot.changes.changeset import Change, ChangeSet, SymlinkRule, Violation
from bot.changes.left_out import rules
from bot.changes.limits import Limits

OLD = "0" * 39 + "1"


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def added(path: str, content: bytes = b"x", mode: str = "100644") -> Change:
    return Change(path, mode, None, blob(content), content, "added")


def modified(path: str, content: bytes = b"x", mode: str = "100644", old_mode: str = "100644") -> Change:
    return Change(path, mode, old_mode, blob(content), content, "modified")


def became(path: str, mode: str, old_mode: str, content: bytes = b"x") -> Change:
    return Change(path, mode, old_mode, blob(content), content, "type changed")


def deleted(path: str, old_mode: str = "100644", gone: str = OLD) -> Change:
    return Change(path, "000000", old_mode, gone, None, "deleted")


def submodule(path: str, old_mode: str | None = None) -> Change:
    return Change(path, "160000", old_mode, OLD, None, "modified" if old_mode else "added")


def change_set(*entries: Change, tree: str = "1" * 40, lfs: Iterable[str] = ()) -> ChangeSet:
    return ChangeSet(tree, "2" * 40, entries, frozenset(lfs), (), "digest")


@pytest.mark.parametrize(
    "change",
    [
        added("a"),
        added("bin/tool", mode="100755"),
        modified("a", mode="100755"),
        deleted("a"),
        added("empty", b""),
        added("binary", b"\0\xff"),
        modified("spaces", b" \n"),
        added(".amp/settings.json"),  # may change agent settings: people review the pull request
        modified("AGENTS.md"),  # likewise
        became("was-a-link", "100644", "120000"),
        deleted("old-link", old_mode="120000"),
        deleted("trailing dot."),  # odd names may go
        deleted("a\\b"),
        deleted("a\nb"),
    ],
    ids=lambda change: repr(change.path),
)
def test_an_ordinary_change_passes(change: Change) -> None:
    assert changeset.check(change_set(change)) == ()


REFUSED: dict[str, tuple[Change, str, str]] = {
    "parent folder": (added("../x"), "../x", "has `..` in its path"),
    "absolute": (added("/etc/x"), "/etc/x", "is an absolute path"),
    "drive with a backslash": (added("C:\\x"), "C:\\x", "has a backslash in its name"),
    "git folder": (added(".git/hooks/pre-commit"), ".git/hooks/pre-commit", "reaches into `.git`"),
    "zero-width non-joiner": (added(".g\u200cit/config"), ".g\\u200cit/config", "reaches into `.git`"),
    "symlink added": (added("l", b"/etc/passwd", "120000"), "l", "is a symbolic link"),
    "file becomes a symlink": (became("d", "120000", "100644", b"e"), "d", "is a symbolic link"),
    "a symlink retargeted": (modified("l", b"a", "120000", "120000"), "l", "is a symbolic link"),
    "nested repository": (submodule("nested"), "nested", "is a submodule, or a repository of its own"),
    "submodule moved on": (submodule("s", "160000"), "s", "is a submodule, or a repository of its own"),
    "submodule taken away": (deleted("s", "160000"), "s", "is a submodule, or a repository of its own"),
    "submodule replaced by a file": (
        became("s", "100644", "160000"),
        "s",
        "is a submodule, or a repository of its own",
    ),
    "newline": (added("a\nb"), "a\\nb", "has a control character or a line break in its name"),
    "an odd name altered": (modified("a."), "a.", "has a part that ends in a dot or a space"),
    "not UTF-8": (added("a\udcff"), "a\\udcff", "is not valid UTF-8"),
    "not UTF-8, deleted": (deleted("a\udcff"), "a\\udcff", "is not valid UTF-8"),
    "submodule configuration": (modified(".gitmodules"), ".gitmodules", "configures submodules"),
    "workflow": (added(".github/workflows/x.yml"), ".github/workflows/x.yml", "is below `.github/`"),
    "workflow, deleted": (deleted(".github/workflows/x.yml"), ".github/workflows/x.yml", "is below `.github/`"),
    "code owners": (modified("docs/CODEOWNERS"), "docs/CODEOWNERS", "names the code owners"),
    "code owners, deleted": (deleted("CODEOWNERS"), "CODEOWNERS", "names the code owners"),
    "too large a file": (
        added("big", b"x" * 1001),
        "big",
        "has 1,001 bytes, where the limit for one file is 1,000",
    ),
}


@pytest.mark.parametrize(("change", "path", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_forbidden_entry_refuses_the_change_set(change: Change, path: str, reason: str) -> None:
    found = changeset.check(change_set(added("fine"), change), limits=Limits(file_bytes=1000))
    assert found == (Violation(path, reason),)


def test_every_forbidden_entry_is_named() -> None:
    found = changeset.check(change_set(added("../x"), added("fine"), added(".github/x"), submodule("s")))
    assert [violation.path for violation in found] == ["../x", ".github/x", "s"]


@pytest.mark.parametrize(
    ("rule", "change", "reasons"),
    [
        ("inside", added("d/l", b"../a", "120000"), ()),
        ("refuse", added("d/l", b"../a", "120000"), ("is a symbolic link",)),
        (
            "inside",
            added("l", b"../a", "120000"),
            ("is a symbolic link whose target leaves the repository",),
        ),
        (
            "inside",
            became("l", "120000", "100644", b".git/config"),
            ("is a symbolic link whose target reaches into `.git`",),
        ),
        ("inside", added("l", b"\xff", "120000"), ("is a symbolic link whose target is not valid UTF-8",)),
        ("inside", added(".github/l", b"../a", "120000"), ("is below `.github/`",)),
    ],
)
def test_symbolic_links_are_the_operators_choice(rule: SymlinkRule, change: Change, reasons: tuple[str, ...]) -> None:
    found = changeset.check(change_set(change), symlinks=rule)
    assert found == tuple(Violation(change.path, reason) for reason in reasons)


@pytest.mark.parametrize(
    ("change", "refused"), [(added("a.bin"), True), (modified("a.bin"), True), (deleted("a.bin"), False)]
)
def test_files_of_git_lfs_may_only_be_deleted(change: Change, refused: bool) -> None:
    found = changeset.check(change_set(change, lfs=["a.bin"]))
    assert found == ((Violation("a.bin", "is stored in Git LFS"),) if refused else ())


def test_an_empty_repository_is_refused() -> None:
    found = changeset.check(change_set(deleted("a"), tree=changeset.EMPTY_TREE))
    assert found == (Violation("", "nothing would be left in the repository"),)


def test_no_change_at_all_is_no_violation() -> None:
    assert changeset.check(change_set()) == ()
    assert changeset.check(change_set(tree=changeset.EMPTY_TREE)) == ()


SAME = "is the same as `{}` where letter case and Unicode form do not count"


@pytest.mark.parametrize(
    ("entries", "base", "found"),
    [
        ([added("A"), added("a")], [], {"A": SAME.format("a"), "a": SAME.format("A")}),
        ([added("README")], ["readme"], {"README": SAME.format("readme")}),
        ([added("cafe\u0301")], ["caf\u00e9"], {"cafe\u0301": SAME.format("caf\u00e9")}),
        ([added("README"), deleted("readme")], ["readme"], {}),
        ([added("README"), modified("readme")], [], {"README": SAME.format("readme")}),
        ([modified("README")], ["readme", "README"], {}),
        ([added("a/b"), added("a")], [], {"a": "is both a file and a folder"}),
        ([added("a/b")], ["a"], {"a": "is both a file and a folder"}),
        ([added("a/b"), deleted("a")], ["a"], {}),
        ([added("b")], ["a/b", "c"], {}),
    ],
)
def test_names_may_not_collide(entries: list[Change], base: list[str], found: dict[str, str]) -> None:
    violations = changeset.check(change_set(*entries), base_paths=base)
    assert {violation.path: violation.reason for violation in violations} == found


def test_a_secret_is_refused_and_not_repeated() -> None:
    secret = b"canary-3f9a"
    entries = [
        added("content", b"key = " + secret),
        added("fine", b"canary"),
        modified("link", secret, "120000", "120000"),
    ]
    found = changeset.check(change_set(*entries), symlinks="inside", leaks=lambda data: secret in data)
    assert found == tuple(Violation(path, "holds a secret of this installation") for path in ("content", "link"))


def test_what_should_have_been_left_out_is_refused() -> None:
    """The script leaves it out. Where it did not, somebody tampered with it in the sandbox."""
    entries = [added(".env"), added("a/node_modules/x.js"), added("b"), modified("c.pyc"), deleted("d/.env")]
    found = changeset.check(change_set(*entries), left_out=rules((), "", ()))
    assert found == (
        Violation(".env", "is left out: environment file"),
        Violation("a/node_modules/x.js", "is left out: dependencies"),
    )


def test_a_name_that_is_a_secret_is_not_shown() -> None:
    entries = [added("canary-3f9a/x"), added(".github/canary-3f9a"), added("CANARY-3F9A/x")]
    found = changeset.check(change_set(*entries), leaks=lambda data: b"canary-3f9a" in data)
    assert found == (Violation("", "the name of a file holds a secret of this installation"),)


# --- what a merge brings --------------------------------------------------------------------------


@pytest.mark.parametrize("change", [row[0] for row in REFUSED.values()], ids=REFUSED)
def test_what_a_merge_brings_is_the_base_branchs_business(change: Change) -> None:
    found = change_set(change, lfs=[change.path])
    assert changeset.check(found, symlinks="inside", left_out=rules((), "", ())) != ()
    assert changeset.check(found, symlinks="inside", theirs={change.path}) == ()
    assert changeset.check(found, symlinks="inside", theirs={"other"}) != ()


def test_names_of_amps_must_not_collide_with_those_a_merge_brings() -> None:
    found = change_set(added("Readme"), added("readme"))
    assert [item.path for item in changeset.check(found, theirs={"Readme"})] == ["readme"]
    assert changeset.check(found, theirs={"Readme", "readme"}) == ()


def test_a_merge_may_not_bring_a_secret_of_ours() -> None:
    found = change_set(added("a", b"secret"))
    assert changeset.check(found, leaks=lambda data: b"secret" in data, theirs={"a"}) != ()
