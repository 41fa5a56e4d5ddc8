"""A comment on an issue becomes a pull request, an answer, or a sentence about what went wrong."""

from __future__ import annotations

import re

import pytest

from tests.stories.conftest import RigWith
from tests.stories.story import BOT, FILES, HELD, MAINTAINER, Story

FIX = """\
/amp make the answer right

- replace app.py: "41" -> "42"
- title: Answer 42
- answer: The answer is 42 now.
"""


@pytest.mark.usefixtures("no_lag")
def test_a_request_becomes_a_pull_request(story: Story) -> None:
    number = story.issue()
    mark = story.mark()
    comment = story.say(number, FIX)
    story.settle()

    pull = story.only_pull()
    (run,) = story.runs()
    branch = f"amp/{number}-the-answer-is-wrong-{run['id'].replace('-', '')[:8]}"
    assert (pull.issue.title, pull.head_ref, pull.base_ref, pull.draft) == ("Answer 42", branch, "main", False)
    assert pull.issue.author.account.login == BOT
    body = pull.issue.body or ""
    assert "The answer is 42 now." in body
    assert f"Closes #{number}" in body
    assert f"<!-- ampbot:run:{run['id']} -->" in body

    commit = story.repo.bare.commit(pull.head_sha)
    assert commit.parents == (story.branches()["main"],)
    assert pull.head_sha in story.repo.verified, "GitHub signs it only if it is made without an author"
    assert commit.author.name == BOT
    person = comment.author.account
    trailer = f"Co-authored-by: {MAINTAINER} <{person.id}+{MAINTAINER}@users.noreply.127.0.0.1>"
    assert commit.message == f"Answer 42\n\nAmpbot-Run: {run['id']}\n{trailer}\n"
    before = story.files(story.branches()["main"])
    assert story.files(pull.head_sha) == before | {"app.py": ("100644", b"def answer():\n    return 42\n")}

    assert story.reactions(comment) == [(BOT, "eyes")]
    answer = story.only_answer(number)
    assert "### ✅ Done" in answer
    assert f"Opened #{pull.number} (1 file changed)." in answer
    assert "The answer is 42 now." in answer
    assert re.search(r"<sub>\d+ s · [\d,]+ tokens in, \d+ out · \[Amp thread\]\(https://ampcode.com/threads/T-", answer)
    assert story.rig.query("SELECT number FROM threads WHERE repository = :id", id=story.repo.id) == [
        {"number": number}
    ]
    assert sorted(story.branches()) == sorted(["main", branch])
    assert len(story.requests(mark)) == 9, "of the 15: those that name the repository in their path"


