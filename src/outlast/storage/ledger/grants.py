"""What the role of a running Outlast may do in PostgreSQL, when another role owns the tables."""

import re

import sqlalchemy as sa

from outlast.errors import NotFound, Refused
from outlast.storage.ledger import schema
from outlast.storage.ledger.engine import address, engine_for
from outlast.storage.ledger.faults import place
from outlast.storage.ledger.ledger import speaking, writing

ONLY_ADDED_TO = ("audit", "transitions", "approvals", "verdicts")
"""Tables of what was done and said: nobody changes a row of them."""

_ONLY_READ = ("meta", schema.VERSION_TABLE)


def grant(url: str, role: str) -> None:
    """Let a role read everything, add to what is only ever added to, and write the rest; and nothing else."""
    parsed = address(url)
    if parsed.get_backend_name() != "postgresql":
        raise Refused(f"{place(parsed)} is no PostgreSQL, which alone has roles: keep the file's own rights narrow")
    engine = engine_for(parsed)
    try:
        with speaking(parsed), writing(engine) as connection:
            _grant(connection, role, place(parsed))
    finally:
        engine.dispose()


def _grant(connection: sa.Connection, role: str, where: str) -> None:
    known = connection.execute(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = :role"), {"role": role}).first()
    if known is None:
        raise NotFound(f"{where} has no role '{role}': make it with CREATE ROLE, then grant again")
    owner = connection.scalar(sa.text("SELECT tableowner FROM pg_tables WHERE tablename = 'audit'"))
    if known.rolsuper or owner == role:
        what = "is a superuser" if known.rolsuper else "owns the tables"
        raise Refused(f"Role '{role}' {what}, so that no grant narrows what it may do: name another role")
    name = '"' + re.sub('"', '""', role) + '"'
    schema_name = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema_name} TO {name}")
    for table in (*schema.metadata.tables, schema.VERSION_TABLE):
        if table in _ONLY_READ:
            rights = "SELECT"
        else:
            rights = "SELECT, INSERT" if table in ONLY_ADDED_TO else "SELECT, INSERT, UPDATE, DELETE"
        connection.exec_driver_sql(f"REVOKE ALL ON {table} FROM {name}, PUBLIC")
        connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {name}")
    connection.exec_driver_sql(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema_name} TO {name}")
