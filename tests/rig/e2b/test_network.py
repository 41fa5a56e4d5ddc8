"""Network configurations E2B accepts, and those it refuses with a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from bot.rig.e2b.network import problem


def rules(host: str, headers: dict[str, str] | None = None, count: int = 1) -> dict[str, Any]:
    return {"rules": {host: [{"transform": {"headers": headers or {}}}] * count}}


@pytest.mark.parametrize(
    "network",
    [
        {},
        {"allowOut": ["1.1.1.1", "10.0.0.0/8", "2001:db8::/32"]},
        {"denyOut": ["0.0.0.0/0"]},
        {"allowOut": ["github.com", "*.github.com"], "denyOut": ["0.0.0.0/0"]},
        rules("github.com", {"Authorization": "Basic x"}),
        {"rules": {"github.com": [{}]}},
        {"rules": None, "allowOut": None},
    ],
)
def test_accepted(network: dict[str, Any]) -> None:
    assert problem(network) == ""


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"denyOut": ["example.com"]}, "invalid denied CIDR example.com"),
        ({"allowOut": ["example.com"]}, "'ALL_TRAFFIC' in deny out"),
        ({"allowOut": ["example.com"], "denyOut": ["10.0.0.0/8"]}, "'ALL_TRAFFIC' in deny out"),
        ({"rules": {f"h{n}.com": [] for n in range(11)}}, "at most 10 domains"),
        (rules(""), "must not be empty"),
        (rules("x" * 129), "maximum length of 128"),
        (rules("not a name"), "is not a valid domain name"),
        (rules("10.0.0.1"), "is not a valid domain name"),
        (rules("github.com", count=2), "at most 1 transform rule"),
        (rules("github.com", {f"h{n}": "" for n in range(21)}), "at most 20 headers"),
        (rules("github.com", {"": "x"}), "must not be empty"),
        (rules("github.com", {"a b": "x"}), "CR or LF"),
        (rules("github.com", {"a" * 65: "x"}), "maximum length of 64"),
        (rules("github.com", {"a": "x\r\ny"}), "CR or LF"),
        (rules("github.com", {"a": "x" * 2049}), "maximum length of 2048"),
    ],
)
def test_refused(network: dict[str, Any], said: str) -> None:
    assert said in problem(network)
