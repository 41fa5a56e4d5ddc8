"""Process limits for the configured number of parallel runs. Call this before the E2B SDK is imported."""

from __future__ import annotations

import os
import resource

from bot.settings import Settings

# Each run holds one stream to its sandbox and makes a few short requests. This is for servers without HTTP/2, which
# need a connection for each.
SPARE_CONNECTIONS = 200
# File descriptors for the database, GitHub and webhooks.
SPARE_FILES = 1000


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
