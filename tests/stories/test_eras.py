"""What the sandbox holds and how Amp behaves in it: every kind of either has its outcome, or its sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.rig.e2b.templates import BUILT_IN, Seed, amp, amp_cold, amp_missing, amp_old, base
from bot.rig.process import BotProcess
from bot.rig.rig import AMP_KEY, Rig
from tests.stories.conftest import RigWith
from tests.stories.story import MAINTAINER, Story

# Each far below the other, and above what the agent needs to begin: a slow machine must not make the wrong one strike.
QUICKLY_IDLE = {"AMPBOT_IDLE_MINUTES": "0.2"}
QUICKLY_OVER = {"AMPBOT_RUN_MINUTES": "0.25", "AMPBOT_AT_CAP": "keep"}


def bare(home: Path) -> None:
    """A place for Amp, and nothing in it."""
    base(home)
    (home / ".local" / "bin").mkdir(parents=True)


def strange(home: Path) -> None:
    """An Amp of a kind that nobody has seen."""
    amp(home)
    program = home / ".local" / "bin" / "amp"
    program.write_text('#!/bin/sh\necho "amp 9.9.9"; echo "  --telepathy  no prompt needed"\n')


def keyless(home: Path) -> None:
    """An Amp that does not get its key, as in a template whose wrapper cleans the environment."""
    amp(home)
    program = home / ".local" / "bin" / "amp"
    program.write_text(program.read_text().replace("#!/bin/sh\n", "#!/bin/sh\nunset AMP_API_KEY\n"))


@pytest.fixture
def rebuilt(rig: Rig) -> Iterator[Callable[[Seed], None]]:
    """E2B's template `amp` floats: what it holds may be another thing tomorrow."""
    yield lambda seed: rig.e2b.add_template("amp", seed)
    rig.e2b.add_template("amp", BUILT_IN["amp"])


@pytest.fixture
def own_template(rig_with: RigWith, request: pytest.FixtureRequest) -> Rig:
    """A bot with a template of its own name that E2B does not know yet. The parameter is a narrow limit."""
    rig = rig_with(template="ours", **getattr(request, "param", {}))
    rig.e2b.clear()
    return rig


def with_key(rig: Rig, key: str) -> None:
    """The operator changes AMP_API_KEY and starts the bot again."""
    if rig.amp_key != key:
        rig.bot.stop()
        rig.amp_key = key
        rig.bot = BotProcess(rig.folder, rig.environment)
        rig.serve()


def ask(story: Story, *instructions: str) -> str:
    """The answer to a request with these instructions."""
    number = story.issue()
    story.say(number, "\n".join(["/amp do it", "", *(f"- {each}" for each in instructions)]))
    story.settle()
    return story.only_answer(number)


def events(story: Story) -> list[dict[str, Any]]:
    run = story.runs()[-1]["id"]
    rows = story.rig.query("SELECT line FROM transcript WHERE run = :run ORDER BY sequence", run=run)
    return [json.loads(row["line"]) for row in rows]


@pytest.mark.parametrize(
    ("seed", "flags"),
    [
        (amp_old, "--visibility private"),
        (amp_cold, "--visibility private --no-archive-after-execute"),
    ],
)
def test_both_eras_work_alike(story: Story, rebuilt: Callable[[Seed], None], seed: Seed, flags: str) -> None:
    rebuilt(seed)
    answer = ask(story, "run: cat ~/.ampbot/command", "create new.txt: new", "title: Something new", "answer: Here.")
    pull = story.only_pull()
    assert story.states() == ["published"]
    assert f"### ✅ Done\n\n> **{MAINTAINER}:** do it" in answer
    assert f"Opened #{pull.number} (1 file changed).\n\nHere." in answer
    assert re.search(r"[1-9][\d,]* tokens in, [1-9]\d* out · \[Amp thread\]\(https://ampcode.com/threads/T-", answer)
    assert (pull.issue.title, story.files(pull.head_sha)["new.txt"]) == ("Something new", ("100644", b"new\n"))
    (_, prompt, _, command, *_) = events(story)
    said = command["message"]["content"][0]["content"]
    assert f" -x --stream-json --dangerously-allow-all {flags} --settings-file " in said
    assert "do it" in prompt["message"]["content"][0]["text"]
    assert "do it" not in said, "the prompt goes to standard input"
    # The sandbox has ended, and its thread lives on at Amp.
    (thread,) = re.findall(r"https://ampcode.com/threads/(T-[0-9a-f-]+)", answer)
    assert story.rig.amp.threads[thread]["visibility"] == "private"
    assert "do it" in story.rig.amp.threads[thread]["messages"][0]["content"][0]["text"]


