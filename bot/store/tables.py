"""Our tables. DBOS keeps and migrates its own in the same database."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import BigInteger

metadata = MetaData()

# Times are seconds since the epoch, UTC.

deliveries = Table(
    "deliveries",
    metadata,
    Column("guid", String(64), primary_key=True),
    Column(
        "digest", String(64), nullable=False, unique=True
    ),  # the signature does not cover the GUID: a replay may change it
    Column("event", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("taken_at", Float),  # its workflow exists; then its last heartbeat
    Column("closed_at", Float),
    Column("outcome", Text),
    Column("plan", Text),  # the planned effects as JSON; written once
    Column("given_up_at", Float),  # its attempts were used up: a redelivery begins it anew
    Column("renewals", Integer, nullable=False, server_default=text("0")),  # how often it was begun anew
    Index(
        "deliveries_untaken",
        "received_at",
        sqlite_where=text("taken_at IS NULL"),
        postgresql_where=text("taken_at IS NULL"),
    ),
    Index(
        "deliveries_unclosed",
        "received_at",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("installation", BigInteger, nullable=False),
    Column("repository", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("active", Boolean, nullable=False),  # not queued; at most one run of an issue or PR
    Column("request", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("queued_in_engine_at", Float),
    Column("started_at", Float),  # left the queue
    Column("agent_at", Float),
    Column("progress_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("comment", BigInteger),  # the progress comment; 0 if GitHub refused it
    Column("pinned", Text),
    Column("sandbox", String(128)),
    Column("outcome", Text),  # the result of the agent's stream, as JSON
    Column("commit", String(40)),
    Column("branch", Text),
    Column("pull", Integer),
    Column("ending", Text),  # how it ended, as JSON
    Column("stop", String(8)),  # a stop command: "drop" or "keep" the changes
    Column("unshown_at", Float),  # when GitHub last refused to show its ending; NULL once shown
    Column("takeovers", Integer, nullable=False, server_default=text("0")),  # by other executors
    Column("actor", BigInteger),  # the id of who asked; NULL where older code stored it
    Column("holds", Integer, nullable=False, server_default=text("0")),  # how often a hold put it back into its queue
    Index(
        "runs_one_active",
        "repository",
        "number",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
    Index("runs_of_place", "repository", "number", "created_at"),
    Index("runs_of_actor", "actor", "created_at"),
    Index("runs_of_installation", "installation", "created_at"),
    Index(
        "runs_unended", "progress_at", sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")
    ),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("run", String(36), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

transcript = Table(
    "transcript",
    metadata,
    Column("run", String(36), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("until", BigInteger, nullable=False),  # byte offset in the agent's output after this line
    Column("at", Float, nullable=False),
    Column("line", Text, nullable=False),
)

# What happened to a run, in order. Written in the transaction of the change.
run_events = Table(
    "run_events",
    metadata,
    Column("run", String(36), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("event", String(32), nullable=False),
    Column("detail", Text, nullable=False),
)

# Key-value pairs: the sweep's position, the oldest compatible code.
marks = Table(
    "marks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Float, nullable=False),
)

# Idempotency keys: the row is written before the effect is attempted (bot/engine/find_or_create.py).
effects = Table(
    "effects",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("tried_at", Float, nullable=False),
    Column("done_at", Float),
    Column("result", Text),
)

# Attempts at a piece of work that may kill its process (bot/engine/attempts.py).
attempts = Table(
    "attempts",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("progress", Text, nullable=False),  # how far the work had come when the last attempt began
    Column("count", Integer, nullable=False),
    Column("at", Float, nullable=False),  # when the last attempt began
)

# What each turn of Amp used (bot/store/ledger.py). It outlives its run.
ledger = Table(
    "ledger",
    metadata,
    Column("key", String(64), primary_key=True),  # of the run and the turn
    Column("run", String(36), nullable=False),
    Column("installation", BigInteger, nullable=False),
    Column("repository", BigInteger, nullable=False),
    Column("repository_name", Text, nullable=False),
    Column("actor", BigInteger, nullable=False),
    Column("login", Text, nullable=False),
    Column("at", Float, nullable=False),  # when Amp began
    Column("turns", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read", BigInteger, nullable=False),
    Column("cache_creation", BigInteger, nullable=False),
    Index("ledger_at", "at"),
)

# The Amp thread of an issue or pull request.
threads = Table(
    "threads",
    metadata,
    Column("repository", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("thread", String(64), nullable=False),
    Column("run", String(36), nullable=False),
    Column("updated_at", Float, nullable=False),
)
