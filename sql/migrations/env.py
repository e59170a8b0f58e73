"""Alembic's entry: runs the revisions on the connection that cartctl hands over."""

from alembic import context

from cartctl.store.tables import for_ddl

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=for_ddl(),
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
