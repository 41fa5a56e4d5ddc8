"""What mail programs add below a reply is no part of a request, and nothing else is cut."""

from __future__ import annotations

from functools import partial

import pytest

from bot.events import commands
from bot.events.handler import verbs
from bot.model import Command
from handlers import HANDLERS

parse = partial(commands.parse, names=["ampbot"], verbs=verbs(HANDLERS))

ADDED = [
    "\n\n-- \nAlice\nACME, Inc.",
    "\n-- \nAlice",
    "\n\n--\nAlice\n+1 555 0100",
    "\n\n-- \n" + "A long disclaimer. " * 9 + "\n\nIt goes on.",
    "\n\nSent from my iPhone",
    "\nSent from my iPhone",
    "\n\n*Sent from my Galaxy S24*",
    "\n\nSent from Outlook for iOS",
    "\n\nGet Outlook for iOS<https://aka.ms/o0ukef>",
    "\n\nGet [Outlook for Android](https://aka.ms/AAb9ysg)",
    "\n\nVon meinem iPhone gesendet",
    "\n\nEnvoyé de mon iPhone",
    "\n\n-- \nAlice\n\nSent from my iPad",
    "\n\nOn Tue, Jan 6, 2026 at 3:04 PM mona <notifications@github.com> wrote:\n\n> /amp do it\n>\n> > more\n",
    "\n\nOn Tue, Jan 6, 2026 at 3:04 PM mona <\nnotifications@github.com> wrote:\n\n> text\n",
    "\n\nOn Jan 6, 2026, at 15:04, mona\n<notifications@github.com>\nwrote:\n\n> text\n",
    "\n\nOn 06/01/2026 15:04, mona wrote:\n> text\n",
    "\n\nOn 06/01/2026 15:04, mona wrote:",
    "\n\nAm 06.01.2026 um 15:04 schrieb mona:\n> text\n",
    "\n\nLe mar. 6 janv. 2026 à 15:04, mona <notifications@github.com> a écrit :\n> text",
    "\n\nmona <notifications@github.com> 于2026年1月6日周二 15:04写道：\n\n> text",
    "\n\n2026年1月6日(火) 15:04 mona <notifications@github.com>:\n\n> text",
    "\n\n-----Original Message-----\nFrom: mona\nTo: x\n\n/amp do it",
    "\n\n________________________________\nFrom: mona <x@example.com>\nSent: Tue\nTo: y\nSubject: z\n\n/amp do it",
    "\n\nFrom: mona <notifications@github.com>\nDate: Tuesday\nTo: y\nCc: z\nSubject: Re: z\n\n/amp do it",
    "\n\n*From:* mona <notifications@github.com>\n*Sent:* Tuesday\n*To:* y\n*Subject:* Re: z\n\n/amp do it",
    "\n\n—\nReply to this email directly, view it on GitHub<https://x>, or unsubscribe<https://y>.\n/amp do it",
    "\n\nSent from my iPhone\n\nOn 06/01/2026 15:04, mona wrote:\n> text\n",
]


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_mail_program_adds_is_cut(added: str, end: str) -> None:
    for asked in ("fix it", "fix it\n\n- one\n- two\n\n```\ncode\n```"):
        assert parse(f"/amp {asked}{added}".replace("\n", end)) == (Command("run", asked, 0),)
    assert parse(f"/amp stop{added}".replace("\n", end)) == (Command("stop", "", 0),)


@pytest.mark.parametrize(
    "asked",
    [
        # code and quotes are part of a request
        "make the mail end so:\n\n```\nThanks\n-- \nAlice\n```",
        "apply this\n\n```diff\n- a\n+ b\n-- \n2.39.5\n```",
        "parse this\n\n```\n-----Original Message-----\nFrom: a\n```",
        "explain\n\n    -- \n    drop table x",
        "answer this\n\n> On 06/01/2026 15:04, mona wrote:\n> -- \n> Alice",
        "answer this\n\n> a quote",
        # words that look a bit like it
        "answer this\n\nOn Monday Bob wrote:\n> it crashes",
        "look at what mona wrote:\n> it crashes",
        "On 06/01/2026 15:04, mona wrote:\n> it crashes\n\nWhy?",
        "fix it\n\nOn 06/01/2026 15:04, mona wrote:\n> it crashes\n\nand this too",
        "make the last line say:\n\nSent from my iPhone",
        "fix the footer\n\nSent from my iPhone\n\nshould not be there",
        "Sent from my iPhone should be cut",
        "use two dashes\n--verbose\nas the option",
        "write a table\n\n--\n" + "\n".join(f"row {number}" for number in range(5)),
        "write a line\n\n--\n" + "w" * 81,
        "a\n\n---\n\nb",
        "show these headers\n\nFrom: a@example.com\nTo: b\nDate: c\nSubject: d",
        "From: and To: are swapped",
    ],
)
def test_an_instruction_is_not_cut_because_it_looks_like_that(asked: str) -> None:
    assert parse(f"/amp {asked}") == (Command("run", asked, 0),)


def test_a_signature_ends_with_the_next_command() -> None:
    assert parse("/amp one\n-- \nAlice\n\n/amp two\n-- \nAlice") == (Command("run", "one"), Command("run", "two"))


def test_below_what_is_quoted_a_command_counts() -> None:
    text = "On 06/01/2026 15:04, mona wrote:\n> /amp not this\n\n/amp this"
    assert parse(text) == (Command("run", "this"),)
