"""The watch and the loop: what was counted, what detectors remember, incidents, and decisions to retrain."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Spelled out here, not taken from schema.py: what this migration makes may never change again.
WORDS = sa.String().with_variant(sa.String(collation="C"), "postgresql")
PLAIN = sa.JSON(none_as_null=True)
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _counting()
    _incidents()
    _decisions()


def _counting() -> None:
    """In which order segments of the journal came, what they added up to, and what detectors made of it."""
    op.create_table(
        "sealed",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("stream", WORDS, nullable=False),
        sa.Column("segment", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sealed"),
        sa.UniqueConstraint("stream", "segment", name="uq_sealed_stream_segment"),
    )
    op.create_table(
        "profiles",
        sa.Column("model", WORDS, nullable=False),
        sa.Column("version", COUNT, nullable=False),
        sa.Column("slice", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "slice", "at", name="pk_profiles"),
    )
    op.create_table(
        "cohorts",
        sa.Column("model", WORDS, nullable=False),
        sa.Column("version", COUNT, nullable=False),
        sa.Column("slice", WORDS, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "slice", "starts_at", name="pk_cohorts"),
    )
    op.create_table(
        "detectors",
        sa.Column("model", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("state", sa.LargeBinary()),
        sa.Column("detail", PLAIN),
        sa.PrimaryKeyConstraint("model", "name", name="pk_detectors"),
    )


def _incidents() -> None:
    """What somebody has to look at, what became of it, and what was accepted as normal."""
    op.create_table(
        "incidents",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("model", WORDS, nullable=False),
        sa.Column("cause", WORDS, nullable=False),
        sa.Column("severity", WORDS, nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("owner", WORDS),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.Column("detail", PLAIN),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_model_opened_at", "incidents", ["model", "opened_at"])
    op.create_table(
        "incident_events",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("incident", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", WORDS, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("sentence", WORDS, nullable=False),
        sa.Column("detail", PLAIN),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_incident_events_incident"),
        sa.PrimaryKeyConstraint("id", name="pk_incident_events"),
    )
    op.create_index("ix_incident_events_incident", "incident_events", ["incident"])
    op.create_table(
        "accepted",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("model", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", WORDS, nullable=False),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("incident", WORDS),
        sa.Column("detail", PLAIN),
        sa.PrimaryKeyConstraint("id", name="pk_accepted"),
    )
    op.create_index("ix_accepted_model", "accepted", ["model"])


def _decisions() -> None:
    """Why a successor was trained, or was not, and what became of it."""
    op.create_table(
        "decisions",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("model", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("what", WORDS, nullable=False),
        sa.Column("trigger", WORDS),
        sa.Column("version", COUNT),
        sa.Column("sentence", WORDS, nullable=False),
        sa.Column("detail", PLAIN),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_model_at", "decisions", ["model", "at"])
