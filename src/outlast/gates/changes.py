"""What makes one version another: code, data, features, parameters, environment, contract. Executes nothing."""

from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry.contracts import changes as contract_changes
from outlast.registry.versions import Version

_LINES = 400
"""Lines of a file's difference that are kept."""
Plain = dict[str, Any]


def changes(workspace: Workspace, older: Version, newer: Version) -> Plain:
    """What changed from the older to the newer version, part by part; parts that are equal are empty."""
    before, after = (open_bundle(workspace, one.digest) for one in (older, newer))
    return {
        "code": _code(before, after),
        "data": _data(older, newer),
        "features": _named(_features(older), _features(newer)),
        "parameters": _differing(_parameters(older), _parameters(newer)),
        "environment": _differing(_environment(before, older), _environment(after, newer)),
        "contract": [
            {"name": one.key, "before": one.before, "after": one.after}
            for one in contract_changes(before.json("contract.json"), after.json("contract.json"))
        ],
    }


def _code(before: Bundle, after: Bundle) -> list[Plain]:
    found = []
    for name in sorted(before.code.files.keys() | after.code.files.keys()):
        old, new = before.code.files.get(name), after.code.files.get(name)
        if old == new:
            continue
        lines = [*unified_diff(_lines(old), _lines(new), f"before/{name}", f"after/{name}", lineterm="", n=1)]
        more = [line[0] for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        did = "added" if old is None else "removed" if new is None else "changed"
        counts = {"added": more.count("+"), "removed": more.count("-")}
        found.append({"file": name, "did": did, **counts, "diff": lines[:_LINES], "cut": len(lines) > _LINES})
    return found


def _lines(content: bytes | None) -> list[str]:
    return [] if content is None else content.decode("utf-8", "replace").splitlines()


def _data(older: Version, newer: Version) -> Plain:
    then, now = (_of(one.summary, "sources") for one in (older, newer))
    sources = [
        {"name": name, "before": _print(then.get(name)), "after": _print(now.get(name))}
        for name in sorted(then.keys() | now.keys())
        if _print(then.get(name)) != _print(now.get(name))
    ]
    rows = _differing(_of(older.summary, "rows"), _of(newer.summary, "rows"))
    period = _differing(_of(older.summary, "period"), _of(newer.summary, "period"))
    return {"sources": sources, "rows": rows, "period": period} if sources or rows or period else {}


def _of(summary: Mapping[str, Any], name: str) -> Plain:
    return dict(summary.get(name) or {})


def _print(found: Mapping[str, Any] | None) -> Plain | None:
    """What tells a source's state from another, and how much it is."""
    return None if found is None else {"digest": found.get("digest"), "rows": found.get("rows")}


def _features(version: Version) -> Plain:
    """Columns by the digest of what computes them; asks, and versions of the first releases, only have names."""
    kept = version.lineage.get("features") or []
    computed = {column: one.get("digest") for one in kept for column in one.get("columns") or []}
    return {name: computed.get(name) for name in version.summary["features"]}


def _parameters(version: Version) -> Plain:
    lineage = version.lineage
    fixed = {name: lineage.get(name) for name in ("seed", "threads")}
    return {**fixed, **_flat(lineage.get("parameters") or {})}


def _flat(values: Mapping[str, Any], above: str = "") -> Plain:
    found: Plain = {}
    for name, value in values.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def _environment(bundle: Bundle, version: Version) -> Plain:
    lines = bundle.files["environment.txt"].decode().splitlines()
    packages = dict(line.strip().partition("==")[::2] for line in lines if line.strip())
    machine = version.lineage.get("machine") or {}
    return {**packages, "Python": version.lineage.get("python"), "processor": machine.get("processor")}


def _named(before: Plain, after: Plain) -> Plain:
    both = before.keys() & after.keys()
    found = {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": sorted(
            name for name in both if before[name] != after[name] and None not in (before[name], after[name])
        ),
    }
    return found if any(found.values()) else {}


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Plain]:
    return [
        {"name": name, "before": before.get(name), "after": after.get(name)}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
