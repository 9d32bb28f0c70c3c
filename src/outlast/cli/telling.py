"""What `train`, `promote`, `show` and `why` say about a version."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outlast.cli import screen, telling_rungs, telling_scores
from outlast.evidence.told import Costs
from outlast.gates.verdict import Verdict
from outlast.registry.sentences import evaluated
from outlast.registry.versions import Version
from outlast.types import counted, listed

if TYPE_CHECKING:
    from outlast.training.frame import Framed


def report(version: Version) -> None:
    """What a training found out."""
    summary, rows = version.summary, version.summary["rows"]
    made = "adopted" if "adopted" in summary else f"trained on {counted(rows['train'], 'row')}"
    print(f"{version} {made}, tested on {_test(summary)}")
    figures(version)
    left = {"never labelled": "never", "not labelled yet": "not_yet", "kept apart by the label's delay": "embargoed"}
    said = [f"{rows[name]:,} {word}" for word, name in left.items() if rows[name]]
    screen.line("left out", f"of {rows['asked']:,} asked: {', '.join(said) or 'none'}")
    for violation in summary["violations"]:
        screen.line("blocks" if violation["blocks"] else "warning", f"{violation['source']}: {violation['says']}")
    absent(summary["absent"])
    stuck = dict.fromkeys(v["source"] for v in summary["violations"] if v["blocks"])
    if stuck:
        rules = "what blocks it, or the rule in outlast.toml"
        print(f"{version} cannot go live on this data. Next: mend {', '.join(stuck)} ({rules}), then outlast train")
    else:
        print(f"Next: outlast promote {version}")


def card(version: Version, state: str, verdict: Verdict | None, costs: Costs) -> None:
    """A version at a glance."""
    summary, contract = version.summary, version.summary["contract"]
    screen.sentence(f"{version}{f' ({state})' if state else ''}: {contract['model']['problem'] or 'no problem stated'}")
    by = f"{screen.moment(version.created_at)} UTC by {version.created_by}, bundle {version.digest[:12]}"
    elsewhere = "adopted" in summary
    screen.line("taken over" if elsewhere else "trained", by)
    fitted = "" if elsewhere else f"{summary['rows']['train']:,} to train, "
    screen.line("rows", f"{fitted}{_test(summary)} to test")
    screen.line("task", version.task)
    screen.line("features", ", ".join(telling_rungs.taken(summary)))
    figures(version)
    screen.line("owner", f"{contract['model']['owner'] or 'nobody'}; runbook {contract['model']['runbook']}")
    screen.line("serving", _serving(contract["serving"]))
    telling_scores.plan(contract.get("scoring"))
    told = (("to make it", costs.training), ("for 1,000 answers", costs.per_1000))
    said = [f"{costs.said(seconds)} {what}" for what, seconds in told if seconds is not None]
    screen.line("cost", ", ".join(said) or "not known")
    absent(summary["absent"])
    if verdict is None:
        screen.line("verdict", "none yet: `outlast promote` makes one")
        return
    screen.line(
        "verdict", f"{'passed' if verdict.passed else 'refused'} on {screen.moment(verdict.at)} UTC{edited(verdict)}"
    )
    checks(verdict, indent=4)


def checks(verdict: Verdict, indent: int = 2) -> None:
    """The verdict, check by check."""
    word = {True: "passed", False: "no", None: "unknown"}
    for check in verdict.checks:
        screen.line(f"{check.name:<12} {word[check.passed]:<7}", check.says, indent=indent)


def verdict(found: Verdict) -> None:
    """What the gate says of a version, and what comes next."""
    version = f"{found.model}@{found.number}"
    stand = [check.name for check in found.failed]
    of = f"{len(found.checks) - len(stand)} of {len(found.checks)} checks passed, verdict {found.digest[:12]}"
    print(f"{version} {'may go live' if found.passed else 'may not go live'}: {of}")
    checks(found)
    if found.passed:
        asked = next((check.evidence.get("approvals", 0) for check in found.checks if check.name == "contract"), 0)
        first = f"outlast approve {version} --reason …, {counted(asked, 'approval')} in all, then " if asked else ""
        print(f"Next: {first}outlast promote {version}")
    elif "bundle" in stand:
        print("Next: outlast restore its file from a backup, or outlast train; then outlast gate again")
    else:
        screen.sentence(f"Next: see to {listed(stand)}, then outlast train or outlast apply, and outlast gate again")


def figures(version: Version) -> None:
    """Metrics and money, with their intervals."""
    for name, found in version.summary["metrics"].items():
        screen.line(name, screen.interval(found))
    screen.line("value", value_line(version.summary["value"]))
    for name, says in evaluated(version.summary):
        screen.line(name, says)
    compiled = version.summary.get("compiled")  # versions of the first releases do not say
    if compiled:
        vain = ", ".join(compiled.get("in_vain", ()))
        more = f"; its code loads {vain} in vain where it is served: import that in fit" if vain else ""
        screen.line("compiled", ("yes, " if compiled["compiled"] else "no, ") + compiled["says"] + more)
    telling_rungs.simpler(version.summary)
    telling_rungs.adopted(version.summary)


def training_set(found: "Framed", out: Path | None) -> None:
    """How large a training set is, and where it was written."""
    says = found.summary()
    counts = says["counts"]
    print(
        f"{says['model']} as of {says['as_of'][:19].replace('T', ' ')} UTC: {counted(says['rows'], 'row')} with a label"
    )
    screen.line("left out", f"{counts['not_yet']:,} not labelled yet, {counts['never']:,} never labelled")
    screen.line("columns", ", ".join(says["columns"]))
    if out is None:
        print("Next: outlast dataset --out FILE.parquet, or outlast.dataset() in a notebook")
    else:
        print(f"Written to {out}")


def absent(names: Sequence[str]) -> None:
    """What a version of this release has not, so that nobody takes it for given."""
    if names:
        screen.line("absent", f"{', '.join(names)} (not yet in this release)")


def money(amount: float) -> str:
    """An amount with its sign: three figures, or whole from a thousand up.

    >>> money(34.43), money(-2630.4)
    ('+34.4', '-2,630')
    """
    return f"{amount:+,.0f}" if abs(amount) >= 1000 else f"{amount:+.3g}"


def value_line(value: dict[str, Any] | None) -> str:
    """What the decisions are worth, in a sentence."""
    if value is None:
        return "not known: the contract names no payoffs"
    return (
        f"{money(value['per_decision'])} {value['currency']} a decision against '{value['against']}' "
        f"({money(value['low'])} to {money(value['high'])}); "
        f"{value['per_decision'] * value['decisions']:+,.0f} {value['currency']} over the {value['decisions']:,} tested"
    )


def _test(summary: dict[str, Any]) -> str:
    begins = summary["period"]["test_from"]
    rows = summary["rows"]["test"]
    return counted(rows, "other") if begins is None else f"{rows:,} from {begins[:10]} on"


def _serving(serving: dict[str, Any]) -> str:
    ladder = " → ".join(serving["ladder"] or ["no ladder"])
    default = serving["defaults"].get("decision")
    said = [ladder if default is None else f"{ladder} (default: {default})"]
    said += [] if serving["p99"] is None else [f"p99 {serving['p99']}"]
    said += [] if serving["rate"] is None else [f"{serving['rate']:g} a second"]
    return ", ".join(said)


def edited(verdict: Verdict) -> str:
    return "" if verdict.whole else ", but it was edited since and proves nothing: see `outlast doctor`"
