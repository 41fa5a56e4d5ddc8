"""Which paths a change set may contain, and which files of a repository it may not change. No I/O.

Names that only Windows reserves (`aux.c`, `con`) are allowed: well-known repositories contain them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

MAX_BYTES = 4096  # PATH_MAX
MAX_PART_BYTES = 255  # NAME_MAX

# On NTFS, trailing dots and spaces do not count, a colon begins a stream's name, and `git~1` can mean `.git`:
# https://github.com/git/git/blob/v2.39.5/path.c (is_ntfs_dotgit)
_DOT_GIT = re.compile(r"(\.git|git~[0-9]+)[. ]*(:.*)?", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:")
_UNPRINTABLE = frozenset({"Cc", "Zl", "Zp"})


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
    if any(unicodedata.category(char) in _UNPRINTABLE for char in text):
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


def collisions(before: AbstractSet[str], after: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Paths that collide after a change, with the reason. `before` and `after`: all known files."""
    old, files, folders = before | _folders(before), after, _folders(after)
    for path in sorted(files & folders):
        yield path, "is both a file and a folder"
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in files | folders:
        alike[folded(name)].append(name)
    for names in alike.values():
        for name in sorted(names if len(names) > 1 else ()):
            if name not in old:
                other = min(other for other in names if other != name)
                yield name, f"is the same as `{printable(other)}` where letter case and Unicode form do not count"


def _folders(files: AbstractSet[str]) -> set[str]:
    return {path[: slash.start()] for path in files for slash in re.finditer("/", path)}


def folded(path: str) -> str:
    """A key that is equal for paths that mean the same file if case or Unicode form does not count."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def printable(path: str, max_chars: int = 200) -> str:
    """The path for people to read: one line of valid UTF-8, unusual characters escaped, shortened in the middle."""
    text = "".join(char if _is_plain(char) else char.encode("unicode_escape").decode() for char in path)
    if len(text) <= max_chars:
        return text
    half = (max_chars - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def is_text(path: str) -> bool:
    """Whether the path can be encoded as UTF-8. One decoded with `surrogateescape` may not."""
    return not any(unicodedata.category(char) == "Cs" for char in path)


def _is_plain(char: str) -> bool:
    return unicodedata.category(char) not in {*_UNPRINTABLE, "Cf", "Cs"}


def _plain(part: str) -> str:
    """Lower case, without format characters such as zero-width joiners: HFS+ ignores both."""
    return "".join(char for char in part if unicodedata.category(char) != "Cf").casefold()
