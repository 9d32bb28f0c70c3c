"""Commands that only read: versions, show, why, history, monitor, doctor."""

from typing import Any

import typer

from outlast.cli import places, screen
from outlast.cli.project import value_line


def versions(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """List a model's versions, or every model's."""
    from outlast.registry.rollout import current
    from outlast.registry.versions import models
    from outlast.registry.versions import versions as listed

    place = places.workspace()
    names = [places.model_ref(model, place).name] if model else models(place.ledger)
    found = [version for name in names for version in listed(place.ledger, name)]
    live = {name: current(place.ledger, name) for name in names}
    if json:
        screen.as_json([{**vars(v), "state": _state(live[v.model], v.number)} for v in found])
        return
    rows = [
        (str(v), _state(live[v.model], v.number), screen.moment(v.created_at), v.created_by, _main(v), v.digest[:12])
        for v in found
    ]
    empty = f"No model has been trained in {place.root}: train one with `outlast train`"
    screen.table(("version", "state", "trained (UTC)", "by", "metric", "digest"), rows, empty=empty)


def show(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """Show a version: figures, features, promises, and its last verdict."""
    from outlast.gates.verdict import last_verdict
    from outlast.registry.versions import find

    place = places.workspace()
    version = find(place.ledger, places.model_ref(model, place))
    verdict = last_verdict(place.ledger, version)
    if json:
        screen.as_json({**vars(version), "verdict": verdict})
        return
    summary = version.summary
    print(f"{version} · {summary['contract']['model']['problem'] or 'no problem stated'}")
    print(f"  trained    {screen.moment(version.created_at)} UTC by {version.created_by}, digest {version.digest[:12]}")
    print(f"  task       {version.task} over {len(summary['features'])} features: {', '.join(summary['features'])}")
    for name, found in summary["metrics"].items():
        print(f"  {name:<10} {screen.interval(found)}")
    print(f"  value      {value_line(summary['value'])}")
    print(f"  owner      {summary['contract']['model']['owner'] or 'nobody'}")
    print(f"  absent     {', '.join(summary['absent'])}")
    if verdict is None:
        print("  verdict    none yet: `outlast promote` makes one")
        return
    print(f"  verdict    {'passed' if verdict.passed else 'refused'} on {screen.moment(verdict.at)} UTC")
    for check in verdict.checks:
        print(f"    {check.name:<9} {'passed' if check.passed else 'no':<7} {check.says}")


def why(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """Answer which run made a version: code, data, features, environment, and what let it through."""
    from outlast.gates.verdict import last_verdict
    from outlast.registry.rollout import transitions
    from outlast.registry.versions import find

    place = places.workspace()
    version = find(place.ledger, places.model_ref(model, place))
    steps = [step for step in transitions(place.ledger, version.model) if step.to_version == version.number]
    verdict = last_verdict(place.ledger, version)
    if json:
        lineage = {"lineage": version.lineage, "sources": version.summary["sources"]}
        screen.as_json({"version": str(version), **lineage, "transitions": [vars(s) for s in steps], "verdict": verdict})
        return
    _five_answers(version, verdict, steps)


def _five_answers(version: Any, verdict: Any, steps: list[Any]) -> None:
    lineage, summary = version.lineage, version.summary
    code = lineage["code"]
    changed = "" if not code.get("changed") else f", {len(code['changed'])} files not committed"
    commit = f"commit {code['commit'][:12]}{changed}" if code["commit"] else "not in a repository"
    print(f"{version}, bundle {version.digest[:12]}")
    print(f"  what code ran      {code['digest'][:12]} ({commit})")
    for name, found in summary["sources"].items():
        rows = found.get("rows")
        said = "?" if rows is None else f"{rows:,}"
        print(f"  what data fed it   {name}: {said} rows, {str(found['digest'])[:12]}, {found.get('location')}")
    print(f"                     training set {lineage['snapshot']}, {summary['rows']['train']:,} rows")
    print(f"  what features      {', '.join(summary['features'])}")
    print(
        f"  what environment   Python {lineage['python']}, {lineage['threads']} threads, seed {lineage['seed']}, "
        f"{lineage['machine']['processor'] or lineage['machine']['system']}"
    )
    passed = "no verdict yet" if verdict is None else f"verdict {verdict.digest[:12]}"
    print(f"  what let it out    {passed}" + ("" if verdict is None else ": " + ("passed" if verdict.passed else "refused")))
    for step in steps:
        print(f"                     {step.action} {screen.moment(step.at)} UTC by {step.by}: {step.reason or 'no reason given'}")


def history(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """What was served when, by which server, and who made it so."""
    from outlast.registry.rollout import transitions
    from outlast.registry.served import history as spans

    place = places.workspace()
    name = places.model_ref(model, place).name
    steps, found = transitions(place.ledger, name), spans(place.ledger, name)
    if json:
        screen.as_json({"model": name, "transitions": [vars(s) for s in steps], "served": [vars(s) for s in found]})
        return
    screen.table(
        ("at (UTC)", "what", "from", "to", "by", "reason"),
        [(screen.moment(s.at), s.action, s.from_version, s.to_version, s.by, s.reason) for s in steps],
        empty=f"{name} has never been live: promote a version with `outlast promote {name}`",
    )
    print()
    screen.table(
        ("served from (UTC)", "until", "version", "server"),
        [(screen.moment(s.since), screen.moment(s.until) or "now", s.version, s.server) for s in found],
        empty=f"No server has served {name}: start one with `outlast serve`",
    )


def monitor(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """How the live model does: volume, data quality, drift, and what it was worth as labels arrived."""
    from outlast.monitoring.report import report, shown

    place = places.workspace()
    found = report(place, places.model_ref(model, place).name)
    if json:
        screen.as_json(found)
    else:
        shown(found)


def doctor(
    migrate: bool = typer.Option(False, "--migrate", help="Bring an older ledger up to this release."),
    json: bool = places.JSON,
) -> None:
    """Say what is wrong with this installation and workspace, and how to mend it."""
    from outlast.cli.health import examine

    found = examine(migrate=migrate)
    if json:
        screen.as_json(found)
    else:
        for one in found:
            print(f"  {'ok ' if one['ok'] else 'BAD'} {one['what']:<22} {one['says']}")
    if not all(one["ok"] for one in found):
        raise typer.Exit(1)


def _state(rollout: Any, number: int) -> str:
    if rollout.live == number:
        return "live"
    return "previous" if rollout.previous == number else ""


def _main(version: Any) -> str:
    from outlast.training.metrics import MAIN

    name = MAIN[version.task]
    found = version.summary["metrics"].get(name)
    return "" if found is None else f"{name} {screen.number(found['value'])}"
