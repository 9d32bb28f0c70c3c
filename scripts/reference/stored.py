"""What is stored: the files of a bundle, the tables of the ledger, the columns of the journal."""

import inspect

from outlast.bundle import format as bundle_format
from outlast.journal.columns import KINDS
from outlast.storage.ledger.schema import metadata

_LEDGER = {
    "meta": "what the ledger says of itself, its format among it",
    "models": "each model, and the live part of its contract",
    "versions": "each version: number, digest, evaluation, lineage",
    "rollouts": "what is live, and what was before; `sequence` counts the changes",
    "transitions": "each change of what is live: who, when, why, by which verdict",
    "served": "which server answered with which version, from when to when; `trouble` is why one could not be loaded",
    "approvals": "who agreed to a version or rejected it, on which verdict, and why",
    "tokens": "who may do what, until when; a digest stands for the secret",
    "verdicts": "each verdict of the gate, check by check",
    "audit": "who did what; each record holds the digest of the one before it",
    "declarations": "names of models, sources and sets, and what they mean in this workspace",
    "leases": "which worker does which job, and until when",
    "windows": "findings of the watch, per model, version and window",
    "alerts": "what was raised, and whether it was delivered",
    "sealed": "in which order the journal's segments came into the tables",
    "profiles": "counts of all that arrived up to each check, per model, version and slice",
    "cohorts": "counts of all that was decided about in each window, per model, version and slice",
    "detectors": "the evidence that detectors have gathered up to the last check",
    "incidents": "what somebody has to look at: cause, severity, owner, state",
    "incident_events": "what became of each incident, step by step",
    "accepted": "what was accepted as normal, by whom and why",
    "decisions": "why a successor was trained, or was not, and what became of it",
    "mirror": "what MLflow was told",
    "marks": "how far a job has come, which fail, and what each day's audit of served features found",
}


def bundle() -> str:
    """The files of a version."""
    doc = inspect.getdoc(bundle_format) or ""
    files = doc.split("\n\n")[1]
    return f"```text\n{inspect.cleandoc(files)}\n```"


def ledger() -> str:
    """One line per table."""
    lines = ["| table | holds | columns |", "|---|---|---|"]
    for name, table in sorted(metadata.tables.items()):
        columns = ", ".join(f"**{c.name}**" if c.primary_key else c.name for c in table.columns)
        lines.append(f"| `{name}` | {_LEDGER[name]} | {columns} |")
    return "\n".join(lines)


def journal() -> str:
    """One line per kind of record."""
    lines = ["| table | columns |", "|---|---|"]
    for kind in KINDS:
        subject = "SOURCE" if kind.name == "facts" else "MODEL"
        columns = ", ".join(f"{name} ({_dtype(str(dtype))})" for name, dtype in kind.schema.items())
        lines.append(f"| `{kind.name}/{subject}` | {columns} |")
    return "\n".join(lines)


def _dtype(text: str) -> str:
    return "moment, UTC" if text.startswith("Datetime") else text
