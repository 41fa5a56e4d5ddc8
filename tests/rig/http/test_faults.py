from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from bot.rig.http.faults import Answer, Fault, FaultTable, Request, Side, from_json, replacement, to_json

ASK = Request(7, "POST", "/repos/a/b/pulls")


def struck(table: FaultTable, *paths: str) -> list[str]:
    """Messages of the faults for a GET of each path, in order."""
    return ["+".join(f.message for f in table.take("GET", path, n)) for n, path in enumerate(paths, 1)]


@pytest.mark.parametrize(
    ("fault", "strikes"),
    [
        (Fault("error"), True),
        (Fault("error", method="POST"), True),
        (Fault("error", method="GET"), False),
        (Fault("error", path=r"/pulls$"), True),
        (Fault("error", path=r"^/pulls"), False),
        (Fault("error", number=7), True),
        (Fault("error", number=8), False),
        (Fault("error", skip=1), False),
    ],
)
def test_a_fault_strikes_only_the_request_it_describes(fault: Fault, strikes: bool) -> None:
    table = FaultTable()
    table.add(fault)
    assert bool(table.take(ASK.method, ASK.path, ASK.number)) is strikes


@pytest.mark.parametrize(
    ("times", "skip", "hits"),
    [(1, 0, "x---"), (2, 0, "xx--"), (0, 0, "xxxx"), (1, 2, "--x-"), (0, 1, "-xxx")],
)
def test_a_fault_strikes_as_often_as_it_says_after_those_it_lets_pass(times: int, skip: int, hits: str) -> None:
    table = FaultTable()
    table.add(Fault("error", path="hit", times=times, skip=skip))
    seen = ""
    for number in range(1, 9, 2):
        assert table.take("GET", "/other", number) == ()
        seen += "x" if table.take("GET", "/hit", number + 1) else "-"
    assert seen == hits


def test_an_answer_is_sent_as_it_is_given() -> None:
    answer = replacement(Fault("answer", status=200, message='{"errors": []}'), ASK)
    assert (answer.status, answer.body) == (200, b'{"errors": []}')


def test_only_one_fault_decides_the_answer_and_the_next_waits_its_turn() -> None:
    table = FaultTable()
    table.add(Fault("error", message="one"), Fault("delay", message="slow"), Fault("cut", message="two"))
    assert struck(table, "/", "/", "/") == ["one+slow", "two", ""]


def test_a_cleared_table_strikes_nothing() -> None:
    table = FaultTable()
    table.add(Fault("error", times=0))
    table.clear()
    assert (table.faults, table.take("GET", "/", 1)) == ((), ())


def test_the_table_shows_what_can_still_strike() -> None:
    table = FaultTable()
    fault = Fault("error", times=3, skip=1)
    table.add(fault)
    struck(table, "/", "/")
    assert table.faults == (replace(fault, times=2, skip=0),)


def test_a_fault_is_never_spent_twice_by_requests_at_the_same_time() -> None:
    table = FaultTable()
    table.add(Fault("error", times=50))
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda number: len(table.take("GET", "/", number)), range(400)))
    assert sum(taken) == 50


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "explode"}, "unknown fault 'explode'"),
        ({"kind": "call"}, "needs a function"),
        ({"kind": "error", "times": -1}, "cannot be negative"),
        ({"kind": "error", "status": 200}, "from 400 to 599, not 200"),
        ({"kind": "error", "path": "("}, "no regular expression"),
        ({"kind": "error", "times": "1"}, "times of a fault is int, not '1'"),
        ({"kind": "error", "plain": 1}, "plain of a fault is bool, not 1"),
        ({"kind": "error", "number": True}, "number of a fault is int, not True"),
        ({"kind": "error", "side": "beside"}, "'beside' is not a valid Side"),
        ({"kind": "error", "when": 1}, "a fault has no when"),
        ({}, "a fault needs a kind"),
        ([], "a fault is an object"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(wrong: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        from_json(wrong)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error"),
        Fault("delay", side=Side.AFTER, method="GET", path="x", number=3, times=0, skip=2, seconds=1),
        Fault("error", status=503, message="no", plain=True),
    ],
)
def test_a_fault_survives_json(fault: Fault) -> None:
    assert from_json(json.loads(json.dumps(to_json(fault)))) == fault


def test_a_call_is_shown_but_cannot_be_read_back() -> None:
    shown = to_json(Fault("call", call=lambda request: None))
    assert shown == {"kind": "call", "call": "..."}
    with pytest.raises(ValueError, match="call of a fault"):
        from_json(shown)


def headers(answer: Answer) -> dict[str, str]:
    return dict(answer.headers)


def test_an_error_is_json_or_a_gateways_page() -> None:
    said = replacement(Fault("error", status=503), ASK)
    assert (said.status, json.loads(said.body)["message"], json.loads(said.body)["status"]) == (
        503,
        "Service Unavailable",
        "503",
    )
    page = replacement(Fault("error", message="Unicorn!", plain=True), ASK)
    assert (page.status, headers(page)["content-type"][:9]) == (502, "text/html")
    assert b"<h1>Unicorn!</h1>" in page.body


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        (Fault("secondary_limit"), 403, None),
        (Fault("secondary_limit", seconds=2.5), 403, "3"),
        (Fault("secondary_limit", status=429), 429, None),
    ],
)
def test_a_secondary_limit_leaves_requests_remaining(fault: Fault, status: int, retry_after: str | None) -> None:
    said = replacement(fault, ASK)
    assert (said.status, headers(said).get("retry-after")) == (status, retry_after)
    assert "secondary rate limit" in json.loads(said.body)["message"]
    assert int(headers(said)["x-ratelimit-remaining"]) > 0


def test_a_primary_limit_says_when_it_ends() -> None:
    before = time.time()
    said = replacement(Fault("primary_limit", seconds=100), ASK)
    assert (said.status, headers(said)["x-ratelimit-remaining"]) == (403, "0")
    assert before + 100 <= int(headers(said)["x-ratelimit-reset"]) <= time.time() + 101


def test_a_primary_limit_on_graphql_is_a_200_with_an_error() -> None:
    said = replacement(Fault("primary_limit"), Request(1, "POST", "/api/graphql"))
    assert (said.status, json.loads(said.body)["errors"][0]["type"]) == (200, "RATE_LIMITED")


def test_wrong_json_is_a_200_that_cannot_be_read() -> None:
    said = replacement(Fault("wrong_json"), ASK)
    assert said.status == 200
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(said.body)


@pytest.mark.parametrize(
    ("message", "location"),
    [
        ("", "http://elsewhere.invalid/repos/a/b/pulls"),
        ("http://127.0.0.2:9", "http://127.0.0.2:9/repos/a/b/pulls"),
    ],
)
def test_a_redirect_leads_to_another_host(message: str, location: str) -> None:
    said = replacement(Fault("redirect", message=message), ASK)
    assert (said.status, headers(said)["location"]) == (301, location)
