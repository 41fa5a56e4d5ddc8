"""A soak of one minute. `make soak` is the long one."""

from __future__ import annotations

from pathlib import Path

from bot.rig.soak.story import Plan, soak


def test_a_minute_of_trouble_breaks_no_promise(tmp_path: Path) -> None:
    found = soak(tmp_path, Plan(seconds=50, seed=4))
    print(*found.lines(), sep="\n")
    assert [str(violation) for violation in found.violations] == []
    assert found.deliveries > 100
    assert found.faults > 3
    assert found.kills > 0
    assert len(found.evidence.runs) > 5
