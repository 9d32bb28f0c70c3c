"""The sections about what was made: purpose, decisions, data, features, figures, limits, and how to make it again."""

from collections.abc import Iterator, Mapping
from typing import Any

from outlast.bundle.falls import said_of_fields
from outlast.evidence.card.parts import MISSING, Facts, Grid, Say, Section, between, day, facts, grid, text
from outlast.evidence.told import Costs
from outlast.project.contract import Contract
from outlast.registry.sentences import worsening
from outlast.registry.versions import Version

Plain = Mapping[str, Any]
_SHOWN = 12


def purpose(version: Version, contract: Contract, state: str) -> Section:
    """What it is for, and who answers for it."""
    about = contract.model
    return Section(
        "What it is for",
        (
            facts(
                ("Problem", about.problem or MISSING),
                ("Owner", about.owner or MISSING),
                ("Runbook", about.runbook or MISSING),
                ("Kind", version.task),
                ("State", state),
                (_became(version), f"{text(version.created_at)} by {version.created_by}"),
                ("Digest", version.digest),
            ),
        ),
    )


def _became(version: Version) -> str:
    return "Adopted" if "adopted" in version.lineage else "Trained"


def decisions(version: Version, contract: Contract, manifest: Plain, costs: Costs) -> Section:
    """What an answer leads to, and what that is worth."""
    value, label, summary = contract.value, contract.label, version.summary
    payoffs = value.payoff or {}
    outcomes = list(dict.fromkeys(outcome for amounts in payoffs.values() for outcome in amounts))
    rows = [(decision, *(amounts.get(outcome, "") for outcome in outcomes)) for decision, amounts in payoffs.items()]
    told = manifest.get("label") or {}
    return Section(
        "What it decides, and what that is worth",
        (
            grid(("decision", *(f"when {o}" for o in outcomes)), rows, empty="The contract names no payoffs."),
            facts(
                ("Amounts in", value.currency if payoffs or value.per_unit_error else None),
                ("Worth of a unit of error", value.per_unit_error),
                ("Value in the evaluation", _worth(summary.get("value"))),
                ("1,000 answers cost", None if costs.per_1000 is None else costs.said(costs.per_1000)),
                ("Decides from", summary.get("threshold")),
                ("Capacity", None if value.capacity is None else f"{value.capacity:,} decisions a day"),
                ("Unsure between", contract.serving.unsure),
                ("The truth", f"{text(told['columns'])} of {told['source']}" if told.get("source") else None),
                ("It arrives after", label.delay),
                ("No label means", label.silence),
            ),
        ),
    )


def data(version: Version) -> Section:
    """What it learned from."""
    summary, lineage = version.summary, version.lineage
    period, rows = summary.get("period") or {}, summary.get("rows") or {}
    kept = lineage.get("training_set") or {}
    sources = [
        (name, one.get("location"), one.get("rows"), _version_of(one), (one.get("digest") or "")[:16])
        for name, one in (summary.get("sources") or {}).items()
    ]
    return Section(
        "What it learned from",
        (
            grid(("source", "where", "rows", "version", "fingerprint"), sources, empty="No source was noted."),
            facts(
                ("Period", f"{day(period.get('from'))} to {day(period.get('until'))}" if period else None),
                ("Known at", day(period.get("cutoff")) if period.get("cutoff") else None),
                ("Tested on what came from", day(period.get("test_from")) if period.get("test_from") else None),
                ("Rows", {name.replace("_", " "): count for name, count in rows.items()}),
                ("Training set", summary.get("snapshot")),
                ("Its digest", kept.get("digest")),
                ("Rules broken", [f"{one.get('source')}: {one.get('says', one)}" for one in _violations(summary)]),
            ),
        ),
    )


