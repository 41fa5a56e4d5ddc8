"""Run by Alembic with the connection that bot.database hands over."""

from alembic import context

from bot.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="ampbot_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
