"""Alembic migrations of our own tables. They expand, then contract (see CONTRIBUTING)."""
