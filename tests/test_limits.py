"""Memory that a change set took goes back to the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Blocks of 8 MB, and small ones between them that stay: without the setting, what is freed cannot be returned.
PROGRAM = """\
import sys
from pathlib import Path
from bot.limits import return_memory

def resident():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)

if sys.argv[1] == "yes":
    return_memory()
before = resident()
kept = []
for _ in range(3):
    large = []
    for _ in range(25):
        large.append(b"x" * 8_000_000)
        kept.append([b"y" * 100_000])
    del large
print((resident() - before) // 1024)
"""


def megabytes_kept(returned: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, returned], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say how much memory is used")
def test_large_blocks_are_returned_when_they_are_freed() -> None:
    assert megabytes_kept("yes") < 20
