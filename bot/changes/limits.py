"""How much may come out of a sandbox, and how a user is told that it is too much.

Every limit is compared before memory is taken for what it limits.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.model import Problem

MEMBERS = frozenset({"tree", "raw", "left", "attrs", "blobs"})  # of the archive that collect.sh makes
LATER_MEMBERS = frozenset({"ignored"})  # archives of older versions lack them
IGNORED_NAMES = 1_000  # that collect.sh names at most
ENTRY_BYTES = 100  # of an entry in `raw`, without its path
ATTRIBUTE_BYTES = 200  # of an attribute and its value
LINE_BYTES = 64  # of the line above a blob


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one run may change. GitHub itself refuses files over 100 MB."""

    files: int = 3_000
    total_bytes: int = 100_000_000
    file_bytes: int = 50_000_000

    @property
    def folders(self) -> int:
        """Limit for the folders that the added files are in."""
        return 5_000 + 10 * self.files

    @property
    def name_bytes(self) -> int:
        """Limit for all paths together."""
        return 1_000_000 + 512 * self.files

    def member_bytes(self, member: str) -> int:
        """Limit for one member of the archive."""
        match member:
            case "raw":
                return self.name_bytes + ENTRY_BYTES * self.files
            case "left":
                return self.name_bytes
            case "ignored":
                return 4_200 * IGNORED_NAMES
            case "attrs":  # each path twice
                return 2 * (self.name_bytes + ATTRIBUTE_BYTES * self.files)
            case "blobs":
                return self.total_bytes + LINE_BYTES * self.files
            case _:
                return LINE_BYTES

    @property
    def archive_bytes(self) -> int:
        """Limit for the unpacked archive, with a header for each member and the end of the last block."""
        return sum(map(self.member_bytes, MEMBERS | LATER_MEMBERS)) + 20_000


DEFAULT_LIMITS = Limits()


def too_large(amount: int, unit: str, limit: int) -> Problem:
    setting = "AMPBOT_MAX_CHANGE_MB" if unit == "bytes" else "AMPBOT_MAX_FILES"
    return Problem(f"The change is too large: {amount:,} {unit}, where `{setting}` allows {limit:,}.")


class TooLargeError(Exception):
    """What came out of the sandbox is longer than a limit; the message is a Problem's."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def within(amount: int, unit: str, limit: int) -> None:
    if amount > limit:
        raise TooLargeError(too_large(amount, unit, limit))
