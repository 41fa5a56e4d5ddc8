"""Adds what limits the attempts at one piece of work, and lets a delivery begin anew. Older code still works."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.add_column("deliveries", sa.Column("given_up_at", sa.Float(), nullable=True))
    op.add_column("deliveries", sa.Column("renewals", sa.Integer(), server_default=sa.text("0"), nullable=False))
