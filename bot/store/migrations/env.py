"""Run by Alembic, on the connection that bot.store.upgrade passes."""

from alembic import context

from bot.store.tables import metadata
from bot.store.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