def test_without_a_change_the_answer_is_the_reply(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp what is the answer?\n\n- answer: It is 41, which is wrong.\n")
    story.settle()
    assert story.states() == ["answered"]
    assert "### 💬 Answered" in story.only_answer(number)
    assert "It is 41, which is wrong." in story.only_answer(number)
    assert story.pulls() == []
    assert list(story.branches()) == ["main"]


@pytest.mark.parametrize(
    ("instruction", "says"),
    [
        ("- fail: Out of credits", "out of credits"),
        ("- fail: The model gave up", "Amp reports an error. Ask again"),
        ("- crash: Segmentation fault", "Amp ended without finishing its work."),
        ("- die", "Amp was killed in the sandbox"),
    ],
)
def test_a_run_that_fails_says_so_and_publishes_nothing(story: Story, instruction: str, says: str) -> None:
    number = story.issue()
    story.say(number, f"/amp try this\n\n- append README.md: more\n{instruction}\n")
    story.settle()
    assert story.states() == ["failed"]
    answer = story.only_answer(number)
    assert "### ⚠️ It did not work out" in answer
    assert says in answer
    assert "What it had changed is kept with the run." in answer
    assert story.pulls() == []
    kept = story.rig.query("SELECT name FROM artifacts WHERE name <> 'paths' AND run = :run", run=story.runs()[0]["id"])
    assert kept == [{"name": "changes"}]


def test_every_kind_of_change_arrives_as_git_has_it(story: Story) -> None:
    number = story.issue()
    story.say(
        number,
        """/amp do a bit of everything

- create tools/new tool.sh mode 755 echo hi
- create "docs/größe.md": Grüße, 世界
- binary logo.png 2048
- chmod 644 bin/run
- delete docs/guide.md
- rename README.md -> READ.ME
- create empty/.keep:
""".replace("- create tools/new tool.sh mode 755 echo hi", '- create "tools/new tool.sh" mode 755: echo hi'),
    )
    story.settle()
    pull = story.only_pull()
    after = story.files(pull.head_sha)
    logo = after.pop("logo.png")
    assert (logo[0], len(logo[1]), b"\0" in logo[1]) == ("100644", 2048, True)
    keep = after.pop("empty/.keep")
    assert keep[0] == "100644"
    assert after == {
        "app.py": ("100644", b"def answer():\n    return 41\n"),
        "bin/run": ("100644", b"#!/bin/sh\necho run\n"),
        "READ.ME": ("100644", b"# Pages\n"),
        "tools/new tool.sh": ("100755", b"echo hi\n"),
        "docs/größe.md": ("100644", "Grüße, 世界\n".encode()),
    }


@pytest.mark.usefixtures("no_lag")
def test_a_thousand_text_files_cost_few_requests(story: Story) -> None:
    number = story.issue()
    mark = story.mark()
    story.say(number, "/amp write many\n\n- many 1000 many\n")
    story.settle(120)
    assert len(story.files(story.only_pull().head_sha)) == 1000 + len(FILES)
    made = [request for request in story.requests(mark) if request.startswith("POST /git/")]
    assert made == ["POST /git/trees"] * 10 + ["POST /git/commits", "POST /git/refs"]


def test_many_binary_files_go_up_as_one_pack(story: Story) -> None:
    number = story.issue()
    mark = story.mark()
    rows = "\n".join(f"- binary art/{index}.bin {1000 + index}" for index in range(45))
    story.say(number, f"/amp draw\n\n{rows}\n- delete docs/guide.md\n")
    story.settle(120)
    pull = story.only_pull()
    after = story.files(pull.head_sha)
    assert len(after) == 45 + len(FILES) - 1
    assert pull.head_sha in story.repo.verified
    assert sorted(story.branches()) == sorted(["main", pull.head_ref]), "the temporary branch is gone"
    assert [r for r in story.requests(mark) if "/git/" in r and "blobs" in r] == []


@pytest.mark.parametrize(
    ("instruction", "path", "reason"),
    [
        ("- create .github/workflows/ci.yml: on: push", ".github/workflows/ci.yml", ".github"),
        ("- create CODEOWNERS: * @eve", "CODEOWNERS", "CODEOWNERS"),
        ("- link shadow -> /etc/passwd", "shadow", "symbolic link"),
        (
            "- run: git init -q sub && git -C sub -c user.name=a -c user.email=a@b commit -q --allow-empty -m x",
            "sub",
            "",
        ),
    ],
)
def test_a_forbidden_path_refuses_the_whole_change(story: Story, instruction: str, path: str, reason: str) -> None:
    number = story.issue()
    story.say(number, f"/amp sneak\n\n- append README.md: more\n{instruction}\n")
    story.settle()
    assert story.states() == ["refused"]
    answer = story.only_answer(number)
    assert "### 🚫 Not published" in answer
    assert f"`{path}`" in answer
    assert reason in answer
    assert "Nothing was pushed." in answer
    assert story.pulls() == []
    assert list(story.branches()) == ["main"]


def test_a_second_request_waits_in_line_and_then_runs(story: Story) -> None:
    number = story.issue()
    story.say(number, f"/amp first\n\n- {HELD}\n- create one.txt: 1\n")
    story.until("the first run to work", lambda: story.states() == ["working"])
    story.say(number, "/amp second\n\n- create two.txt: 2\n")
    story.until("the second to be queued", lambda: len(story.from_bot(number)) == 2)
    assert "number 1 in line and starts by itself" in story.from_bot(number)[1]
    story.settle()
    assert story.states() == ["published", "published"]
    assert len(story.pulls()) == 2


def test_an_edit_that_adds_a_command_runs_it_once(story: Story) -> None:
    number = story.issue()
    comment = story.say(number, "I wonder.")
    story.settle()
    assert story.from_bot(number) == []
    story.rig.github.edit_comment(comment, MAINTAINER, "I wonder.\n\n/amp why?\n- answer: Because.\n")
    story.settle()
    story.rig.github.edit_comment(comment, MAINTAINER, "I wonder!\n\n/amp why?\n- answer: Because.\n")
    story.settle()
    assert "Because." in story.only_answer(number)


def test_quoted_and_coded_commands_start_nothing(story: Story) -> None:
    number = story.issue()
    mark = story.mark()
    story.say(number, "> /amp do it\n\n```\n/amp do it\n```\n\n    /amp do it\n\n<!-- \n/amp do it\n-->\n")
    story.settle()
    assert story.from_bot(number) == []
    assert story.requests(mark) == []


def test_help_lists_what_can_be_asked(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp help")
    story.settle()
    answer = story.only_answer(number)
    for usage in ("`/amp <request>`", "`/amp review`", "the label `amp`", "`/amp help`"):
        assert usage in answer
    assert story.runs() == []


def test_an_empty_request_and_a_typo_get_a_useful_reply(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp")
    story.settle()
    story.say(number, "/amp hlep")
    story.settle()
    empty, typo = story.from_bot(number)
    assert "Nothing was asked" in empty
    assert "help" in typo
    assert story.runs() == []


def test_the_operator_chooses_what_branches_begin_with(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(AMPBOT_BRANCH_PREFIX="bots/amp-"))
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    run = story.runs()[0]["id"][:8]
    assert set(story.branches()) == {"main", f"bots/amp-{number}-the-answer-is-wrong-{run}"}
    assert story.only_pull().head_ref == f"bots/amp-{number}-the-answer-is-wrong-{run}"
