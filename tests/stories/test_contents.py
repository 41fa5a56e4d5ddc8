"""What is in the tree rides along or is refused: LFS, submodules, symbolic links, line endings, very many files."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.rig.rig import Rig
from tests.stories.conftest import RigWith
from tests.stories.story import FILES, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'
FIXED = {"app.py": ("100644", b"def answer():\n    return 42\n")}
KEPT = (["changes"], True)

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4" * 64 + b"\nsize 12345\n"
LFS: Mapping[str, Any] = {
    **FILES,
    ".gitattributes": "*.psd filter=lfs diff=lfs merge=lfs -text\n",
    "art/logo.psd": POINTER,
}


def test_a_change_to_an_lfs_file_is_refused(rig: Rig) -> None:
    cases = {
        "- append art/logo.psd: more": "art/logo.psd",
        "- binary art/new.psd 500": "art/new.psd",
        "- delete .gitattributes\n- binary art/logo.psd 500": "art/logo.psd",
    }
    stories = [(Story.begin(rig, LFS), instruction, path) for instruction, path in cases.items()]
    numbers = [story.issue() for story, _, _ in stories]
    for (story, instruction, _), number in zip(stories, numbers, strict=True):
        story.say(number, f"/amp draw\n\n- append README.md: more\n{instruction}\n")
    rig.wait_idle()
    for (story, _, path), number in zip(stories, numbers, strict=True):
        answer = story.only_answer(number)
        assert "### 🚫 Not published" in answer
        assert f"- `{path}`: is stored in Git LFS" in answer
        assert story.kept() == KEPT
        assert (story.pulls(), list(story.branches())) == ([], ["main"])


def test_an_lfs_file_that_nobody_touched_rides_along_as_the_pointer_it_is(rig: Rig) -> None:
    story = Story.begin(rig, LFS)
    story.say(story.issue(), FIX)
    story.settle()
    assert story.change() == FIXED
    assert story.files(story.only_pull().head_sha)["art/logo.psd"] == ("100644", POINTER)


def test_submodules_and_symlinks_that_nobody_touched_ride_along(rig: Rig, tmp_path: Path) -> None:
    source = _repository_with_submodule(tmp_path / "source")
    story = Story.begin(rig, None, source=source)
    base = story.branches()["main"]
    story.say(story.issue(), FIX)
    story.settle()
    before, after = _entries(story, base), _entries(story, story.only_pull().head_sha)
    assert before["vendor/lib"] == ("160000", "1" * 40)
    assert [before[path][0] for path in ("latest", "docs/up", "outside")] == ["120000"] * 3
    assert {path for path in before | after if before.get(path) != after.get(path)} == {"app.py"}


def test_files_put_into_a_submodule_are_refused(rig: Rig, tmp_path: Path) -> None:
    story = Story.begin(rig, None, source=_repository_with_submodule(tmp_path / "source"))
    number = story.issue()
    story.say(number, "/amp vendor it\n\n- append app.py: # more\n- create vendor/lib/new.py: 1\n")
    story.settle()
    assert "- `vendor/lib/`: is a repository of its own, or a submodule" in story.only_answer(number)
    assert story.kept() == KEPT
    assert story.pulls() == []


def _repository_with_submodule(folder: Path) -> Path:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=rig", "-c", "user.email=rig@example.com"]
        subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)

    folder.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    (folder / "docs").mkdir()
    (folder / "app.py").write_text("def answer():\n    return 41\n")
    (folder / "docs" / "guide.md").write_text("Guide\n")
    (folder / "latest").symlink_to("docs/guide.md")
    (folder / "docs" / "up").symlink_to("../app.py")
    (folder / "outside").symlink_to("/etc/hostname")
    (folder / ".gitmodules").write_text('[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://example.com/lib.git\n')
    git("add", "-A")
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    git("commit", "--quiet", "-m", "First")
    return folder


def _entries(story: Story, revision: str) -> dict[str, tuple[str, str]]:
    """path -> (mode, id), of a commit; submodules too."""
    tree = story.repo.bare.commit(revision).tree
    every = story.repo.bare.entries(tree, recursive=True)
    return {entry.path: (entry.mode, entry.oid) for entry in every if entry.kind != "tree"}


def test_symlinks_that_stay_inside_are_published_where_the_operator_allows_them(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(AMPBOT_SYMLINKS="inside"))
    story.say(story.issue(), "/amp link\n\n- link docs/app -> ../app.py\n- link current -> docs\n")
    story.settle()
    assert story.change() == {"docs/app": ("120000", b"../app.py"), "current": ("120000", b"docs")}


def test_symlinks_that_leave_are_refused_all_the_same(rig_with: RigWith) -> None:
    rig = rig_with(AMPBOT_SYMLINKS="inside")
    targets = ("/etc/passwd", "../pages/app.py", "docs/../../x", ".git/config")
    stories = [(Story.begin(rig), target) for target in targets]
    numbers = [story.issue() for story, _ in stories]
    for (story, target), number in zip(stories, numbers, strict=True):
        story.say(number, f"/amp link\n\n- link current -> docs\n- link shadow -> {target}\n")
    rig.wait_idle()
    for (story, _), number in zip(stories, numbers, strict=True):
        answer = story.only_answer(number)
        assert "- `shadow`: is a symbolic link whose target " in answer
        assert "`current`" not in answer
        assert story.kept() == KEPT
        assert (story.pulls(), list(story.branches())) == ([], ["main"])


def test_line_endings_change_only_where_the_agent_changed_something(rig: Rig) -> None:
    files: Mapping[str, Any] = {
        **FILES,
        ".gitattributes": "* text=auto\n*.bat text eol=crlf\n*.raw -text\n*.id ident\n",
        "build.bat": "echo one\necho two\n",  # checked out with CRLF
        "other.bat": "echo other\n",
        "never-normalised.txt": b"one\r\ntwo\r\n",  # git add would rewrite this
        "exact.raw": b"one\r\ntwo\n",
        "version.id": "$Id$\n",
    }
    story = Story.begin(rig, files)
    story.say(
        story.issue(),
        '/amp edit\n\n- replace build.bat: "two" -> "2"\n- replace exact.raw: "two" -> "2"\n'
        "- run: printf 'three\\r\\n' > new.txt\n",
    )
    story.settle()
    assert story.change() == {
        "build.bat": ("100644", b"echo one\necho 2\n"),
        "exact.raw": ("100644", b"one\r\n2\n"),
        "new.txt": ("100644", b"three\n"),
    }


@pytest.mark.usefixtures("no_lag")
def test_five_thousand_files(rig: Rig) -> None:
    many = {f"src/{index % 50}/file {index}.txt": f"{index % 500}\n" for index in range(5000)}
    story = Story.begin(rig, {**FILES, **many})
    mark = story.mark()
    story.say(story.issue(), f"{FIX}- rename src/7 -> lib/seven\n")
    story.settle()
    before, after = _entries(story, story.branches()["main"]), _entries(story, story.only_pull().head_sha)
    moved = {path.replace("src/7/", "lib/seven/"): entry for path, entry in before.items()}
    assert after == moved | {"app.py": after["app.py"]}
    assert len(after) == 5000 + len(FILES)
    assert [request for request in story.requests(mark) if request.startswith("POST /git/")] == [
        *["POST /git/trees"] * 3,  # 100 deleted, 100 added, one altered; a hundred at a time
        "POST /git/commits",
        "POST /git/refs",
    ]
