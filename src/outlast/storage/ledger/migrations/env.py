"""Runs migrations on the connection it is handed, inside that connection's transaction."""

from alembic import context

from outlast.storage.ledger.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite rolls its DDL back too, once the driver is kept from committing behind our back.
    transactional_ddl=True,
)
context.run_migrations()
