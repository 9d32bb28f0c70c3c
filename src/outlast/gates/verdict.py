"""One verdict per version: a table of checks with their evidence, stored with the version."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from outlast.registry import verdicts
from outlast.registry.versions import Version
from outlast.storage.ledger import Ledger

_JUDGED = "judged"
PER_1000 = "cpu_per_1000"
"""What the evidence of `latency` calls the CPU seconds that 1,000 answers took."""


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
    whole: bool = True
    """Whether it says what it said when it was written: one that was edited proves nothing."""

    @property
    def passed(self) -> bool:
        return all(check.passed is True for check in self.checks)

    @property
    def failed(self) -> list[Check]:
        """The checks that stand in the way."""
        return [check for check in self.checks if check.passed is not True]


def judged(checks: Sequence[Check], *, contract: str, champion: str | None) -> list[Check]:
    """Checks that also say what they were judged by: the digests of the contract in force and of the live bundle."""
    first, *others = checks
    by = {"contract": contract, "champion": champion}
    return [replace(first, evidence={**first.evidence, _JUDGED: by}), *others]


def judged_by(verdict: Verdict) -> dict[str, str | None] | None:
    """The digests of the contract and of the bundle that a verdict was judged by; None where it does not say."""
    return next((check.evidence[_JUDGED] for check in verdict.checks if _JUDGED in check.evidence), None)


def conclude(version: Version, checks: Sequence[Check], at: datetime) -> Verdict:
    """The verdict over a version, named by what it says about which bytes, and when."""
    said = [asdict(check) for check in checks]
    digest = verdicts.digest(version.model, version.number, version.digest, at, said)
    return Verdict(version.model, version.number, at, tuple(checks), _absent(version), digest)


def keep(ledger: Ledger, verdict: Verdict) -> None:
    """Store a verdict; the same one is stored once."""
    with ledger.write() as connection:
        said = [asdict(check) for check in verdict.checks]
        verdicts.write(connection, verdict.model, verdict.number, verdict.at, said)


def last_verdict(ledger: Ledger, version: Version) -> Verdict | None:
    """The newest verdict over a version."""
    with ledger.read() as connection:
        kept = verdicts.newest(connection, version.model, version.number)
    return None if kept is None else as_kept(version, kept)


def as_kept(version: Version, kept: verdicts.Record) -> Verdict:
    """A verdict from its record."""
    checks = tuple(Check(**check) for check in kept.checks)
    return Verdict(kept.model, kept.number, kept.at, checks, _absent(version), kept.digest, kept.whole)


def _absent(version: Version) -> tuple[str, ...]:
    return tuple(version.summary.get("absent", ()))
