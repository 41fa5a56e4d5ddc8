"""Process limits for the configured number of parallel runs. Call this before the E2B SDK is imported."""

from __future__ import annotations

import ctypes
import os
import resource

from bot.settings import Settings

# Each run holds one stream to its sandbox and makes a few short requests. This is for servers without HTTP/2, which
# need a connection for each.
SPARE_CONNECTIONS = 200
# File descriptors for the database, GitHub and webhooks.
SPARE_FILES = 1000


# For the C library: https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BLOCK = 256 * 1024


def raise_limits(settings: Settings) -> None:
    """Raise the limit of open files, and E2B's connection limit: its SDK reads the environment when imported."""
    connections = settings.max_runs + SPARE_CONNECTIONS
    os.environ.setdefault("E2B_MAX_CONNECTIONS", str(connections))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def return_memory() -> None:
    """Have memory returned to the system as soon as a large block is freed.

    By default glibc raises its idea of large with each such block, up to 32 MB. What a change set took would then stay
    with the process, in holes that the next one does not fit into.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
    mallopt(_M_TRIM_THRESHOLD, _LARGE_BLOCK)
