"""Approvals, tokens, and the states between trained and live."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Spelled out here, not taken from schema.py: what this migration makes may never change again.
WORDS = sa.String().with_variant(sa.String(collation="C"), "postgresql")
PLAIN = sa.JSON(none_as_null=True)
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _states()
    _approvals()
    _tokens()
    _protect()


def _protect() -> None:
    """What was done and said is only ever added to, whoever asks: the owner of the tables has to say so twice."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    if postgresql:
        op.execute(REFUSE)
    for table in ("audit", "transitions", "approvals", "verdicts"):
        if postgresql:
            op.execute(
                f"CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION outlast_only_added_to()"
            )
            continue
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'table {table} is only ever added to'); END"
            )


REFUSE = """
CREATE FUNCTION outlast_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is only ever added to', TG_TABLE_NAME;
END
$$
"""


def _states() -> None:
    """A rollout has a second version beside the one that answers, and either can be in a state short of live."""
    for table in ("rollouts", "transitions"):
        op.add_column(table, sa.Column("advice", sa.Boolean(), nullable=False, server_default=sa.false()))
        op.add_column(table, sa.Column("challenger", COUNT))
        op.add_column(table, sa.Column("stage", WORDS))
        op.add_column(table, sa.Column("share", sa.Float()))
    op.add_column("transitions", sa.Column("version", COUNT))
    op.add_column("transitions", sa.Column("bundle", WORDS))
    op.add_column("transitions", sa.Column("challenger_bundle", WORDS))
    op.add_column("served", sa.Column("role", WORDS))
    op.add_column("served", sa.Column("trouble", WORDS))


def _approvals() -> None:
    """Who agreed to which version, on which verdict."""
    op.create_table(
        "approvals",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("model", WORDS, nullable=False),
        sa.Column("number", COUNT, nullable=False),
        sa.Column("bundle", WORDS, nullable=False),
        sa.Column("verdict_digest", WORDS, nullable=False),
        sa.Column("decision", WORDS, nullable=False),
        sa.Column("by", WORDS, nullable=False),
        sa.Column("identity", WORDS, nullable=False),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "number"], ["versions.model", "versions.number"], name="fk_approvals_model_number"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_model_number", "approvals", ["model", "number"])


def _tokens() -> None:
    """Who may do what; of the secret itself only a digest is kept."""
    op.create_table(
        "tokens",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("roles", PLAIN, nullable=False),
        sa.Column("models", PLAIN),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", WORDS, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoked_by", WORDS),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
