"""Approvals: who agreed to which bytes on which verdict, and who is against them.

An approval counts for one bundle and one verdict: other bytes or a new verdict void it. A rejection counts for a
version whatever its verdicts, until the same person approves. What was said is never changed, only added to.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from outlast.errors import Conflict, Refused
from outlast.registry import audit, verdicts
from outlast.registry.versions import Version, hold
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import counted, identity, utc

Decision = Literal["approve", "reject"]
_TABLE = tables.approvals


@dataclass(frozen=True)
class Approval:
    """What one person said about one version, or that they are against it."""

    model: str
    number: int
    bundle: str
    verdict_digest: str
    decision: Decision
    by: str
    identity: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Rules:
    """What a contract asks: how many people, and whether its author may be one of them."""

    needed: int
    regulated: bool

    @classmethod
    def of(cls, gate: dict[str, Any]) -> "Rules":
        """The rules of a contract's section [gate]; what is regulated needs one other person at least."""
        regulated = bool(gate.get("regulated"))
        return cls(max(int(gate.get("approvals") or 0), int(regulated)), regulated)


@dataclass(frozen=True)
class Standing:
    """Where a version stands with the people who are asked, on one verdict."""

    rules: Rules
    approved: tuple[Approval, ...]
    rejected: tuple[Approval, ...]

    @property
    def missing(self) -> int:
        return max(0, self.rules.needed - len(self.approved))

    @property
    def enough(self) -> bool:
        return not self.missing and not self.rejected


def decide(
    ledger: Ledger, version: Version, decision: Decision, *, by: str, reason: str, at: datetime, rules: Rules
) -> tuple[Approval, Standing]:
    """Approve or reject a version on its newest verdict, with a record in the trail; and where it stands then."""
    if not reason.strip():
        raise Refused(f"To {decision} {version} takes a reason: add --reason 'why, in a sentence'")
    with ledger.write() as connection:
        hold(connection, version.model, at)
        verdict = verdicts.newest(connection, version.model, version.number)
        if decision == "approve":
            _require_approvable(version, verdict, by, rules)
        said = Approval(
            version.model, version.number, version.digest, "" if verdict is None else verdict.digest, decision,
            audit.plainly(by.strip()), identity(by), audit.plainly(reason.strip()), utc(at),
        )  # fmt: skip
        if decision == "approve" and _said_already(connection, version, said):
            raise Conflict(f"{said.by} has approved {version} on verdict {said.verdict_digest[:12]} already")
        keep(connection, said, actor=by, at=at)
        return said, standing(connection, version, said.verdict_digest, rules)


def _said_already(connection: sa.Connection, version: Version, said: Approval) -> bool:
    """Whether this person's last word on these bytes was the same."""
    theirs = [one for one in said_of(connection, version) if _person(one.by) == _person(said.by)]
    last = theirs[-1] if theirs else None
    same = ("bundle", "decision", "verdict_digest")
    return last is not None and all(getattr(last, name) == getattr(said, name) for name in same)


def keep(
    connection: sa.Connection, said: Approval, *, actor: str, at: datetime, more: dict[str, Any] | None = None
) -> None:
    """Write what somebody said, and that it was said."""
    connection.execute(sa.insert(_TABLE).values(vars(said)))
    audit.record(
        connection,
        actor=actor,
        action=said.decision,
        object=said.model,
        detail={"approval": plain(said), **(more or {})},
        at=at,
    )


def require(connection: sa.Connection, version: Version, verdict: verdicts.Record) -> None:
    """Refused while people who are asked are missing or against it, by the contract as the ledger has it."""
    found = standing(connection, version, verdict.digest, rules_in(connection, version))
    if not found.enough:
        raise Refused(refusal(version, found, verdict.digest), details=details(found, verdict.digest))


def rejections(ledger: Ledger, version: Version) -> Standing:
    """Who is against a version, whatever its verdicts."""
    with ledger.read() as connection:
        return standing(connection, version, "", Rules(0, False))


