"""Alembic migrations of our tables. They expand, then contract (see CONTRIBUTING)."""
