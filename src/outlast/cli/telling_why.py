"""What `why` says, on one screen: five questions about a version, and before them the answer that was asked about."""

from collections.abc import Sequence
from typing import Any

from outlast.cli import screen
from outlast.cli.telling import edited
from outlast.cli.telling_explained import lines_of
from outlast.cli.telling_rungs import adopted_from, taken
from outlast.evidence.told import Acted, Answered, Why
from outlast.registry.approvals import Approval
from outlast.registry.rollout import Transition
from outlast.registry.versions import Version
from outlast.types import counted

_SHOWN = 6
_LONG = 300


def told(found: Why) -> None:
    """The answers, each under its question."""
    version = found.version
    if found.prediction is not None:
        _prediction(found.prediction)
    print(f"{version}, bundle {version.digest}")
    _answer("what code ran", _code(version.lineage["code"]))
    adopted = version.lineage.get("adopted")
    if adopted is not None:
        _answer("where from", [adopted_from(adopted)])
    _answer("what data fed it" if adopted is None else "what tested it", _data(found))
    _answer("what features", [*_features(_computing(found), taken(version.summary)), *_bins(version)])
    _answer("what environment", _environment(found))
    _answer("what let it out", _evidence(found))


def _prediction(found: Answered) -> None:
    at = screen.moment(found.at)
    took = "" if found.took is None else f" in {found.took / 1000:.1f} ms"
    print(f"prediction {found.prediction_id}, answered on {at} UTC by {found.server}{took}, rung {found.rung}")
    scores = found.score if found.scores is None else found.scores
    said = [str(found.decision or ""), f"score {_short(scores)}" if scores is not None else ""]
    said += [f"because {', '.join(found.reasons)}"] if found.reasons else []
    about = f"asked about {screen.moment(found.decide_at)} UTC"
    _answer("the answer", [", ".join(word for word in [*said, about] if word)])
    _answer("what was asked", [_fields(found.asks)])
    if found.features:
        added = {name: value for name, value in found.features.items() if name not in (found.asks or {})}
        _answer("what it saw", [_fields(added) if added else "what was asked, and no more"])
    if found.explanation is not None or found.unexplained is not None:
        for place, one in enumerate(lines_of(found.explanation, found.unexplained)):
            print(f"  {'what added what' if place == 0 else '':<16} {one}")
    if found.actions:
        _answer("what people did", [_acted(one) for one in found.actions])
    _answer("who made it live", ["nobody until then" if found.made_live is None else _step(found.made_live)])


def _acted(one: Acted) -> str:
    said = f": {one.comment}" if one.comment else ""
    return f"{one.action} on {screen.moment(one.at)} UTC by {one.by or one.origin}{said}"


def _fields(values: dict[str, Any] | None) -> str:
    if values is None:
        return "not kept: [journal] sample left this one out"
    said = ", ".join(f"{name}={_short(value)}" for name, value in values.items())
    return said if len(said) <= _LONG else said[: _LONG - 1] + "… (all with --json)"


def _short(value: Any) -> str:
    return screen.number(value) if isinstance(value, float) else str(value)


def _code(code: dict[str, Any]) -> list[str]:
    if not code["commit"]:
        return [f"{code['digest'][:12]} (not in a repository; the bundle has every file)"]
    changed = code.get("changed")
    said = f"{code['digest'][:12]}, commit {code['commit'][:12]}"
    if not changed:
        return [f"{said}, nothing left uncommitted"]
    diff = code.get("diff", "").splitlines()
    added = sum(line[:1] == "+" and line[:3] != "+++" for line in diff)
    gone = sum(line[:1] == "-" and line[:3] != "---" for line in diff)
    lines = f" (+{added} −{gone} lines of code, kept in the lineage)" if diff else ""
    return [f"{said}, {counted(len(changed), 'file')} not committed{lines}"]


def _data(found: Why) -> list[str]:
    version = found.version
    rows, kept = version.summary["rows"], version.lineage.get("training_set", {}).get("digest")
    digest = f", {kept[:12]}" if kept else ""
    split = f"{counted(rows['train'], 'row')} to train, {rows['test']:,} to test"
    name = "training set"
    if "adopted" in version.lineage:
        name, split = "test rows", f"{counted(rows['test'], 'row')}; what it was trained on is not known"
    sources = [_source(name, one, found.moved) for name, one in version.summary["sources"].items()]
    return [*sources, f"{name} {version.lineage['snapshot']}{digest}: {split}"]