def features(version: Version, manifest: Plain) -> Section:
    """What it looks at."""
    digests = {name: one for one in version.lineage.get("features") or [] for name in one.get("columns", [])}
    asked = {one["name"] for one in manifest.get("asks", [])}
    rows = []
    for name in version.summary.get("features", []):
        one = digests.get(name)
        if one is not None:
            rows.append((name, one["kind"], f"{one['source']} by {text(one['by'])}", one["digest"][:12]))
        else:
            rows.append((name, "asked" if name in asked else "function", "", ""))
    sets = [
        (
            one["name"],
            one.get("meaning") or MISSING,
            one.get("owner") or MISSING,
            one.get("columns"),
            one["digest"][:12],
        )
        for one in manifest.get("sets", [])
    ]
    shared = grid(("set", "meaning", "owner", "columns", "digest"), sets, empty="No shared set of features is used.")
    return Section(
        "What it looks at",
        (
            facts(("A caller sends", sorted(asked))),
            grid(("feature", "kind", "from", "digest"), rows, empty="No features were noted."),
            shared,
        ),
    )


def figures(version: Version) -> Section:
    """How good it was on rows it had not seen."""
    summary = version.summary
    found = summary.get("evaluation") or {}
    metrics = [(name, between(one)) for name, one in (summary.get("metrics") or {}).items()]
    parts: list[Say | Facts | Grid] = [
        grid(("metric", "on the test rows, with 95 % interval"), metrics, empty="It was not evaluated."),
        *_calibrated(found.get("calibration")),
        *_sliced(found.get("slices")),
        *_thresholds(found.get("thresholds"), found.get("capacity")),
        *_weighed(found.get("importance")),
    ]
    return Section("How good it is", tuple(parts), ("calibration", "thresholds", "slices", "importance"))


def simpler(version: Version, contract: Contract) -> Section:
    """What answers when lookups cannot."""
    found = version.summary.get("simpler")
    ladder = contract.serving.ladder or []
    parts: list[Say | Facts | Grid] = [
        facts(
            ("Ladder", " → ".join(ladder) or MISSING),
            ("Default", contract.serving.defaults),
            ("Answers within (99%)", contract.serving.p99),
            ("At a rate of", f"{text(contract.serving.rate)} a second" if contract.serving.rate else None),
            ("A missing field", contract.serving.missing),
            ("A value never seen", contract.serving.unseen),
            ("A value of another type", contract.serving.malformed),
            ("A value outside its range", contract.serving.outside),
            *((f"Of {name}", dict(said)) for name, said in said_of_fields(contract.serving).items()),
        )
    ]
    if not found:
        parts.append(Say("It has no simpler model: without its lookups it answers by the next rung.", quiet=True))
    else:
        metrics = [(name, between(one)) for name, one in (found.get("metrics") or {}).items()]
        parts.append(grid(("metric of the simpler model", "value"), metrics, empty="It was not evaluated."))
        parts.append(facts(*((name.replace("_", " "), _told(one)) for name, one in found.items() if name != "metrics")))
    return Section("When something is missing", tuple(parts))


def limits(version: Version, absent: tuple[str, ...]) -> Section:
    """What nobody has shown."""
    adopted = version.summary.get("adopted") or version.lineage.get("adopted") or {}
    rows = version.summary.get("rows") or {}
    lines = [f"Evidence that is missing: {name}." for name in dict.fromkeys([*absent, *adopted.get("absent", [])])]
    if adopted:
        lines.insert(0, f"It was trained elsewhere and adopted from {adopted.get('from', MISSING)}.")
    if rows.get("never"):
        lines.append(f"{rows['never']:,} of {rows.get('asked', 0):,} questions were never labelled and are not in it.")
    compiled = version.summary.get("compiled") or {}
    if compiled and not compiled.get("compiled"):
        lines.append(f"It is served as it was fitted: {compiled.get('says')}.")
    return Section("Limits", tuple(Say(line) for line in lines) or (Say("None were noted.", quiet=True),))


