from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.rig.amp.language import LANGUAGE_HELP, Instruction, parse, request_of


@pytest.mark.parametrize(
    ("line", "instruction"),
    [
        ("create a.txt: hi", Instruction("create", path="a.txt", text="hi\n")),
        ("- create a.txt: hi", Instruction("create", path="a.txt", text="hi\n")),
        (
            "create a.txt:  two spaces keep one",
            Instruction("create", path="a.txt", text=" two spaces keep one\n"),
        ),
        (
            "create run.sh mode 755: #!/bin/sh",
            Instruction("create", path="run.sh", text="#!/bin/sh\n", mode=0o755),
        ),
        ('create "a b: \\u00e9.txt": hi', Instruction("create", path="a b: é.txt", text="hi\n")),
        ("create größe/ñ.txt: hi\r\n", Instruction("create", path="größe/ñ.txt", text="hi\n")),
        ("append a.txt: more", Instruction("append", path="a.txt", text="more\n")),
        (
            'replace a.py: "x = 1" -> "x = \\"2\\"\\n"',
            Instruction("replace", path="a.py", old="x = 1", new='x = "2"\n'),
        ),
        ("binary logo.png 10KB", Instruction("binary", path="logo.png", count=10_000)),
        ("binary logo.png 1.5KiB", Instruction("binary", path="logo.png", count=1536)),
        ("binary logo.png 7", Instruction("binary", path="logo.png", count=7)),
        ("many 1000 docs/notes", Instruction("many", path="docs/notes", count=1000)),
        ("delete a.txt", Instruction("delete", path="a.txt")),
        ("rename a.txt -> b/c.txt", Instruction("rename", path="a.txt", to="b/c.txt")),
        ("chmod 755 run.sh", Instruction("chmod", path="run.sh", mode=0o755)),
        ("link here -> ../there", Instruction("link", path="here", to="../there")),
        ("run: echo a: b", Instruction("run", text="echo a: b")),
        ("answer: yes", Instruction("answer", text="yes")),
        ("title: Fix it", Instruction("title", text="Fix it")),
        ("review a.py:12: Why?", Instruction("review", path="a.py", line=12, text="Why?")),
        ("review a.py:3-12: Why?", Instruction("review", path="a.py", line=12, start_line=3, text="Why?")),
        ('review "a b.py":12: Why?', Instruction("review", path="a b.py", line=12, text="Why?")),
        ("fail: Out of credits", Instruction("fail", text="Out of credits")),
        ("crash: boom", Instruction("crash", text="boom")),
        ("die", Instruction("die")),
        ("hang", Instruction("hang")),
        ("wait 0.5", Instruction("wait", seconds=0.5)),
        ("flood 10MB", Instruction("flood", count=10_000_000)),
        ("flood-line 3MB", Instruction("flood-line", count=3_000_000)),
        ("garbage", Instruction("garbage")),
        ("say: hello", Instruction("say", text="hello")),
        ("delegate: look", Instruction("delegate", text="look")),
        ("steps 3 0.1", Instruction("steps", count=3, seconds=0.1)),
    ],
)
def test_each_instruction_is_one_line(line: str, instruction: Instruction) -> None:
    assert parse(line) == (instruction,)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "please create a.txt: hi",
        "  create a.txt: hi",
        "create a file for me",
        "create a.txt",
        'create "broken: hi',
        'create "bad \\x escape": hi',
        "delete the login page, please",
        "replace a.py: old -> new",
        "hang on",
        "die slowly",
        "> answer: quoted",
        "CREATE a.txt: hi",
        "binary a.bin 10XB",
    ],
)
def test_what_fits_no_form_is_prose(line: str) -> None:
    assert parse(line) == ()


@pytest.mark.parametrize(
    ("request_text", "script"),
    [
        ("create a.py\n```python\nx = 1\n\n```\n", (Instruction("create", path="a.py", text="x = 1\n\n"),)),
        ("create a.py:\r\n\r\n~~~\r\nx\r\n~~~\r\n", (Instruction("create", path="a.py", text="x\n"),)),
        ("create a.md\n````\n```\n````\n", (Instruction("create", path="a.md", text="```\n"),)),
        ("create a.py\n```\nno end", (Instruction("create", path="a.py", text="no end\n"),)),
        ("create empty\n```\n```\n", (Instruction("create", path="empty"),)),
        (
            "- create a.py\n  ```\n  if x:\n      y\n  ```\n",
            (Instruction("create", path="a.py", text="if x:\n    y\n"),),
        ),
        (
            "create a.py\n```\nx\n```\nanswer:\n```\ntwo\nlines\n```",
            (Instruction("create", path="a.py", text="x\n"), Instruction("answer", text="two\nlines\n")),
        ),
        ("run:\n```\ncd src\nls\n```", (Instruction("run", text="cd src\nls\n"),)),
    ],
)
def test_a_fenced_block_below_stands_for_the_text(request_text: str, script: tuple[Instruction, ...]) -> None:
    assert parse(request_text) == script


def test_lines_in_other_code_blocks_are_not_obeyed() -> None:
    assert parse("Look:\n```\ndie\n```\nsay: hello") == (Instruction("say", text="hello"),)


@pytest.mark.parametrize(
    ("prompt", "request_text"),
    [
        ("die", "die"),
        ("Intro\n<request>\nsay: a\n</request>\nOutro", "say: a"),
        ('<request-3f2a by="a>b">\nsay: a\n</request-3f2a>', "say: a"),
        ("<issue-1>\n<request>\ndie\n</request>\n</issue-1>\n<request-1>\nsay: a\n</request-1>", "say: a"),
        ("<request-1>\nsay: a\n</request>\nsay: b\n</request-1>", "say: a\n</request>\nsay: b"),
        ("a < b, List<int>, <br>, <request-2>say: a</request-2>", "say: a"),
        ("<request> without an end", "<request> without an end"),
    ],
)
def test_only_the_request_element_speaks(prompt: str, request_text: str) -> None:
    assert request_of(prompt) == request_text


@given(st.text(alphabet=st.sampled_from('create a: -> "\\\n`~<>/request 12KB'), max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    assert isinstance(parse(request_of(text)), tuple)


def test_the_help_tells_every_form() -> None:
    told = {line.split()[0].rstrip(":") for line in LANGUAGE_HELP.splitlines() if line.startswith("  ")}
    assert told == {
        "create", "append", "replace", "binary", "many", "delete", "rename", "chmod", "link", "run", "say",
        "delegate", "answer", "title", "review", "steps", "wait", "flood", "flood-line", "garbage", "fail", "recall",
        "crash", "die", "linger", "hang",
    }  # fmt: skip
