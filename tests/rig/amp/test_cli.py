"""The command line in both eras: flags, errors, exit codes, and the files it leaves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.rig.e2b.templates import AMP_PROGRAM
from tests.rig.amp.conftest import HEADLESS, Amp

THREAD = re.compile(r"T-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NO_MESSAGE = "Error: User message must be provided through stdin or as argument when using execute mode\n"
ESCAPES = "\x1b[=0u\x1b[<u\x1b[?25h"  # at the end of what the old program writes
MISSING = "T-019c479a-39cc-72af-a2d1-65a965c076ec"


def options(amp: Amp, *words: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]+", amp.run(*words, "--help", key="").stdout.decode()))


def test_the_help_differs_by_era_as_the_real_ones_do(cur: Amp, old: Amp) -> None:
    assert options(old) - options(cur) == {
        "--archive",
        "--dangerously-allow-all",
        "--jetbrains",
        "--no-jetbrains",
    }
    assert options(cur) - options(old) == {
        "--no-archive-after-execute",
        "--title",
        "--plugin-ready-timeout",
        "--executor",
        "--project",
        "--attach",
        "--features",
        "--fast",
        "--no-tui",
        "--orb-size",
        "--runner-dir",
        "--amp-env",
        "--remote-control-terminal",
        "--no-remote-control-terminal",
    }
    assert {"--execute", "--stream-json", "--visibility", "--mode", "--settings-file"} <= options(cur) & options(old)


def test_the_versions_are_those_the_facts_were_measured_on(cur: Amp, old: Amp) -> None:
    assert cur.run("--version", key="").stdout.startswith(b"0.0.1790142911-g7618fb ")
    assert old.run("-V", key="").stdout.startswith(b"0.0.1775390627-g406649 ")


@pytest.mark.parametrize(
    ("era", "args", "stderr"),
    [
        ("cur", ["--effort", "high"], "Error: error: unknown option '--effort'\n"),
        ("cur", ["--archive"], "Error: error: unknown option '--archive'\n"),
        ("cur", ["--toolbox=x"], "Error: error: unknown option '--toolbox=x'\n"),
        ("cur", ["--max-turns", "3"], "Error: error: unknown option '--max-turns'\n"),
        ("cur", ["-q"], "Error: error: unknown option '-q'\n"),
        ("cur", ["--json"], "Error: error: unknown option '--json'\n"),
        (
            "old",
            ["--no-archive-after-execute"],
            "Error: error: unknown option '--no-archive-after-execute'\n",
        ),
        ("old", ["-ox"], "Error: error: unknown option '-ox'\n"),
        ("old", ["--model", "x"], "Error: error: unknown option '--model'\n"),
        ("cur", ["--mode"], "Error: error: option '-m, --mode <value>' argument missing\n"),
        ("cur", ["--stream-json-input"], "Error: The --stream-json-input flag requires --stream-json\n"),
        ("cur", ["-x", "--stats", "--mcp-config", "{bad"], "Error: Failed to parse --mcp-config as JSON: "),
        (
            "old",
            ["-x", "hi", "--mode", "medium"],
            "Error: error: option '-m, --mode <value>' argument 'medium' is invalid. Allowed choices are deep, free,",
        ),
        ("cur", ["frobnicate"], 'Error: Unknown command "frobnicate".'),
        ("cur", ["threads", "continue", "T-1", "-x", "hi"], "Error: Invalid thread URL or ID: T-1\n"),
        ("cur", ["threads", "continue", "-x", "hi"], "Error: No previously used thread found in this checkout.\n"),
    ],
)
def test_a_bad_command_line_fails_before_the_key_is_looked_at(
    cur: Amp, old: Amp, era: str, args: list[str], stderr: str
) -> None:
    ended = (cur if era == "cur" else old).run(*args, key="")
    assert (ended.code, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(stderr)


@pytest.mark.parametrize(
    "args",
    [
        ["--visibility", "nobody"],
        ["--mode", "smart"],
        ["--model", "x"],
        ["--label", "no spaces"],
        ["--executor", "orb"],
    ],
)
def test_values_the_server_would_not_take_fail_only_after_the_key_is_accepted(cur: Amp, args: list[str]) -> None:
    refused = cur.run("-x", "hi", *args, key="sgamp_401")
    assert refused.stderr == "Error: Invalid or missing API key. Run 'amp login' to authenticate.\n"
    ended = cur.run("-x", "hi", *args)
    assert (ended.code, ended.stdout, ended.stderr.splitlines()[0]) == (
        1,
        b"",
        "Error: Unexpected error inside Amp CLI.",
    )


def test_flags_hidden_from_help_and_harmless_ones_are_accepted(cur: Amp) -> None:
    ended = cur.run(
        "-x", "answer: ok", "--dangerously-allow-all", "--visibility=private", "-mhigh",
        "--no-archive-after-execute", "--no-ide", "--no-color", "--no-notifications", "--no-jetbrains", "--stats",
        "--log-level", "loud", "--settings-file", "nowhere.json", "--mcp-config", "{}",
        "-l", "one", "-l", "two", "--title", "T",
    )  # fmt: skip
    assert (ended.code, ended.stdout, ended.stderr) == (0, b"ok\n", "")


@pytest.mark.parametrize(
    ("key", "args", "stderr"),
    [
        ("sgamp_401x", ["-x"], "Error: Invalid or missing API key. Run 'amp login' to authenticate.\n"),
        ("sgamp_402x", ["-x"], "Error: getUserInfo error: insufficient-credits\n"),
        ("sgamp_429x", ["-x"], "Error: getUserInfo error: rate-limit-exceeded\n"),
        ("sgamp_500x", ["-x"], "Error: Amp server returned an error. Try again in a moment.\n"),
        ("sgamp_offline", ["-x"], "Error: Couldn't connect to the Amp server at https://ampcode.com/.\n\n"),
        ("sgamp_malformed", ["-x"], "Error: Unexpected error inside Amp CLI.\n"),
        ("sgamp_401x", ["threads", "continue", MISSING, "-x"], "Error: Unexpected error inside Amp CLI.\n"),
        ("sgamp_401x", ["threads", "list"], "Error: Not logged in. Run 'amp login'"),
        ("sgamp_offline", ["threads", "list"], "Error: Cannot reach Amp servers. Are you offline?\n"),
        ("sgamp_401x", ["threads", "export", MISSING], "Error: Failed to export thread: Invalid API key\n"),
        ("sgamp_401x", ["usage"], "Error: Not logged in. Run 'amp login'"),
        (
            "sgamp_good",
            ["threads", "continue", MISSING, "-x"],
            f"Thread https://ampcode.com/threads/{MISSING} does not exist.\n",
        ),
    ],
)
def test_a_key_that_is_not_good_fails_in_plain_text(cur: Amp, key: str, args: list[str], stderr: str) -> None:
    ended = cur.run(*args, *(["--stream-json"] if "-x" in args else []), stdin="die", key=key)
    assert (ended.code, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(stderr)


def test_a_refused_key_is_only_escape_bytes_in_the_old_era(old: Amp) -> None:
    ended = old.run(*HEADLESS, stdin="hi", key="sgamp_401")
    assert (ended.code, ended.stdout) == (1, b"")
    assert ended.stderr == ESCAPES


@pytest.mark.parametrize("stdin", ["", "  \n"])
def test_execute_needs_a_message(amp: Amp, stdin: str) -> None:
    ended = amp.run(*HEADLESS, stdin=stdin)
    assert (ended.code, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(NO_MESSAGE)


def test_a_message_must_follow_its_flag_directly(amp: Amp) -> None:
    assert 'Unknown command "answer: hi".' in amp.run("-x", "--stream-json", "answer: hi").stderr
    assert amp.run("-x", "answer: hi", "--stream-json").events[-1]["result"] == "hi"


def test_argument_and_standard_input_are_one_message(amp: Amp) -> None:
    assert amp.run("-x", "answer: one", stdin="answer: two").stdout == b"one\n\ntwo\n"


def test_execute_is_on_when_standard_output_is_redirected(amp: Amp) -> None:
    assert amp.run(stdin="answer: hi").stdout == b"hi\n"


def test_messages_may_come_as_json_lines(amp: Amp) -> None:
    rows = [
        {
            "type": "user",
            "message": {"role": "user", "content": [{"type": "text", "text": f"answer: {word}"}]},
        }
        for word in ("one", "two")
    ]
    stdin = "".join(json.dumps(row) + "\n" for row in rows)
    events = amp.run(*HEADLESS, "--stream-json-input", stdin=stdin).events
    assert [event["type"] for event in events] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "result",
    ]
    assert (events[-1]["result"], events[-1]["num_turns"]) == ("two", 2)


def hangs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=0.7)
    except subprocess.TimeoutExpired:
        return True
    return False


@pytest.mark.parametrize("signal", [15, 2])
def test_without_a_key_it_prints_a_login_address_and_waits_until_it_is_ended(amp: Amp, signal: int) -> None:
    with amp.start(*HEADLESS, key="") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = b""
        while not said.endswith(b"paste your code here: "):
            said += process.stdout.read(1)
        assert hangs(process)
        process.send_signal(signal)
        assert (process.wait(), process.stdout.read(), process.stderr.read()) == (-signal, b"", b"")
    assert said.startswith(b"No API key found. Starting login flow...\n")
    assert re.search(rb"https://\S+authToken=[0-9a-f]{64}", said)


def test_without_a_key_it_takes_the_prompt_for_the_code_of_its_login(cur: Amp) -> None:
    ended = cur.run(*HEADLESS, stdin="answer: hi", key="")
    assert (ended.code, ended.stderr) == (
        1,
        "\nLogin failed: That code looks incomplete. Copy the full code from the browser and try again.\n",
    )
    assert ended.stdout.startswith(b"No API key found. Starting login flow...\n")


def test_an_open_standard_input_hangs_it_even_with_a_message(amp: Amp) -> None:
    with amp.start("-x", "answer: hi", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert hangs(process)
        process.stdin.close()
        assert (process.wait(), process.stdout.read()) == (0, b"hi\n")


def test_a_server_that_never_answers_leaves_it_silent(amp: Amp) -> None:
    with amp.start("-x", "answer: hi", key="sgamp_silent") as process:
        assert process.stdout is not None
        assert hangs(process)
        process.terminate()
        assert (process.wait(), process.stdout.read()) == (-15, b"")


def test_it_runs_from_any_folder_and_leaves_nothing_there(tmp_path: Path) -> None:
    folder = tmp_path / "42 - copy"
    shutil.copytree(AMP_PROGRAM.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    files = sorted(folder.rglob("*"))
    ended = subprocess.run([sys.executable, "-I", "-S", folder / AMP_PROGRAM.name, "-V"], capture_output=True, env={})
    assert (ended.returncode, ended.stdout[:6], ended.stderr) == (0, b"0.0.17", b"")
    assert sorted(folder.rglob("*")) == files


def test_a_thread_goes_on_where_it_was(amp: Amp) -> None:
    kept = ("--no-archive-after-execute",) if amp.era == "cur" else ()
    first = amp.run(*HEADLESS, *kept, stdin="answer: one").events
    thread = first[0]["session_id"]
    assert THREAD.fullmatch(thread)
    for word in (thread, f"https://ampcode.com/threads/{thread}"):
        again = amp.run("threads", "continue", word, *HEADLESS, stdin="answer: two").events
        assert {event["session_id"] for event in again} == {thread}
        assert again[-1]["result"] == "two"
    exported = json.loads(amp.run("threads", "export", thread).stdout)
    assert (exported["id"], len(exported["messages"])) == (thread, 6)
    assert amp.run("threads", "markdown", thread).stdout.decode().endswith("## Assistant\n\ntwo\n")


def test_a_new_thread_is_archived_in_cur_unless_told_otherwise(cur: Amp) -> None:
    archived = cur.run(*HEADLESS, stdin="answer: one").events[0]["session_id"]
    kept = cur.run(*HEADLESS, "--no-archive-after-execute", stdin="answer: two").events[0]["session_id"]
    assert [row["id"] for row in json.loads(cur.run("threads", "list", "--json").stdout)] == [kept]
    rows = json.loads(cur.run("threads", "list", "--json", "--include-archived").stdout)
    assert [(row["id"], row["title"], row["messageCount"], row["tree"]) for row in rows] == [
        (kept, "answer: two", 2, None),
        (archived, "answer: one", 2, None),
    ]


def test_a_new_thread_is_not_archived_in_old(old: Amp) -> None:
    thread = old.run(*HEADLESS, stdin="answer: one").events[0]["session_id"]
    assert [row["id"] for row in json.loads(old.run("threads", "list", "--json").stdout)] == [thread]


def test_a_thread_outlives_its_sandbox_and_the_agent_is_given_what_was_said(
    cur: Amp, amp_of: Callable[[str], Amp]
) -> None:
    first = cur.run(*HEADLESS, "--no-archive-after-execute", stdin="say: Looking.\nanswer: one")
    thread = first.events[0]["session_id"]
    elsewhere = amp_of("old")
    assert list(elsewhere.home.iterdir()) == []
    again = elsewhere.run("threads", "continue", thread, *HEADLESS, stdin="<request>\nrecall\n</request>")
    said = [event["message"]["content"][0]["text"] for event in again.events if event["type"] == "assistant"]
    assert said[0] == "say: Looking.\nanswer: one"
    assert cur.run(*HEADLESS, stdin="recall").events[2]["message"]["content"][0]["text"] == "This thread is new."
    # Its earlier messages are part of what the model reads.
    seen = [events[2]["message"]["usage"]["cache_read_input_tokens"] for events in (first.events, again.events)]
    assert seen[0] < seen[1]


def test_nobody_but_its_owner_continues_a_thread(amp: Amp) -> None:
    args = ("--visibility", "workspace", *(("--no-archive-after-execute",) if amp.era == "cur" else ()))
    thread = amp.run(*HEADLESS, *args, stdin="answer: one").events[0]["session_id"]
    refused = amp.run("threads", "continue", thread, *HEADLESS, stdin="answer: two", key="sgamp_another")
    said = "Access token expired. Run 'amp login' to refresh." if amp.era == "cur" else "Unexpected error"
    assert (refused.code, refused.stdout) == (1, b"")
    assert refused.stderr.startswith(f"Error: {said}")
    hidden = amp.run(*HEADLESS, stdin="answer: mine").events[0]["session_id"]
    absent = amp.run("threads", "continue", hidden, *HEADLESS, stdin="answer: two", key="sgamp_another")
    assert re.fullmatch(rf"Thread \S*{hidden} does not exist\.\n", absent.stderr)


def test_an_archived_thread_is_not_continued_in_cur(cur: Amp) -> None:
    thread = cur.run(*HEADLESS, stdin="answer: one").events[0]["session_id"]
    refused = cur.run("threads", "continue", thread, *HEADLESS, stdin="answer: two")
    assert (refused.code, refused.stdout, refused.stderr) == (
        1,
        b"",
        "Error: This thread is archived and cannot be continued.\n",
    )


def test_the_thread_used_last_here_is_continued_without_an_id(amp: Amp) -> None:
    kept = ("--no-archive-after-execute",) if amp.era == "cur" else ()
    thread = amp.run(*HEADLESS, *kept, stdin="answer: one").events[0]["session_id"]
    assert amp.run("threads", "continue", *HEADLESS, stdin="answer: two").events[0]["session_id"] == thread


def test_it_writes_its_log_and_its_device_id_into_the_home(amp: Amp) -> None:
    amp.run("-x", "answer: hi")
    assert sorted(str(path.relative_to(amp.home)) for path in amp.home.rglob("*.*") if path.is_file()) == [
        ".cache/amp/logs/cli.log",
        ".local/share/amp/device-id.json",
        ".local/share/amp/session.json",
    ]
    assert list(amp.repo.iterdir()) == []


def test_without_a_writable_home_it_fails(amp: Amp) -> None:
    ended = amp.run("-x", "answer: hi", HOME="/dev/null")
    assert (ended.code, ended.stderr.splitlines()[0]) == (1, "Error: Unexpected error inside Amp CLI.")


def test_a_tool_without_allow_all_ends_the_turn(amp: Amp) -> None:
    ended = amp.run("-x", "--stream-json", stdin="create a.txt: hi")
    assert (ended.code, ended.events[-1]["subtype"], ended.events[-1]["error"]) == (
        0,
        "error_during_execution",
        "The following tools require user approval, which is not supported in stream JSON mode: create_file",
    )
    assert list(amp.repo.iterdir()) == []


def test_allow_all_may_come_from_the_settings(amp: Amp) -> None:
    (amp.home / "s.json").write_text('{"amp.dangerouslyAllowAll": true}')
    amp.run("-x", "--settings-file", str(amp.home / "s.json"), stdin="create a.txt: hi")
    assert (amp.repo / "a.txt").read_text() == "hi\n"
