"""What the scripted agent does to a working directory, and what it says at the end."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from bot.rig.amp.sample import SAMPLE, SAMPLE_ASK
from tests.rig.amp.conftest import HEADLESS, Amp


def tree(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Path to permission bits (or `link`) and content."""
    return {
        str(path.relative_to(folder)): ("link", os.fsencode(path.readlink()))
        if path.is_symlink()
        else (f"{stat.S_IMODE(path.stat().st_mode):o}", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def last(events: list[dict[str, Any]]) -> tuple[str, str]:
    """Subtype and text of the result line."""
    return events[-1]["subtype"], events[-1].get("result") or events[-1].get("error") or ""


def results(events: list[dict[str, Any]]) -> list[tuple[bool, str]]:
    """Error flag and text of each tool result."""
    blocks = [block for event in events if event["type"] == "user" for block in event["message"]["content"]]
    return [(block["is_error"], block["content"]) for block in blocks if block["type"] == "tool_result"]


def test_it_changes_files_as_told(cur: Amp) -> None:
    (cur.repo / "old.txt").write_text("one two one\n")
    (cur.repo / "gone").mkdir()
    (cur.repo / "gone" / "x").write_text("x")
    (cur.repo / "tool").write_text("t")
    script = """
create src/größe.py: x = 1
create "with space: and colon": y
create bin/go mode 755
```sh
#!/bin/sh
```
replace old.txt: "one" -> "1"
append old.txt: three
rename old.txt -> new/name.txt
delete gone
chmod 755 tool
link here -> src/größe.py
many 2 notes
binary data.bin 5
answer: done
"""
    ended = cur.run(*HEADLESS, stdin=script)
    assert (ended.code, ended.stderr, last(ended.events)) == (0, "", ("success", "done"))
    assert all(result[0] is False for result in results(ended.events))
    assert len(results(ended.events)) == 11
    found = tree(cur.repo)
    binary = found.pop("data.bin")
    assert len(binary[1]) == 5
    assert b"\0" in binary[1]
    assert found == {
        "bin/go": ("755", b"#!/bin/sh\n"),
        "here": ("link", "src/größe.py".encode()),
        "new/name.txt": ("644", b"1 two one\nthree\n"),
        "notes/file-00001.txt": ("644", b"notes: 1 of 2\n"),
        "notes/file-00002.txt": ("644", b"notes: 2 of 2\n"),
        "src/größe.py": ("644", b"x = 1\n"),
        "tool": ("755", b"t"),
        "with space: and colon": ("644", b"y\n"),
    }


def test_a_failing_tool_is_an_error_result_and_the_run_goes_on(amp: Amp) -> None:
    script = """
replace nope.txt: "a" -> "b"
create a.txt: a
replace a.txt: "x" -> "y"
create "nul\\u0000": z
run: echo out; echo err >&2; exit 3
run: echo fine
"""
    ended = amp.run(*HEADLESS, stdin=script)
    assert results(ended.events) == [
        (True, "[Errno 2] No such file or directory: 'nope.txt'"),
        (False, "Successfully created file a.txt"),
        (True, "Could not find exact match for old_str in a.txt"),
        (True, "embedded null byte"),
        (True, "out\nerr\n\nExit code: 3"),
        (False, "fine\n"),
    ]
    assert last(ended.events) == (
        "success",
        (
            "Done: create a.txt; run echo fine. "
            "Failed: replace nope.txt; replace a.txt; create nul\0; run echo out; echo err >&2; exit 3."
        ),
    )


def test_a_command_that_leaves_something_running_does_not_hold_the_run_up(cur: Amp) -> None:
    ended = cur.run("-x", "--dangerously-allow-all", stdin="run: sleep 20 & echo $! > pid\nanswer: done")
    assert (ended.code, ended.stdout) == (0, b"done\n")
    os.kill(int((cur.repo / "pid").read_text()), 9)


def test_a_long_output_keeps_its_end(cur: Amp) -> None:
    ended = cur.run(*HEADLESS, stdin="run: seq 100000")
    [(is_error, text)] = results(ended.events)
    assert (is_error, len(text) < 51_000, text.splitlines()[0], text.splitlines()[-1]) == (
        False,
        True,
        "[538895 bytes left out]",
        "100000",
    )


def test_a_title_ends_the_answer_with_a_pull_request_block(amp: Amp) -> None:
    ended = amp.run("-x", stdin="title: Fix the `x`\nanswer: One.\nanswer:\n```\nTwo.\n```")
    assert ended.stdout.decode() == "One.\n\nTwo.\n\n```pull-request\nFix the `x`\n\nOne.\n\nTwo.\n```\n"


def test_a_block_inside_the_block_makes_its_fence_longer(amp: Amp) -> None:
    ended = amp.run("-x", stdin="title: T\nanswer:\n````\n```py\nx\n```\n````")
    assert ended.stdout.decode() == "```py\nx\n```\n\n````pull-request\nT\n\n```py\nx\n```\n````\n"


def test_reviews_end_the_answer_with_a_review_block(amp: Amp) -> None:
    script = "review a.py:3: Why?\nreview b.py:5-7:\n```\nBoth\nlines\n```\nanswer: Nearly good."
    lines = amp.run("-x", stdin=script).stdout.decode().splitlines()
    assert (lines[0], lines[-1]) == ("```review", "```")
    assert json.loads("\n".join(lines[1:-1])) == {
        "summary": "Nearly good.",
        "comments": [
            {"path": "a.py", "line": 3, "side": "RIGHT", "body": "Why?"},
            {"path": "b.py", "line": 7, "start_line": 5, "side": "RIGHT", "body": "Both\nlines"},
        ],
    }


def test_in_place_of_a_request_of_prose_the_script_of_the_checkout_is_obeyed(cur: Amp) -> None:
    script = "This is how to review.\n\n- create seen.txt: yes\n- answer: Reviewed.\n"
    (cur.repo / "AMP-SCRIPT.md").write_text(script)
    assert last(cur.run(*HEADLESS, stdin="Review this.").events) == ("success", "Reviewed.")
    assert last(cur.run(*HEADLESS, stdin="- answer: As you say.").events) == ("success", "As you say.")
    assert tree(cur.repo) == {"AMP-SCRIPT.md": ("644", script.encode()), "seen.txt": ("644", b"yes\n")}


def test_a_request_of_prose_is_kept_in_a_file_and_said_to_be_scripted(amp: Amp) -> None:
    flags = ("-x", "--dangerously-allow-all")
    first = amp.run(*flags, stdin="<request>\nfix the login test\n</request>\nBe kind.")
    amp.run(*flags, stdin="and the other one")
    assert "scripted stand-in" in first.stdout.decode()
    assert tree(amp.repo) == {
        "AMP-REQUEST.md": ("644", b"# Requests to Amp\n\nfix the login test\n\nand the other one\n")
    }


def test_the_samples_ask_fixes_the_sample(cur: Amp) -> None:
    for path in SAMPLE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = cur.repo / path.relative_to(SAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    broken = cur.run(*HEADLESS, stdin="run: python3 -m unittest")
    [(broken_is_error, broken_output)] = results(broken.events)
    assert broken_is_error
    assert "FAIL: test_full_pages_only" in broken_output
    assert "failures=1" in broken_output
    fixed = cur.run(*HEADLESS, stdin=f"<request-1>\n{SAMPLE_ASK.removeprefix('/amp ')}</request-1>")
    assert [is_error for is_error, _ in results(fixed.events)] == [False, False]
    assert results(fixed.events)[1][1].endswith("OK\n")
    assert "```pull-request\nCount full pages right\n" in last(fixed.events)[1]
    assert "return (total + size - 1) // size" in (cur.repo / "paging" / "pages.py").read_text()
    assert os.access(SAMPLE / "bin" / "page", os.X_OK)
