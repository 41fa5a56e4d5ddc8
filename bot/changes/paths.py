"""Which paths a change set may contain, and which files of a repository it may not change. No I/O.

Names that only Windows reserves (`aux.c`, `con`) are allowed: well-known repositories contain them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_BYTES = 4096  # PATH_MAX
MAX_PART_BYTES = 255  # NAME_MAX
MAX_FOLDERS = 100  # a file may be below; git stops at 2048 (core.maxTreeDepth), and no tool needs so many

# On NTFS, trailing dots and spaces do not count, a colon begins a stream's name, and `git~1` can mean `.git`:
# https://github.com/git/git/blob/v2.39.5/path.c (is_ntfs_dotgit)
_DOT_GIT = re.compile(r"(\.git|git~[0-9]+)[. ]*(:.*)?", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:")
# The categories Cc, Zl and Zp, which no version of Unicode changes.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def path_problem(path: bytes | str) -> str | None:
    """Why no file may be added or changed at this path, as a phrase after the path; None if it may."""
    raw = path if isinstance(path, bytes) else path.encode("utf-8", "surrogatepass")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return "is not valid UTF-8"
    if not text:
        return "is an empty path"
    if len(raw) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    if folder_count(text) > MAX_FOLDERS:
        return f"is below more than {MAX_FOLDERS} folders"
    if _UNPRINTABLE.search(text):
        return "has a control character or a line break in its name"
    if "\\" in text:
        return "has a backslash in its name"
    if text.startswith("/") or _DRIVE.match(text):
        return "is an absolute path"
    for part in text.split("/"):
        if reason := _part_problem(part):
            return reason
    return None


def _part_problem(part: str) -> str | None:
    if part == "":
        return "has an empty part in its path"
    if part in (".", ".."):
        return f"has `{part}` in its path"
    if is_dot_git(part):
        return "reaches into `.git`"
    if part[-1] in ". ":
        return "has a part that ends in a dot or a space"
    if len(part.encode()) > MAX_PART_BYTES:
        return f"has a part longer than {MAX_PART_BYTES} bytes"
    return None


def is_dot_git(part: str) -> bool:
    """Whether this name means `.git` on some file system."""
    return _DOT_GIT.fullmatch(_plain(part)) is not None


def protected(path: str) -> str | None:
    """Why a run may not add, change or delete this file, as a phrase after the path; None if it may.

    These files decide who must review, what CI runs, and which other repositories are fetched.
    """
    parts = [_plain(part).rstrip(". ") for part in path.split("/")]
    if parts[-1] == ".gitmodules":
        return "configures submodules"
    if parts[0] == ".github":
        return "is below `.github/`"
    if parts in (["codeowners"], ["docs", "codeowners"]):
        return "names the code owners"
    return None


def link_problem(path: str, target: str) -> str | None:
    """Why a symbolic link at `path` may not have this target; None if it may.

    `..` is allowed only at the start. After a name, it could leave the target of another link.
    """
    if target.startswith("/") or _DRIVE.match(target):
        return "leaves the repository"
    folders = path.split("/")[:-1]
    parts = [part for part in target.rstrip("/").split("/") if part != "."]
    while parts and parts[0] == "..":
        if not folders:
            return "leaves the repository"
        del parts[0], folders[-1]
    return path_problem("/".join(folders + parts)) if parts else None


def folder_count(path: str) -> int:
    """How many folders the path is below."""
    return path.count("/")


def folders(sorted_paths: Iterable[str]) -> int:
    """How many folders these paths are in, all together. They are sorted by their bytes, so nothing is kept."""
    count = 0
    previous: list[str] = []
    for path in sorted_paths:
        current = path.split("/")[:-1]
        same = 0
        for one, other in zip(current, previous, strict=False):
            if one != other:
                break
            same += 1
        count += len(current) - same
        previous = current
    return count


def folded(path: str) -> str:
    """A key that is equal for paths that mean the same file if case or Unicode form does not count."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def printable(path: str, max_chars: int = 200) -> str:
    """The path for people to read: one line of valid UTF-8, unusual characters escaped, shortened in the middle."""
    if len(path) > 2 * max_chars:  # the middle is not shown, however long it is
        path = path[:max_chars] + path[-max_chars:]
    text = "".join(char if _is_plain(char) else char.encode("unicode_escape").decode() for char in path)
    if len(text) <= max_chars:
        return text
    half = (max_chars - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def is_text(path: str) -> bool:
    """Whether the path can be encoded as UTF-8. One decoded with `surrogateescape` may not."""
    return path.isascii() or not any(unicodedata.category(char) == "Cs" for char in path)


def _is_plain(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _plain(part: str) -> str:
    """Lower case, without format characters such as zero-width joiners: HFS+ ignores both."""
    if part.isascii():
        return part.lower()
    return "".join(char for char in part if unicodedata.category(char) != "Cf").casefold()
