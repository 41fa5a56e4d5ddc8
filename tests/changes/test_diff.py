"""Which lines of a pull request's diff can carry a comment, and what is left of a diff that is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.changes.diff import Diff, FileDiff, Hunk, Side, text_limit

TEXT = """\
diff --git a/src/app.py b/src/app.py
index 1111111..2222222 100644
--- a/src/app.py
+++ b/src/app.py
@@ -1,4 +1,5 @@ def main():
 one
-two
+TWO
+and a half
 three
 four
@@ -20,3 +21,2 @@
 twenty
-twenty-one
 twenty-two
\\ No newline at end of file
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
index 1111111..0000000
--- a/gone.txt
+++ /dev/null
@@ -1,2 +0,0 @@
-first
--- second
diff --git a/new.txt b/new.txt
new file mode 100755
index 0000000..1111111
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+only
diff --git a/old name.txt b/new name.txt
similarity index 90%
rename from old name.txt
rename to new name.txt
index 1111111..2222222 100644
--- a/old name.txt\t
+++ b/new name.txt\t
@@ -3 +3 @@
-x
+y
diff --git a/moved.txt b/deep/moved.txt
similarity index 100%
rename from moved.txt
rename to deep/moved.txt
diff --git a/a b/tool b/a b/tool
old mode 100644
new mode 100755
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..1111111
Binary files /dev/null and b/logo.png differ
diff --git "a/Gr\\303\\274\\303\\237e \\"x\\"\\n.txt" "b/Gr\\303\\274\\303\\237e \\"x\\"\\n.txt"
index 1111111..2222222 100644
--- "a/Gr\\303\\274\\303\\237e \\"x\\"\\n.txt"
+++ "b/Gr\\303\\274\\303\\237e \\"x\\"\\n.txt"
@@ -1 +1 @@
-a\r
+a\rb\x0cc\u2028d\r
diff --git a/link b/link
deleted file mode 100644
index 1111111..0000000
--- a/link
+++ /dev/null
@@ -1,2 +0,0 @@
-was
-a file
diff --git a/link b/link
new file mode 120000
index 0000000..2222222
--- /dev/null
+++ b/link
@@ -0,0 +1 @@
+target
\\ No newline at end of file
"""
DIFF = Diff.parse(TEXT)
ODD_NAME = 'Grüße "x"\n.txt'


def test_the_files_of_a_diff_are_read() -> None:
    assert [(file.path, file.old_path, file.status, file.binary, len(file.hunks)) for file in DIFF.files] == [
        ("src/app.py", "src/app.py", "modified", False, 2),
        ("gone.txt", "gone.txt", "deleted", False, 1),
        ("new.txt", None, "added", False, 1),
        ("new name.txt", "old name.txt", "renamed", False, 1),
        ("deep/moved.txt", "moved.txt", "renamed", False, 0),
        ("a b/tool", "a b/tool", "modified", False, 0),
        ("logo.png", None, "added", True, 0),
        (ODD_NAME, ODD_NAME, "modified", False, 1),
        ("link", "link", "deleted", False, 1),
        ("link", None, "added", False, 1),
    ]


def test_a_hunk_is_read_whole() -> None:
    assert DIFF.files[0].hunks == (
        Hunk(range(1, 5), range(1, 6), (" one", "-two", "+TWO", "+and a half", " three", " four")),
        Hunk(range(20, 23), range(21, 23), (" twenty", "-twenty-one", " twenty-two")),
    )
    assert DIFF.files[7].hunks == (Hunk(range(1, 2), range(1, 2), ("-a\r", "+a\rb\x0cc\u2028d\r")),)


def lines(path: str, side: Side) -> list[int]:
    return [line for line in range(-1, 40) if DIFF.accepts(path, line, side)]


@pytest.mark.parametrize(
    ("path", "left", "right"),
    [
        ("src/app.py", [1, 2, 3, 4, 20, 21, 22], [1, 2, 3, 4, 5, 21, 22]),
        ("gone.txt", [1, 2], []),
        ("new.txt", [], [1]),
        ("new name.txt", [3], [3]),
        ("old name.txt", [], []),
        ("deep/moved.txt", [], []),
        ("a b/tool", [], []),
        ("logo.png", [], []),
        (ODD_NAME, [1], [1]),
        ("link", [1, 2], [1]),
        ("no/such/file", [], []),
        ("", [], []),
    ],
)
def test_a_line_is_accepted_where_the_diff_shows_it(path: str, left: list[int], right: list[int]) -> None:
    assert (lines(path, "LEFT"), lines(path, "RIGHT")) == (left, right)


@pytest.mark.parametrize(
    ("start", "line", "side", "accepted"),
    [
        (1, 5, "RIGHT", True),
        (2, 3, "RIGHT", True),
        (1, 4, "LEFT", True),
        (5, 5, "RIGHT", False),  # GitHub: the start must precede the end
        (3, 2, "RIGHT", False),
        (5, 21, "RIGHT", False),  # two hunks
        (1, 6, "RIGHT", False),
        (0, 2, "RIGHT", False),
        (21, 22, "LEFT", True),
    ],
)
def test_a_range_stays_within_one_hunk(start: int, line: int, side: Side, accepted: bool) -> None:
    assert DIFF.accepts("src/app.py", line, side, start_line=start) is accepted


def plain(name: str, hunks: tuple[Hunk, ...] = ()) -> FileDiff:
    return FileDiff(name, name, "modified", binary=False, hunks=hunks)


def header(name: str) -> str:
    return f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n"


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("", ()),
        ("no diff at all\n@@ -1 +1 @@\n-x\n", ()),
        ("diff --git ", ()),
        ("diff --git nonsense\n@@ -1 +1 @@\n-x\n+y\n", ()),
        ("diff --git a/x b/yyy\n", ()),
        ('diff --git "a/\ud800" "b/\ud800"\n', (plain("\ufffd" * 3),)),
        (header("a") + "@@ nonsense @@\n x\n", (plain("a"),)),
        (
            header("a") + "@@ -1,9 +1,9 @@\n one\n",  # cut off
            (plain("a", (Hunk(range(1, 2), range(1, 2), (" one",)),)),),
        ),
        (
            header("a") + "@@ -1,2 +1,2 @@\n one\n\nstray\n@@ -9 +9 @@\n-x\n",  # trimmed, then junk
            (
                plain(
                    "a",
                    (Hunk(range(1, 3), range(1, 3), (" one", "")), Hunk(range(9, 10), range(9, 9), ("-x",))),
                ),
            ),
        ),
        (header("a") + "@@ -" + "9" * 5000 + " +1 @@\n x\n", (plain("a"),)),
        ('diff --git "a/\\9\\777" "b/\\9\\777"\n', (plain("9777"),)),
        ('diff --git "a/\\377" "b/\\377"\n', (plain("\ufffd"),)),
    ],
)
def test_what_is_no_proper_diff_is_read_as_far_as_it_goes(text: str, files: tuple[FileDiff, ...]) -> None:
    assert Diff.parse(text).files == files


def test_what_is_far_above_githubs_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.changes.diff.MAX_CHARS", len(header("a")) + 5)
    assert Diff.parse(header("a") + header("b")).files == (plain("a"),)


PIECES = st.sampled_from(
    [*TEXT.splitlines(keepends=True), "diff --git ", "--- ", "+++ ", "@@ ", '"', "\\", " ", "\n", "a/", "1,9"]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=5))).map("".join), st.integers(), st.integers(0, 400))
def test_no_text_raises(text: str, line: int, limit: int) -> None:
    diff = Diff.parse(text)
    for file in diff.files:
        diff.accepts(file.path, line, "LEFT")
    assert len(text_limit(text, limit)) <= limit or len(text) <= limit


# --- cutting --------------------------------------------------------------------------------------

FILES = [header(name) + f"@@ -1 +1 @@\n-{name}\n+{name * 40}\n" for name in "abc"]


def note(count: int) -> str:
    return f"\n[The diff is cut here: {count} of 3 files are left out or shown in part.]\n"


@pytest.mark.parametrize(
    ("limit", "kept", "left_out"),
    [
        (len("".join(FILES)) - 1, FILES[0] + FILES[1], 1),
        (len(FILES[0] + FILES[1] + note(1)), FILES[0] + FILES[1], 1),
        (len(FILES[0] + FILES[1] + note(1)) - 1, FILES[0], 2),
        (len(FILES[0] + note(2)), FILES[0], 2),
        (len(FILES[0] + note(3)) - 1, FILES[0][: FILES[0].rindex("+")], 3),
    ],
)
def test_a_long_diff_loses_whole_files_from_its_end(limit: int, kept: str, left_out: int) -> None:
    cut = text_limit("".join(FILES), limit)
    assert cut == kept + note(left_out)
    assert len(cut) <= limit


@pytest.mark.parametrize("limit", [len("".join(FILES)), 10**9])
def test_a_diff_that_fits_is_left_alone(limit: int) -> None:
    assert text_limit("".join(FILES), limit) == "".join(FILES)


def test_a_first_line_too_long_is_cut_within() -> None:
    note = "\n[The diff is cut here: 1 of 1 files are left out or shown in part.]\n"
    assert text_limit("diff --git " + "x" * 500, 200) == "diff --git " + "x" * (189 - len(note)) + note


def test_no_room_for_a_note_is_a_plain_cut() -> None:
    assert text_limit("".join(FILES), 12) == "diff --git a"
    assert text_limit("".join(FILES), 0) == ""
