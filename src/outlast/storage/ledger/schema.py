"""The ledger's tables, as SQLAlchemy Core sees them.

What is stored changes only through a migration: a change here needs a file in `migrations/versions/` and a new HEAD.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from outlast.types import utc

HEAD = "0003"
"""The newest migration this release knows. Revisions are four digits, so they sort in the order they were written."""

VERSION_TABLE = "ledger_version"
"""Where Alembic notes the revision; a name of our own, since MLflow may keep `alembic_version` in the same database."""


class Moment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC on every database; one without a zone is read as UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        # SQLite keeps text without a zone: one spelling of one zone keeps its comparisons right.
        return utc(value).replace(tzinfo=None) if dialect.name == "sqlite" else utc(value)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


# Text sorts by code point everywhere; PostgreSQL would otherwise follow the locale it was created with.
Words = sa.String().with_variant(sa.String(collation="C"), "postgresql")
Plain = sa.JSON(none_as_null=True)
Count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _must(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _may(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, default=False, server_default=sa.false())


meta = sa.Table("meta", metadata, _key("key", Words), _must("value", Words))

models = sa.Table(
    "models",
    metadata,
    _key("name", Words),
    _must("created_at", Moment()),
    _may("live_contract", Plain),
    _may("live_digest", Words),
)

versions = sa.Table(
    "versions",
    metadata,
    _key("model", Words),
    _key("number", Count),
    _must("digest", Words),
    _may("code_digest", Words),
    _must("created_at", Moment()),
    _must("created_by", Words),
    _must("task", Words),
    _may("summary", Plain),
    _may("lineage", Plain),
    sa.ForeignKeyConstraint(["model"], ["models.name"]),
    sa.Index(None, "digest"),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    _key("model", Words),
    _may("live", Count),
    _may("previous", Count),
    _must("sequence", Count),
    _must("updated_at", Moment()),
    _flag("advice"),
    _may("challenger", Count),
    _may("stage", Words),
    _may("share", sa.Float()),
    sa.ForeignKeyConstraint(["model"], ["models.name"]),
    sa.ForeignKeyConstraint(["model", "live"], ["versions.model", "versions.number"]),
    sa.ForeignKeyConstraint(["model", "previous"], ["versions.model", "versions.number"]),
)

transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("id", Count, primary_key=True),
    _must("model", Words),
    _must("sequence", Count),
    _must("action", Words),
    _may("from_version", Count),
    _may("to_version", Count),
    _must("at", Moment()),
    _must("by", Words),
    _may("reason", Words),
    _may("verdict_digest", Words),
    _may("version", Count),
    _may("bundle", Words),
    _may("challenger_bundle", Words),
    _flag("advice"),
    _may("challenger", Count),
    _may("stage", Words),
    _may("share", sa.Float()),
    sa.ForeignKeyConstraint(["model"], ["models.name"]),
    sa.UniqueConstraint("model", "sequence"),
)

served = sa.Table(
    "served",
    metadata,
    sa.Column("id", Count, primary_key=True),
    _must("model", Words),
    _must("version", Count),
    _may("digest", Words),
    _must("server", Words),
    _must("since", Moment()),
    _may("until", Moment()),
    _may("role", Words),
    _may("trouble", Words),
    sa.Index(None, "model", "since"),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    _key("digest", Words),
    _must("model", Words),
    _must("number", Count),
    _must("at", Moment()),
    _must("passed", sa.Boolean()),
    _may("checks", Plain),
    sa.Index(None, "model", "number"),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", Count, primary_key=True),
    _must("model", Words),
    _must("number", Count),
    _must("bundle", Words),
    _must("verdict_digest", Words),
    _must("decision", Words),
    _must("by", Words),
    _must("identity", Words),
    _must("reason", Words),
    _must("at", Moment()),
    sa.ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
    sa.Index(None, "model", "number"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    _key("id", Words),
    _must("name", Words),
    _must("digest", Words),
    _must("roles", Plain),
    _may("models", Plain),
    _must("created_at", Moment()),
    _must("created_by", Words),
    _may("expires_at", Moment()),
    _may("revoked_at", Moment()),
    _may("revoked_by", Words),
    sa.UniqueConstraint("digest"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", Count, primary_key=True),
    _must("at", Moment()),
    _must("actor", Words),
    _must("action", Words),
    _must("object", Words),
    _may("detail", Plain),
    _must("previous", Words),
    _must("digest", Words),
    sa.UniqueConstraint("digest"),
    sa.Index(None, "object"),
)

declarations = sa.Table(
    "declarations",
    metadata,
    _key("kind", Words),
    _key("name", Words),
    _must("digest", Words),
    _may("model", Words),
    _may("declared", Plain),
)

leases = sa.Table("leases", metadata, _key("name", Words), _must("holder", Words), _must("until", Moment()))

windows = sa.Table(
    "windows",
    metadata,
    _key("model", Words),
    _key("version", Count),
    _key("starts_at", Moment()),
    _may("figures", Plain),
    _must("updated_at", Moment()),
)

alerts = sa.Table(
    "alerts",
    metadata,
    _key("id", Words),
    _may("model", Words),
    _must("kind", Words),
    _must("at", Moment()),
    _must("sentence", Words),
    _may("detail", Plain),
    _may("delivered_at", Moment()),
    sa.Column("attempts", Count, nullable=False, default=0),
    sa.Index(None, "delivered_at"),
    sa.Index(None, "model", "at"),
)

mirror = sa.Table(
    "mirror",
    metadata,
    _key("model", Words),
    _key("number", Count),
    _must("state", Words),
    _may("detail", Plain),
    _must("at", Moment()),
)

marks = sa.Table("marks", metadata, _key("name", Words), _may("value", Plain), _must("at", Moment()))

sealed = sa.Table(
    "sealed",
    metadata,
    sa.Column("id", Count, primary_key=True),
    _must("stream", Words),
    _must("segment", Words),
    _must("at", Moment()),
    sa.UniqueConstraint("stream", "segment"),
)

profiles = sa.Table(
    "profiles",
    metadata,
    _key("model", Words),
    _key("version", Count),
    _key("slice", Words),
    _key("at", Moment()),
    _must("counts", sa.LargeBinary()),
)

cohorts = sa.Table(
    "cohorts",
    metadata,
    _key("model", Words),
    _key("version", Count),
    _key("slice", Words),
    _key("starts_at", Moment()),
    _must("counts", sa.LargeBinary()),
    _must("updated_at", Moment()),
)

detectors = sa.Table(
    "detectors",
    metadata,
    _key("model", Words),
    _key("name", Words),
    _must("at", Moment()),
    _may("state", sa.LargeBinary()),
    _may("detail", Plain),
)

incidents = sa.Table(
    "incidents",
    metadata,
    _key("id", Words),
    _must("model", Words),
    _must("cause", Words),
    _must("severity", Words),
    _must("state", Words),
    _may("owner", Words),
    _must("opened_at", Moment()),
    _must("changed_at", Moment()),
    _may("closed_at", Moment()),
    _may("detail", Plain),
    sa.Index(None, "model", "opened_at"),
)

incident_events = sa.Table(
    "incident_events",
    metadata,
    sa.Column("id", Count, primary_key=True),
    _must("incident", Words),
    _must("at", Moment()),
    _must("by", Words),
    _must("action", Words),
    _must("sentence", Words),
    _may("detail", Plain),
    sa.ForeignKeyConstraint(["incident"], ["incidents.id"]),
    sa.Index(None, "incident"),
)

accepted = sa.Table(
    "accepted",
    metadata,
    sa.Column("id", Count, primary_key=True),
    _must("model", Words),
    _must("at", Moment()),
    _must("by", Words),
    _must("reason", Words),
    _may("incident", Words),
    _may("detail", Plain),
    sa.Index(None, "model"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", Count, primary_key=True),
    _must("model", Words),
    _must("at", Moment()),
    _must("what", Words),
    _may("trigger", Words),
    _may("version", Count),
    _must("sentence", Words),
    _may("detail", Plain),
    sa.Index(None, "model", "at"),
)
