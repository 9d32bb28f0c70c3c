"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Spelled out here, not taken from schema.py: what this migration makes may never change again.
WORDS = sa.String().with_variant(sa.String(collation="C"), "postgresql")
PLAIN = sa.JSON(none_as_null=True)
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _registry()
    _rollout()
    _trail()
    _watch()
    _keeping()
    meta = sa.table("meta", sa.column("key"), sa.column("value"))
    op.bulk_insert(meta, [{"key": "format", "value": "1"}])


def _registry() -> None:
    """What a model and a version are."""
    op.create_table(
        "models",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("live_contract", PLAIN),
        sa.Column("live_digest", WORDS),
        sa.PrimaryKeyConstraint("name", name="pk_models"),
    )
    op.create_table(
        "versions",
        sa.Column("model", WORDS, nullable=False),
        sa.Column("number", COUNT, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("code_digest", WORDS),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", WORDS, nullable=False),
        sa.Column("task", WORDS, nullable=False),
        sa.Column("summary", PLAIN),
        sa.Column("lineage", PLAIN),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name="fk_versions_model"),
        sa.PrimaryKeyConstraint("model", "number", name="pk_versions"),
    )
    op.create_index("ix_versions_digest", "versions", ["digest"])


def _rollout() -> None:
    """Which version is live, how it came to be, and what it was judged to be."""
    op.create_table(
        "rollouts",
        sa.Column("model", WORDS, nullable=False),
        sa.Column("live", COUNT),
        sa.Column("previous", COUNT),
        sa.Column("sequence", COUNT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "live"], ["versions.model", "versions.number"], name="fk_rollouts_model_live"
        ),
        sa.ForeignKeyConstraint(
            ["model", "previous"], ["versions.model", "versions.number"], name="fk_rollouts_model_previous"
        ),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name="fk_rollouts_model"),
        sa.PrimaryKeyConstraint("model", name="pk_rollouts"),
    )
    op.create_table(
        "transitions",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("model", WORDS, nullable=False),
        sa.Column("sequence", COUNT, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("from_version", COUNT),
        sa.Column("to_version", COUNT),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", WORDS, nullable=False),
        sa.Column("reason", WORDS),
        sa.Column("verdict_digest", WORDS),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name="fk_transitions_model"),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
        sa.UniqueConstraint("model", "sequence", name="uq_transitions_model_sequence"),
    )
    op.create_table(
        "verdicts",
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("model", WORDS, nullable=False),
        sa.Column("number", COUNT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("checks", PLAIN),
        sa.PrimaryKeyConstraint("digest", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_model_number", "verdicts", ["model", "number"])


def _trail() -> None:
    """What happened, in order, and what was answered by what."""
    op.create_table(
        "served",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("model", WORDS, nullable=False),
        sa.Column("version", COUNT, nullable=False),
        sa.Column("digest", WORDS),
        sa.Column("server", WORDS, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_served"),
    )
    op.create_index("ix_served_model_since", "served", ["model", "since"])
    op.create_table(
        "audit",
        sa.Column("seq", COUNT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("object", WORDS, nullable=False),
        sa.Column("detail", PLAIN),
        sa.Column("previous", WORDS, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sa.UniqueConstraint("digest", name="uq_audit_digest"),
    )
    op.create_index("ix_audit_object", "audit", ["object"])


def _watch() -> None:
    """What the monitor saw and said."""
    op.create_table(
        "windows",
        sa.Column("model", WORDS, nullable=False),
        sa.Column("version", COUNT, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("figures", PLAIN),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "starts_at", name="pk_windows"),
    )
    op.create_table(
        "alerts",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("model", WORDS),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("sentence", WORDS, nullable=False),
        sa.Column("detail", PLAIN),
        sa.Column("delivered_at", MOMENT),
        sa.Column("attempts", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_delivered_at", "alerts", ["delivered_at"])
    op.create_index("ix_alerts_model_at", "alerts", ["model", "at"])


def _keeping() -> None:
    """Names that are taken, work that is held, marks of what is done."""
    op.create_table(
        "meta",
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "declarations",
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("model", WORDS),
        sa.Column("declared", PLAIN),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_declarations"),
    )
    op.create_table(
        "leases",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("holder", WORDS, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "mirror",
        sa.Column("model", WORDS, nullable=False),
        sa.Column("number", COUNT, nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("detail", PLAIN),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("model", "number", name="pk_mirror"),
    )
    op.create_table(
        "marks",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("value", PLAIN),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )
