"""One verdict per version: a table of checks with their evidence, stored with the version."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.registry.versions import Version
from outlast.storage.ledger import Ledger
from outlast.storage.ledger.schema import verdicts
from outlast.types import digest_of, micros


@dataclass(frozen=True)
class Check:
    """One question put to a version; `passed` is None where it could not be answered, which is not a pass."""

    name: str
    passed: bool | None
    says: str
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The answers, together."""

    model: str
    number: int
    at: datetime
    checks: tuple[Check, ...]
    absent: tuple[str, ...]
    digest: str

    @property
    def passed(self) -> bool:
        return all(check.passed is True for check in self.checks)

    @property
    def failed(self) -> list[Check]:
        """The checks that stand in the way."""
        return [check for check in self.checks if check.passed is not True]


def conclude(version: Version, checks: Sequence[Check], at: datetime) -> Verdict:
    """The verdict over a version, named by what it says about which bytes, and when."""
    said = [asdict(check) for check in checks]
    about = {"model": version.model, "number": version.number, "bundle": version.digest}
    digest = digest_of({**about, "at": micros(at), "checks": said})
    absent = tuple(version.summary.get("absent", ()))
    return Verdict(version.model, version.number, at, tuple(checks), absent, digest)


def keep(ledger: Ledger, verdict: Verdict) -> None:
    """Store a verdict; the same one is stored once."""
    with ledger.write() as conn:
        known = conn.execute(sa.select(verdicts.c.digest).where(verdicts.c.digest == verdict.digest)).first()
        if known is None:
            conn.execute(
                verdicts.insert().values(
                    digest=verdict.digest,
                    model=verdict.model,
                    number=verdict.number,
                    at=verdict.at,
                    passed=verdict.passed,
                    checks=[asdict(check) for check in verdict.checks],
                )
            )


def last_verdict(ledger: Ledger, version: Version) -> Verdict | None:
    """The newest verdict over a version."""
    query = (
        sa.select(verdicts)
        .where(verdicts.c.model == version.model, verdicts.c.number == version.number)
        .order_by(verdicts.c.at.desc())
    )
    with ledger.read() as conn:
        row = conn.execute(query).first()
    if row is None:
        return None
    checks = tuple(Check(**check) for check in row.checks)
    absent = tuple(version.summary.get("absent", ()))
    return Verdict(row.model, row.number, row.at, checks, absent, row.digest)
