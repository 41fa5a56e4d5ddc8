"""What is left out of a change is named: nothing that Amp made goes missing without a word."""

from __future__ import annotations

from bot.rig.rig import Rig
from tests.stories.conftest import RigWith
from tests.stories.story import FILES, Story

NEW = {"new.txt": ("100644", b"new\n")}
# In two pieces, so that the request does not name it: what a request names is published.
ENV = "- run: printf 'KEY=1\\n' > .e''nv\n"
JUNK = (
    "- run: mkdir -p web/node_mod''ules/pad a/__pyca''che__\n"
    "- run: touch web/node_mod''ules/pad/x.js a/__pyca''che__/b.py''c\n"
)
HOW = "To have one published, ask to add it by name; what git ignores, take out of `.gitignore`."


def said(story: Story, request: str) -> str:
    number = story.issue()
    story.say(number, request)
    story.settle()
    return story.only_answer(number)


def test_what_is_left_out_is_named_beside_what_is_published(story: Story) -> None:
    answer = said(story, f"/amp go\n\n- create new.txt: new\n{ENV}{JUNK}- answer: Done.\n")
    assert story.states() == ["published"]
    assert story.change() == NEW
    assert "### ✅ Done\n" in answer
    assert (
        "\n\nDone.\n\nLeft out: `.env` (environment file), `a/__pycache__/` (bytecode), `web/node_modules/` "
        f"(dependencies). {HOW}\n\n<sub>"
    ) in answer


def test_what_the_request_names_is_published(story: Story) -> None:
    answer = said(story, "/amp go\n\n- create .env: KEY=1\n- create deploy/.env.production: KEY=2\n")
    assert story.change() == {
        ".env": ("100644", b"KEY=1\n"),
        "deploy/.env.production": ("100644", b"KEY=2\n"),
    }
    assert "Left out" not in answer


def test_what_the_base_tracks_is_published(rig: Rig) -> None:
    story = Story.begin(rig, {**FILES, ".env": "KEY=0\n", ".vscode/settings.json": "{}\n"})
    answer = said(story, f"/amp go\n\n{ENV}- run: cp app.py .vs''code/launch.json\n")
    assert story.change() == {
        ".env": ("100644", b"KEY=1\n"),
        ".vscode/launch.json": ("100644", b"def answer():\n    return 41\n"),
    }
    assert "Left out" not in answer


def test_a_run_all_of_whose_changes_are_left_out_is_not_answered(story: Story) -> None:
    answer = said(story, f"/amp go\n\n{ENV}- answer: The key is set.\n")
    assert story.states() == ["refused"]
    assert (story.pulls(), list(story.branches())) == ([], ["main"])
    assert "### 🚫 Not published\n" in answer
    assert (
        "\n\nNothing was published: all that Amp changed is of a kind that is left out.\n\nThe key is set.\n\n"
        f"Left out: `.env` (environment file). {HOW}\n\n<sub>"
    ) in answer


def test_a_file_that_git_ignores_is_named_and_not_answered_away(rig: Rig) -> None:
    story = Story.begin(rig, {**FILES, ".gitignore": "*.local\nbuild/\n"})
    answer = said(story, "/amp go\n\n- create config/app.local: x\n- create build/x: x\n- answer: Done.\n")
    assert story.states() == ["refused"]
    assert f"Left out: `config/app.local` (ignored by git), `build/` (ignored by git). {HOW}" in answer


def test_an_answer_for_which_tests_were_run_is_an_answer(story: Story) -> None:
    answer = said(story, f"/amp why?\n\n{JUNK}- answer: Because.\n")
    assert story.states() == ["answered"]
    assert "### 💬 Answered\n" in answer
    assert "\n\nBecause.\n\nLeft out: `a/__pycache__/` (bytecode), `web/node_modules/` (dependencies)." in answer


def test_of_very_many_the_first_are_named_and_the_others_counted(story: Story) -> None:
    answer = said(story, "/amp go\n\n- create new.txt: new\n- run: for i in $(seq 1300); do touch $i.sw''p; done\n")
    assert story.change() == NEW
    assert answer.count("(editor file)") == 10
    assert ", and 1,290 more." in answer


def test_the_operator_widens_and_narrows_it(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(AMPBOT_LEFT_OUT="*.log, !.env"))
    answer = said(story, f"/amp go\n\n{ENV}- run: touch trace.lo''g\n")
    assert story.change() == {".env": ("100644", b"KEY=1\n")}
    assert "Left out: `trace.log` (left out here)." in answer


def test_of_a_folder_with_both_the_work_is_published_and_the_rest_named(story: Story) -> None:
    answer = said(
        story,
        "/amp pack it, and don't commit node_modules or .env\n\n"
        "- run: mkdir -p deploy/node_modules/pad deploy/src/__pyca''che__ deploy/.ve''nv/bin\n"
        "- run: printf 'KEY=1\\n' > deploy/.env && cp deploy/.env deploy/.env.example && touch deploy/src/a.py\n"
        "- run: touch deploy/node_modules/pad/x.js deploy/src/__pyca''che__/a.py''c deploy/.ve''nv/bin/python\n"
        "- run: printf 'PK\\003\\004' > deploy/app.zip\n"
        "- answer: Packed.\n",
    )
    assert story.states() == ["published"]
    assert story.change() == {
        "deploy/.env.example": ("100644", b"KEY=1\n"),
        "deploy/app.zip": ("100644", b"PK\003\004"),
        "deploy/src/a.py": ("100644", b""),
    }
    assert (
        "Left out: `deploy/.env` (environment file), `deploy/.venv/` (virtual environment), `deploy/node_modules/` "
        f"(dependencies), `deploy/src/__pycache__/` (bytecode). {HOW}"
    ) in answer