def _source(name: str, found: dict[str, Any], moved: dict[str, str | None]) -> str:
    since = ""
    if name in moved:
        since = " (model.py declares it no more)" if moved[name] is None else f" (now declared at {moved[name]})"
    rows = "? rows" if found.get("rows") is None else counted(found["rows"], "row")
    said = [rows, str(found["digest"])[:12]]
    said += [f"Delta version {found['delta_version']}"] if found.get("delta_version") is not None else []
    if found.get("dvc"):
        stale = ", which the file no longer had" if found["dvc"]["matches"] is False else ""
        said.append(f"DVC {found['dvc']['hash'][:12]}{stale}")
    return f"{name}: {', '.join(said)}, {found.get('location')}{since}"


def _computing(found: Why) -> list[dict[str, Any]] | None:
    """What computes the features; of an adopted model's, those that it takes."""
    features = found.version.lineage.get("features")
    if not features or "adopted" not in found.version.lineage:
        return features
    names = set(taken(found.version.summary))
    return [one for one in features if names & set(one.get("columns") or ())]


def _features(features: list[dict[str, Any]] | None, names: Sequence[str]) -> list[str]:
    computed = [f"{one['kind']} {one['digest'][:8]}: {_computed(one)}" for one in features or ()]
    more = [f"and {len(computed) - _SHOWN} more, with --json"] if len(computed) > _SHOWN else []
    return [", ".join(names), *computed[:_SHOWN], *more]


def _bins(version: Version) -> list[str]:
    """Whose bins its features are counted in, where they are not of its own rows."""
    return [
        f"counted in the bins of {version.model}@{one['version']}, so that both can be watched as one: "
        f"{_some(one['features'])}"
        for one in version.lineage.get("bins", ())
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:_SHOWN], *([f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])])


def _computed(one: dict[str, Any]) -> str:
    if one["kind"] == "function":
        return str(one["name"])
    return f"{', '.join(one['columns'])} (from {one['source']} by {', '.join(one['by'])})"


def _environment(found: Why) -> list[str]:
    lineage, cost = found.version.lineage, found.version.summary.get("cost")
    machine, packages = lineage["machine"], lineage.get("environment", {}).get("packages")
    said = [f"Python {lineage['python']}", f"{packages} packages" if packages else ""]
    said += [
        counted(lineage["threads"], "thread"),
        f"seed {lineage['seed']}",
        machine["processor"] or machine["system"],
    ]
    build = lineage.get("builds", {}).get("outlast")
    kept = f", {build['file']} {build['artifact'][:12]}" if build else ""
    made = f"{screen.moment(found.version.created_at)} UTC by {found.version.created_by}"
    took = f", {cost['seconds']:.1f} s, {cost['cpu_seconds']:.1f} s of CPU" if cost else ""
    took += f", {cost['peak_memory_bytes'] / 1e6:,.0f} MB at the most" if cost else ""
    return [
        ", ".join(word for word in said if word),
        f"every package: environment.txt in the bundle{kept}",
        f"{'adopted' if 'adopted' in lineage else 'trained'} {made}{took}",
    ]


def _evidence(found: Why) -> list[str]:
    verdict, judged = found.verdict, "no verdict yet"
    if verdict is not None:
        passed = "passed" if verdict.passed else f"refused for {', '.join(check.name for check in verdict.failed)}"
        checks = f" ({', '.join(check.name for check in verdict.checks)})" if verdict.passed else ""
        judged = f"verdict {verdict.digest[:12]} {passed}{checks} on {screen.moment(verdict.at)} UTC{edited(verdict)}"
    agreed = [_said(one.decision, one) for one in found.approvals]
    steps = [_step(step) for step in found.steps]
    left = len(steps) - _SHOWN
    return [judged, *agreed, *([f"{left} earlier changes: outlast history"] if left > 0 else []), *steps[-_SHOWN:]]


def _step(one: Transition) -> str:
    return _said(one.action, one)


def _said(what: str, one: Approval | Transition) -> str:
    return f"{what} on {screen.moment(one.at)} UTC by {one.by}: {one.reason or 'no reason given'}"


def _answer(question: str, answers: Sequence[str]) -> None:
    for place, answer in enumerate(answers):
        screen.line(f"{question if place == 0 else '':<16}", answer)
