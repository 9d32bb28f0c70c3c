"""Which incident a finding belongs to: the one with the same cause.

A fault of data explains what follows it. Drift and loss that began after a source or a column went wrong belong to that
fault's incident; without such a fault they are one incident together, and when the fault is found later it takes them
over. Everything else has a cause of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from outlast.monitoring.incidents.incident import CALM, Incident
from outlast.monitoring.judge import Finding, Scale

Family = Literal["data", "following", "own"]

_DATA = frozenset(
    {"empty-column", "data-quality", "feature-jump", "late-feed", "feed-broken", "feed-stale", "feed-volume",
     "feed-late", "schema", "type", "missing", "unseen", "stale", "duplicates"}
)  # fmt: skip
_FOLLOWING = frozenset(
    {"feature-drift", "score-drift", "drift", "multivariate", "loss", "value", "estimated-loss", "calibration", "slice",
     "error", "label-drift"}
)  # fmt: skip
_CAUSES: Mapping[str, str] = {
    "scoring": "scoring",
    "scoring late": "scoring",
    "other-code": "other code",
    "journal": "journal",
    "volume": "traffic",
    "silence": "missing questions",
    "label-arrival": "labels",
}
PERFORMANCE = "performance"


@dataclass(frozen=True)
class Scope:
    """What findings are about: a window, or a day, of one version; and which source feeds which column, if known."""

    model: str
    version: int
    scale: Scale
    starts_at: datetime
    ends_at: datetime
    sources: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        form = "%Y-%m-%d" if self.scale == "day" else "%Y-%m-%d %H:%M"
        return f"{self.model}@{self.version}, {self.scale} of {self.starts_at.strftime(form)} UTC"

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at


def family(kind: str) -> Family:
    """Whether a finding is a fault of data, what may follow from one, or something by itself."""
    return "data" if kind in _DATA else "following" if kind in _FOLLOWING else "own"


def onset(finding: Finding, scope: Scope) -> datetime:
    """When it began."""
    return finding.since or scope.starts_at


def source_of(finding: Finding, scope: Scope) -> str | None:
    """The source that a finding is about, as far as is known."""
    if finding.kind.startswith("feed-"):
        return finding.source or finding.column
    return finding.source or scope.sources.get(finding.column or "")


def cause_of(finding: Finding, scope: Scope) -> str:
    """The cause that a finding has by itself, in a few words."""
    kind = family(finding.kind)
    if kind == "data":
        source = source_of(finding, scope)
        return f"source {source}" if source else f"column {finding.column}" if finding.column else "data"
    return PERFORMANCE if kind == "following" else _CAUSES.get(finding.kind, finding.kind)


def stream_of(finding: Finding) -> tuple[str, str | None]:
    """What a finding is one more of: a table that was due at another time is the same job again."""
    return finding.kind, None if finding.kind in ("scoring", "scoring late") else finding.column


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Faults before what follows from them, so that what follows finds its cause; of equals the graver first.

    A fault of what was asked comes before those of sources: what is looked up by it is missing too.
    """
    order = {"data": 0, "own": 1, "following": 2}
    return sorted(
        findings,
        key=lambda one: (
            order[family(one.kind)],
            one.source is not None,
            one.severity,
            one.kind,
            one.column or "",
            one.sentence,
        ),
    )


def home(finding: Finding, scope: Scope, live: Sequence[Incident]) -> Incident | None:
    """The live incident that a finding belongs to."""
    kind, began = family(finding.kind), onset(finding, scope)
    if kind == "own":
        cause = cause_of(finding, scope)
        return next((one for one in live if one.cause == cause and _same_version(one, scope, cause)), None)
    mine = [one for one in live if stream_of(finding) in one.streams]
    mine = mine if kind == "data" else [one for one in mine if one.version == scope.version]
    if mine:
        return mine[0]
    faults = [one for one in live if _is_fault(one)]
    if kind == "data":
        return _same_fault(finding, scope, faults) or _unexplained(scope, began, live)
    of_column = [one for one in faults if finding.column and finding.column in {f.column for f in one.found}]
    earlier = [
        one for one in faults if one.since <= began + scope.length and one.last + CALM >= began and not one.calm_since
    ]
    found = of_column or sorted(earlier, key=lambda one: one.since)[-1:]
    found = found or [one for one in live if one.cause == PERFORMANCE and one.version == scope.version]
    return found[0] if found else None


def _same_fault(finding: Finding, scope: Scope, faults: Sequence[Incident]) -> Incident | None:
    """A fault of the same source; or, where a source is not known, one that began at the same time."""
    cause, source, began = cause_of(finding, scope), source_of(finding, scope), onset(finding, scope)
    for one in faults:
        unknown = source is None or not one.cause.startswith("source ")
        if one.cause == cause or (unknown and abs(one.since - began) <= scope.length):
            return one
    return None


def _unexplained(scope: Scope, began: datetime, live: Sequence[Incident]) -> Incident | None:
    """Drift or loss without a cause so far, that began when this fault did, or after it."""
    for one in live:
        if one.cause == PERFORMANCE and one.version == scope.version and began <= one.since + scope.length:
            return one
    return None


def _is_fault(incident: Incident) -> bool:
    return any(family(one.kind) == "data" for one in incident.found)


def _same_version(incident: Incident, scope: Scope, cause: str) -> bool:
    return incident.version == scope.version or cause in ("scoring", "journal", "missing questions")
