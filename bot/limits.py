"""Room in this process for as many runs at once as the settings allow. No vendor may be loaded before it is made."""

from __future__ import annotations

import os
import resource

from bot.settings import Settings

# Each live run holds one stream to its sandbox, and asks for a little more now and then. Where the far end speaks
# HTTP/2 a hundred streams share a connection; this is for where it does not.
SPARE_CONNECTIONS = 200
# Descriptors for all else: the database, GitHub, webhooks.
SPARE_FILES = 1000


def make_room(settings: Settings) -> None:
    """Size E2B's pool, which its SDK reads from the environment when it is loaded, and the limit of open files."""
    connections = settings.max_runs + SPARE_CONNECTIONS
    os.environ.setdefault("E2B_MAX_CONNECTIONS", str(connections))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
