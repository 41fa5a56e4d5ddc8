"""Names a change set may carry: the table of hostile ones, and git as the judge of the accepted ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.changes import paths
from bot.changes.collisions import collisions

REFUSED = {
    "parent folder": ("../x", "has `..` in its path"),
    "parent folder inside": ("a/../../x", "has `..` in its path"),
    "parent folder alone": ("..", "has `..` in its path"),
    "absolute": ("/etc/x", "is an absolute path"),
    "drive with a backslash": ("C:\\x", "has a backslash in its name"),
    "drive with a slash": ("C:/x", "is an absolute path"),
    "drive-relative": ("c:x", "is an absolute path"),
    "backslash": ("a\\b", "has a backslash in its name"),
    "git folder": (".git/hooks/pre-commit", "reaches into `.git`"),
    "git folder itself": (".git", "reaches into `.git`"),
    "git folder in capitals": (".GIT/config", "reaches into `.git`"),
    "short NTFS name": ("git~1/config", "reaches into `.git`"),
    "short NTFS name in capitals": ("a/GIT~1", "reaches into `.git`"),
    "zero-width non-joiner": (".g\u200cit/config", "reaches into `.git`"),
    "every character HFS+ ignores": (
        "\ufeff.g\u200d\u202a\u206fi\u200et/config",
        "reaches into `.git`",
    ),
    "git folder below": ("x/.git/config", "reaches into `.git`"),
    "NTFS stream": (".git::$INDEX_ALLOCATION/config", "reaches into `.git`"),
    "git folder with a trailing space": (".git /config", "reaches into `.git`"),
    "git folder with trailing dots": (".git. ./config", "reaches into `.git`"),
    "NUL": ("a\0b", "has a control character or a line break in its name"),
    "newline": ("a\nb", "has a control character or a line break in its name"),
    "delete": ("a\x7fb", "has a control character or a line break in its name"),
    "second control set": ("a\x9bb", "has a control character or a line break in its name"),
    "line separator": ("a\u2028b", "has a control character or a line break in its name"),
    "4,097 characters": ("a/" * 2048 + "b", "is longer than 4096 bytes"),
    "a part of 256 bytes": ("a/" + "ä" * 128, "has a part longer than 255 bytes"),
    "a part of 101 folders": ("a/" * 101 + "b", "is below more than 100 folders"),
    "empty": ("", "is an empty path"),
    "empty part": ("a//b", "has an empty part in its path"),
    "trailing slash": ("a/", "has an empty part in its path"),
    "this folder": ("./a", "has `.` in its path"),
    "trailing dot": ("a./b", "has a part that ends in a dot or a space"),
    "trailing space": ("a/b ", "has a part that ends in a dot or a space"),
    "three dots": ("...", "has a part that ends in a dot or a space"),
    "not UTF-8": (b"a\xffb", "is not valid UTF-8"),
    "overlong UTF-8 for a slash": (b"a\xc0\xafb", "is not valid UTF-8"),
    "a surrogate in UTF-8": (b"a\xed\xa0\x80", "is not valid UTF-8"),
    "half a character": ("a\ud800", "is not valid UTF-8"),
    "a lone surrogate": ("a\udcff", "is not valid UTF-8"),
}


@pytest.mark.parametrize(("path", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_path_is_refused_with_its_reason(path: bytes | str, reason: str) -> None:
    assert paths.path_problem(path) == reason
    if isinstance(path, str) and paths.is_text(path):
        assert paths.path_problem(path.encode()) == reason


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b/c.py",
        "-rf",
        "--",
        "~",
        "$(id)",
        "a b",
        " a",
        "Grüße/日本語.txt",
        "e\u0301.txt",
        "👩\u200d💻.md",
        ".gitignore",
        ".gitattributes",
        ".github2/x",
        "git~",
        "mygit~1x",
        "x.git/y",
        ".gitx",
        "..a",
        "ab:c",
        "x/a:b",
        "aux.c",
        "CON",
        "*?<>|\"'",
        "a" * 255,
        "a/" * 100 + "bc",
        "/".join(["a" * 39] * 101),
    ],
)
def test_an_ordinary_or_merely_odd_path_is_accepted(path: str) -> None:
    assert paths.path_problem(path) is None
    assert paths.path_problem(path.encode()) is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".gitmodules", "configures submodules"),
        ("sub/.GitModules", "configures submodules"),
        (".git\u200cmodules", "configures submodules"),
        (".github/workflows/x.yml", "is below `.github/`"),
        (".github/CODEOWNERS", "is below `.github/`"),
        (".GitHub/dependabot.yml", "is below `.github/`"),
        (".github", "is below `.github/`"),
        (".github./x", "is below `.github/`"),  # where NTFS drops the dot
        ("CODEOWNERS", "names the code owners"),
        ("docs/CODEOWNERS", "names the code owners"),
        ("Docs/codeowners", "names the code owners"),
        ("vendor/lib/CODEOWNERS", None),
        ("vendor/.github/workflows/x.yml", None),
        ("github/x", None),
        ("CODEOWNERS.md", None),
        (".amp/settings.json", None),
        ("AGENTS.md", None),
        ("a\udcff", None),
        ("", None),
    ],
)
def test_places_that_govern_the_repository_are_protected(path: str, reason: str | None) -> None:
    assert paths.protected(path) == reason


@pytest.mark.parametrize(
    ("path", "target", "reason"),
    [
        ("l", "file", None),
        ("l", "a/b", None),
        ("l", "./a/./b", None),
        ("l", "folder/", None),
        ("d/l", "..", None),
        ("d/l", "../a", None),
        ("d/e/l", "../../a", None),
        ("d/l", ".", None),
        ("d/l", "../AGENTS.md", None),
        ("l", "..", "leaves the repository"),
        ("l", "../x", "leaves the repository"),
        ("l", "./../x", "leaves the repository"),
        ("d/l", "../../x", "leaves the repository"),
        ("l", "/etc/passwd", "leaves the repository"),
        ("l", "//server/x", "leaves the repository"),
        ("l", "C:/x", "leaves the repository"),
        ("l", "a/../../x", "has `..` in its path"),
        ("l", "a/../b", "has `..` in its path"),
        ("l", ".git/config", "reaches into `.git`"),
        ("l", ".git", "reaches into `.git`"),
        ("d/l", "../.GIT/hooks", "reaches into `.git`"),
        ("l", "..\\x", "has a backslash in its name"),
        ("l", "a\nb", "has a control character or a line break in its name"),
        ("l", "a\udcff", "is not valid UTF-8"),
        ("l", "", "is an empty path"),
        ("d/l", "", "has an empty part in its path"),
    ],
)
def test_a_symbolic_link_may_only_point_inside(path: str, target: str, reason: str | None) -> None:
    assert paths.link_problem(path, target) == reason


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a/b", "a/b"),
        ("Grüße", "Grüße"),
        ("a\nb\x1b[0m", "a\\nb\\x1b[0m"),
        ("a\udcff", "a\\udcff"),
        (".g\u200cit", ".g\\u200cit"),
        ("a\u202eb", "a\\u202eb"),
        ("x" * 300, "x" * 99 + "…" + "x" * 99),
    ],
)
def test_a_path_is_shown_on_one_line(path: str, text: str) -> None:
    assert paths.printable(path) == text


@given(st.text(), st.text())
def test_no_text_breaks_a_rule(path: str, target: str) -> None:
    paths.path_problem(path)
    paths.protected(path)
    paths.link_problem(path, target)
    list(collisions({path}, set(), {target}))
    shown = paths.printable(path)
    shown.encode()
    assert len(shown) <= 200
    assert shown.splitlines() in ([], [shown])


ODD = st.sampled_from([".", " ", "/", "-", ".git", "git~1", ":", "\\", "\u200c", "é", "\x7f", "~", '"'])
NAMES = st.lists(st.one_of(ODD, st.text(max_size=3)), min_size=1, max_size=8).map("".join)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paths") / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True, capture_output=True)
    return folder


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES.filter(lambda name: paths.path_problem(name) is None), min_size=20, max_size=60, unique=True))
def test_git_takes_and_returns_every_accepted_path(bare: Path, names: list[str]) -> None:
    """With git's own protection for NTFS and HFS+ on, which refuses what either would take for `.git`."""
    kept: list[str] = []
    for name in sorted(names, key=str.encode):
        if not any(name.startswith(f"{other}/") for other in kept):
            kept.append(name)
    (bare / "index").unlink(missing_ok=True)

    def git(*args: str, stdin: bytes = b"") -> bytes:
        protect = ["-c", "core.protectNTFS=true", "-c", "core.protectHFS=true"]
        command = ["git", "-C", str(bare), *protect, *args]
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout

    blob = git("hash-object", "-w", "--stdin").decode().strip()
    entries = b"".join(f"100644 {blob}\t{name}".encode() + b"\0" for name in kept)
    git("update-index", "--add", "-z", "--index-info", stdin=entries)
    tree = git("write-tree").decode().strip()
    listed = git("ls-tree", "-r", "-z", "--name-only", tree)
    assert sorted(listed.split(b"\0")[:-1]) == sorted(name.encode() for name in kept)
