"""Runs migrations on the connection it is handed, inside its transaction: all of them happen or none."""

from alembic import context

from outlast.storage.ledger.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
