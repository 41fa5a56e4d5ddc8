"""Adds what several workers, stopping, retrying, sweeping and `ampbot runs` need. Older code still works."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("runs", sa.Column("stop", sa.String(length=8), nullable=True))
    op.add_column("runs", sa.Column("unshown_at", sa.Float(), nullable=True))
    op.add_column("runs", sa.Column("takeovers", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "run_events",
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run", "sequence"),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    unended = sa.text("ended_at IS NULL")
    op.create_index("runs_unended", "runs", ["progress_at"], sqlite_where=unended, postgresql_where=unended)
    unclosed = sa.text("closed_at IS NULL")
    op.create_index(
        "deliveries_unclosed", "deliveries", ["received_at"], sqlite_where=unclosed, postgresql_where=unclosed
    )
