"""The replies to commands, word for word."""

from __future__ import annotations

import pytest

from bot.events import commands
from bot.events.handler import verbs
from bot.text import command_messages
from handlers import HANDLERS

REPLIES = {
    command_messages.nothing_asked(): (
        "Nothing was asked, so nothing was started. Write what you want after `/amp`, for example `/amp fix the login "
        "test`, or try `/amp help`."
    ),
    command_messages.did_you_mean("stop"): (
        "Nothing was started: did you mean `/amp stop`? If it is a request, say it in a few words more, or write "
        "`/amp work` before it."
    ),
    command_messages.starts_nothing("stop", stops=True): (
        "This was read as `/amp stop`, which stops what runs here and starts nothing. If the words behind it are a "
        "request, ask for it with `/amp work` and the request."
    ),
    command_messages.starts_nothing("status", stops=False): (
        "This was read as `/amp status`, which starts nothing. If the words behind it are a request, ask for it with "
        "`/amp work` and the request."
    ),
    command_messages.not_a_pull(): "There is no pull request here to review. Comment `/amp review` on a pull request.",
    command_messages.not_a_pull(asked=True): (
        "There is no pull request here to review. Comment `/amp review` on a pull request. To ask for something here, "
        "comment `/amp work` and the request."
    ),
}


@pytest.mark.parametrize(("said", "golden"), REPLIES.items())
def test_each_reply_says_what_happened_and_what_to_do_next_and_is_no_command(said: str, golden: str) -> None:
    assert said == golden
    assert commands.parse(said, names=("ampbot",), verbs=verbs(HANDLERS)) == ()