@pytest.mark.parametrize(
    ("seed", "says"),
    [
        (base, "The sandbox template has no `amp`: neither on PATH nor in ~/.local/bin."),
        (bare, "The sandbox template has no `amp`: ~/.local/bin is bare, and PATH has none."),
        (amp_missing, "The sandbox's `amp` is a wrapper without its native binary."),
        (strange, "The sandbox's `amp` (9.9.9) is of no kind ampbot knows."),
    ],
)
def test_without_a_usable_amp_there_is_a_sentence(
    story: Story, rebuilt: Callable[[Seed], None], seed: Seed, says: str
) -> None:
    rebuilt(seed)
    answer = ask(story, "create new.txt: new")
    assert story.states() == ["failed"]
    assert "### ⚠️ It did not work out" in answer
    assert says in answer
    assert "Nothing was changed." in answer
    assert (story.pulls(), list(story.branches())) == ([], ["main"])


def test_an_unknown_template_is_named(own_template: Rig) -> None:
    with_key(own_template, AMP_KEY)
    story = Story.begin(own_template)
    answer = ask(story, "create new.txt: new")
    assert story.states() == ["failed"]
    assert "E2B would not start a sandbox from the template `ours`" in answer
    assert "check `E2B_API_KEY` and `AMPBOT_E2B_TEMPLATE`" in answer
    assert "Nothing was changed." in answer
    assert story.pulls() == []


@pytest.mark.parametrize(
    ("own_template", "end", "state", "says"),
    [
        (
            QUICKLY_IDLE,
            "hang",
            "failed",
            "Amp said nothing for too long and was ended. Ask again, perhaps for a smaller step.",
        ),
        (QUICKLY_OVER, "steps 600 0.5", "stopped", "Amp reached this run's cap of 0.25 minutes and was ended."),
    ],
    indirect=["own_template"],
)
def test_an_agent_without_end_is_ended(own_template: Rig, end: str, state: str, says: str) -> None:
    with_key(own_template, AMP_KEY)
    own_template.e2b.add_template("ours", amp)
    story = Story.begin(own_template)
    answer = ask(story, "append README.md: more", "run: sleep 600 &", end)
    assert story.states() == [state]
    assert says in answer
    assert "Nothing was published. What it had changed is kept with the run." in answer
    kept = story.rig.query("SELECT name FROM artifacts WHERE name <> 'paths' AND run = :run", run=story.runs()[0]["id"])
    assert (kept, story.pulls()) == ([{"name": "changes"}], [])


@pytest.mark.parametrize(
    ("key", "seed", "says"),
    [
        ("sgamp_401_is_wrong", amp, "Amp refused its key. The operator should check `AMP_API_KEY`"),
        ("sgamp_401_is_wrong", amp_old, "Amp ended without a word, as its older versions do when the key or"),
        ("sgamp_402_is_poor", amp, "The Amp account is out of credits."),
        ("sgamp_500_is_unlucky", amp, "Amp's server had an error. Ask again in a while."),
        ("sgamp_offline_is_far", amp, "The sandbox could not reach Amp. Ask again in a while."),
        ("sgamp_402_is_poor", amp_old, "Amp ended without a word, as its older versions do when the key or"),
        ("sgamp_that_is_lost", keyless, "Amp had no key. The operator should set `AMP_API_KEY`."),
    ],
)
def test_what_amp_says_to_its_key_is_told(own_template: Rig, key: str, seed: Seed, says: str) -> None:
    with_key(own_template, key)
    own_template.e2b.add_template("ours", seed)
    story = Story.begin(own_template)
    answer = ask(story, "create new.txt: new")
    assert story.states() == ["failed"]
    assert says in answer
    assert "Nothing was published. It had changed nothing." in answer
    assert key not in answer
    assert story.pulls() == []


@pytest.mark.parametrize("noise", ["flood 5MB", "flood-line 5MB", "garbage"])
def test_noise_does_not_drown_the_work(story: Story, noise: str) -> None:
    answer = ask(story, noise, "create new.txt: new", noise, "answer: Done all the same.")
    assert story.states() == ["published"]
    assert "Done all the same." in answer
    assert len(answer) < 2_000
    assert story.files(story.only_pull().head_sha)["new.txt"] == ("100644", b"new\n")
    (size,) = story.rig.query(
        "SELECT max(length(line)) AS longest FROM transcript WHERE run = :run", run=story.runs()[0]["id"]
    )
    assert size["longest"] <= 1_000_000