def again(version: Version, costs: Costs) -> Section:
    """How to make it again."""
    lineage, cost = version.lineage, version.summary.get("cost") or {}
    code, environment = lineage.get("code") or {}, lineage.get("environment") or {}
    machine = lineage.get("machine") or lineage.get("hardware") or {}
    changed = code.get("changed")
    return Section(
        "How to make it again",
        (
            Say(f"outlast reproduce {version} trains it again from what was kept, and says whether it is equal."),
            facts(
                ("Commit", code.get("commit") or "the project is in no repository"),
                ("Uncommitted", f"{len(changed)} changes, kept with it" if changed else None),
                ("Code", version.code_digest),
                ("Python", lineage.get("python")),
                (
                    "Environment",
                    f"{text(environment.get('packages', 0))} packages, {environment.get('digest', '')[:16]}",
                ),
                ("Seed and threads", f"{lineage.get('seed', MISSING)} and {lineage.get('threads', MISSING)}"),
                ("Machine", {name: one for name, one in machine.items() if name in ("processor", "cores", "system")}),
                ("Parameters searched", (lineage.get("parameters") or {}).get("search")),
                ("It took", f"{text(cost['seconds'])} s, {costs.said(cost['cpu_seconds'])}" if cost else None),
            ),
        ),
    )


def _worth(found: Plain | None) -> str | None:
    if not found:
        return None
    amount = f"{found['per_decision']:+,.4g} {found['currency']} a decision"
    return f"{amount} above '{found['against']}' ({found['low']:+,.4g} to {found['high']:+,.4g})"


def _version_of(source: Plain) -> str | None:
    if source.get("delta_version") is not None:
        return f"Delta {source['delta_version']}"
    return f"DVC {str(source['dvc'])[:12]}" if source.get("dvc") else None


def _violations(summary: Plain) -> list[Plain]:
    return [one for one in summary.get("violations") or [] if isinstance(one, dict)]


def _calibrated(found: Plain | None) -> Iterator[Say | Facts | Grid]:
    if found and found.get("bins"):
        yield facts(
            ("Expected calibration error", between(found.get("error"))),
            ("Calibration in the large", between(found.get("large"))),
            ("Slope of calibration", between(found.get("slope"))),
        )
        yield grid(
            ("said", "came true, with 95 % interval", "rows"),
            [
                (b["predicted"], _came_true(b), b["rows"])
                for b in found["bins"]
            ],
            empty="",
        )  # fmt: skip


def _came_true(one: Plain) -> str:
    return between({"value": one["observed"], "low": one["observed_low"], "high": one["observed_high"]})


def _sliced(found: Plain | None) -> Iterator[Say | Facts | Grid]:
    if found and "slices" in found:
        rows = [
            (
                one.get("says"), one.get("rows"), between(one.get("metric")), between(one.get("value")),
                "found by search" if one.get("found") else "declared", one.get("reason"),
            )
            for one in found["slices"][:_SHOWN]
        ]  # fmt: skip
        headers = ("slice", "rows", str(found.get("metric", "metric")), "value a decision", "which", "note")
        yield grid(headers, rows, empty="No slice was declared, and none was found to be clearly worse.")


def _thresholds(found: Plain | None, capacity: Plain | None) -> Iterator[Say | Facts | Grid]:
    if found:
        rows = [
            (name, found[key].get("threshold"), between(found[key].get("value")))
            for name, key in (("the payoffs imply", "implied"), ("best by value", "best"))
            if found.get(key)
        ]
        yield grid(("threshold", "at", f"value a decision, {found.get('currency', '')}"), rows, empty="")
    if capacity:
        yield facts(*((f"Capacity: {name.replace('_', ' ')}", _told(one)) for name, one in capacity.items()))


def _weighed(found: Plain | None) -> Iterator[Say | Facts | Grid]:
    if found and found.get("features"):
        rows = [(one["feature"], between(one["loss"])) for one in found["features"][:_SHOWN]]
        yield grid(("feature", worsening(found["metric"])), rows, empty="")


def _told(value: Any) -> str:
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        return between(value)
    return text(value)
