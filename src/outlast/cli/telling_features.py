"""What the commands about features say."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from outlast.cli import screen
from outlast.types import counted, span

if TYPE_CHECKING:
    from outlast.registry.sets import Entry, Freshness, SetVersion
    from outlast.training.explain import Explained
    from outlast.training.sets.trial import Difference, Outcome, Proof, Tried


def sets(found: "Sequence[Entry]", empty: str) -> None:
    """The catalog, a line for each version of a set that somebody uses."""
    rows = [
        (one.version, _newest(one), _most([c.missing for c in one.columns]),
         _most([c.served_missing for c in one.columns]), ", ".join(map(str, one.users)), one.meaning)
        for one in found
    ]  # fmt: skip
    headers = ("set", "newest fact", "missing", "served", "used by", "meaning")
    screen.table(headers, rows, empty=empty)


def one_set(name: str, found: "Entry | None", versions: "Sequence[SetVersion]") -> None:
    """A version of a set, and all of them."""
    if found is None:
        print(f"{name}: no version of a model that is live, before it or trained last uses it")
    else:
        print(f"{found.version}: {found.meaning or 'no meaning stated'}")
        screen.line("owner", found.owner or "nobody")
        screen.line("used by", ", ".join(map(str, found.users)))
        if found.functions:
            screen.line("functions", ", ".join(found.functions))
        facts = [(one.source, one.lag, _at(one), _ago(one.age)) for one in found.freshness]
        screen.table(("source", "lag", "newest fact (UTC)", "known"), facts, empty="It looks nothing up")
        rows = [(c.name, c.type, c.kind, _share(c.missing), _share(c.served_missing)) for c in found.columns]
        headers = ("column", "type", "kind", "missing in training", "missing when served")
        screen.table(headers, rows, empty="It has no columns but those of functions")
        print(_lately(found))
    print()
    screen.table(("version", "declared (UTC)", "by", "digest"),
                 [(v, screen.moment(v.at), v.by, v.digest[:12]) for v in versions], empty="")  # fmt: skip


def _lately(found: "Entry") -> str:
    if not found.served_rows:
        return "Nothing was served of it in the last 7 days"
    return f"Served in the last 7 days: {counted(found.served_rows, 'answer')}"


def _newest(one: "Entry") -> str:
    ages = [fresh.age for fresh in one.freshness if fresh.age is not None]
    return _ago(min(ages)) if ages else "none yet" if one.freshness else "reads none"


def _most(shares: "Sequence[float | None]") -> str:
    """The share of the column that misses most."""
    return _share(max((share for share in shares if share is not None), default=None))


def _at(one: "Freshness") -> str:
    return screen.moment(one.newest) or "no fresh values yet"


def _share(share: float | None) -> str:
    return "—" if share is None else f"{share:.1%}"


def _ago(age: timedelta | None) -> str:
    """How long ago, in its two greatest units."""
    if age is None:
        return ""
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    unit = hour if age >= 24 * hour else minute if age >= hour else timedelta(seconds=1)
    return f"{span(age // unit * unit)} ago"


def tests(found: "Sequence[Outcome]", unread: Sequence[str], empty: str) -> None:
    """Each set with a line for each example, and on which rows its functions were tried."""
    if not found:
        print(empty)
    for one in found:
        print(f"{one.name} ({one.place}): {_outcome(one)}")
        for tried in one.examples:
            _example(tried)
        for proof in one.proofs:
            screen.line("functions", f"{', '.join(one.functions)}: {_proof(proof)}")
        if one.functions and not one.proofs:
            screen.line("functions", f"{', '.join(one.functions)}: no rows to try them on")
        for note in one.notes:
            screen.line("note", note)
        if one.how_to is not None:
            screen.line("examples", f"none; write one: {one.how_to}")
    for sentence in unread:
        print(sentence)


def _outcome(one: "Outcome") -> str:
    if not one.passed:
        return "FAILED"
    return "passed" if one.examples or any(proof.count for proof in one.proofs) else "not tested"


def _example(tried: "Tried") -> None:
    name = f"example {tried.example}"
    if tried.fault is not None:
        screen.line(name, tried.fault)
    elif tried.passed:
        screen.line(name, f"as expected; history and fresh values agree at {counted(tried.moments, 'moment')}")
    for one in tried.differences:
        screen.line(name, f"{_difference(one)}, at {screen.moment(one.at)} UTC")
        rows = [(screen.moment(f.known), f.key, _values(f.values), f.state) for f in one.facts]
        if rows:
            screen.table(
                ("    known (UTC)", "key", "values", "state"), [(f"    {r[0]}", *r[1:]) for r in rows], empty=""
            )


def _difference(one: "Difference") -> str:
    both = one.offline == one.online
    found = _exact(one.offline) if both else f"{_exact(one.offline)} offline and {_exact(one.online)} online"
    if one.wanted:
        return f"{one.column} is {found}, and {_exact(one.expected)} was expected"
    return f"{one.column} is {found}"


def _exact(value: Any) -> str:
    return "missing" if value is None else str(value)


def _proof(proof: "Proof") -> str:
    if proof.fault is not None:
        return f"{proof.rows}: {proof.fault}"
    if not proof.count:
        return f"{proof.rows}: no row was tried"
    return f"{proof.rows}: {counted(proof.count, 'row')} tried, each the same alone, in parts and shuffled"


def explained(found: "Explained") -> None:
    """A question, its features, and under each lookup the facts behind it."""
    print(f"{found.model}: key {found.key}, asked {screen.moment(found.asked_at)} UTC")
    if found.as_of != found.asked_at:
        print(f"as of {screen.moment(found.as_of)} UTC")
    screen.line("asks", _values(found.asks))
    for looked in found.lookups:
        print(f"{looked.kind} of {looked.source} for {looked.entity or 'nobody, the entity is missing'}")
        screen.line("features", _values(looked.features))
        rows = [(screen.moment(f.known), f.key, _values(f.values), f.state) for f in looked.facts]
        screen.table(("  known (UTC)", "key", "values", "state"), [(f"  {r[0]}", *r[1:]) for r in rows],
                     empty=f"  No fact of {looked.source} names it")  # fmt: skip
        if looked.older or looked.later:
            print(f"  and {looked.older:,} older, {looked.later:,} later")
    if found.functions:
        screen.line("functions", _values(found.functions))


def _values(named: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in named.items())


def _shown(value: Any) -> str:
    if hasattr(value, "strftime"):
        return str(value)
    return "missing" if value is None else screen.number(value) if isinstance(value, float) else str(value)
