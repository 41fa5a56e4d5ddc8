"""Adds who asked for a run, to count a day's runs, and how often it was put back into its queue. Older code works."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("runs", sa.Column("actor", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("holds", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_index("runs_of_actor", "runs", ["actor", "created_at"])
    op.create_index("runs_of_installation", "runs", ["installation", "created_at"])