def refusal(version: Version, found: Standing, verdict: str) -> str:
    """What stands in the way, and what to do."""
    if found.rejected:
        who = "; ".join(f"{one.by}: {one.reason}" for one in found.rejected)
        return (
            f"{version} may not go live, it was rejected by {who}. Only they can lift that, with `outlast approve "
            f"{version}`; or train a new version"
        )
    other = " (its author's does not count)" if found.rules.regulated else ""
    have = (
        f"there is one by {' and one by '.join(one.by for one in found.approved)}"
        if found.approved
        else "there is none"
    )
    people = "somebody else" if found.missing == 1 else f"{found.missing} other people"
    return (
        f"{version} may not go live: {counted(found.rules.needed, 'approval')} of verdict {verdict[:12]} "
        f"{'is' if found.rules.needed == 1 else 'are'} asked for{other}, and {have}. "
        f"Next: outlast approve {version} --reason …, by {people}"
    )


def details(found: Standing, verdict: str) -> dict[str, Any]:
    """The same for programs."""
    return {
        "verdict": verdict,
        "approvals": [one.by for one in found.approved],
        "rejected": [one.by for one in found.rejected],
        "needed": found.rules.needed,
    }


def rules_in(connection: sa.Connection, version: Version) -> Rules:
    """What the contract in force asks, as the ledger has it."""
    live = connection.scalar(sa.select(tables.models.c.live_contract).where(tables.models.c.name == version.model))
    contract = live if live is not None else version.summary.get("contract")
    return Rules.of((contract or {}).get("gate") or {})


def standing(connection: sa.Connection, version: Version, verdict: str, rules: Rules) -> Standing:
    """Who agreed to these bytes on this verdict, and who is against them; each person by the last they said."""
    last = {_person(one.by): one for one in said_of(connection, version) if one.bundle == version.digest}
    author = _person(version.created_by)
    approved = [
        one
        for name, one in last.items()
        if one.decision == "approve" and one.verdict_digest == verdict and not (rules.regulated and name == author)
    ]
    return Standing(rules, tuple(approved), tuple(one for one in last.values() if one.decision == "reject"))


def said_of(connection: sa.Connection, version: Version) -> list[Approval]:
    """Everything that was said about a version, oldest first."""
    about = (_TABLE.c.model == version.model) & (_TABLE.c.number == version.number)
    return _read(connection, sa.select(_TABLE).where(about))


def approvals(ledger: Ledger, version: Version) -> list[Approval]:
    """Everything that was said about a version, oldest first, whether it still counts or not."""
    with ledger.read() as connection:
        return said_of(connection, version)


def plain(said: Approval) -> dict[str, Any]:
    """What the trail keeps of it."""
    return {**asdict(said), "at": utc(said.at).isoformat()}


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Approval]:
    rows: Iterable[Any] = connection.execute(query.order_by(_TABLE.c.id))
    return [Approval(**{name: value for name, value in row._mapping.items() if name != "id"}) for row in rows]


def _require_approvable(version: Version, verdict: verdicts.Record | None, by: str, rules: Rules) -> None:
    if rules.regulated and _person(by) == _person(version.created_by):
        raise Refused(
            f"{version} was trained by {version.created_by}, whose approval does not count where the contract says "
            "[gate] regulated: ask somebody else"
        )
    if verdict is None:
        raise Refused(f"{version} has no verdict to approve: make one with `outlast gate {version}`")
    if not verdict.whole:
        raise Refused(
            f"Verdict {verdict.digest[:12]} about {version} was edited after it was written: ask for a new one with "
            f"`outlast gate {version}`, and look for more with `outlast audit verify`"
        )
    if not verdict.passed:
        raise Refused(
            f"{version} did not pass its newest verdict {verdict.digest[:12]}, so there is nothing to approve: see why "
            f"with `outlast show {version}`"
        )


def _person(name: str) -> str:
    """One person however the name is written."""
    return " ".join(name.split()).casefold()
