"""Environment variables and the keys of workspace.toml."""

from outlast.project.workspace import Audit, Costs, Declaration, Environment, Storage
from outlast.settings import VARIABLES

_MEANINGS = {
    "OUTLAST_ENV": "Which environment of `workspace.toml` is meant. Without it: `dev`, which need not be declared.",
    "OUTLAST_LEDGER": "The ledger's address: `sqlite:///FILE` or `postgresql://…`. Wins over `workspace.toml`.",
    "OUTLAST_TABLES": "The tables' folder or URL. Wins over `workspace.toml`.",
    "OUTLAST_ARTIFACTS": "The artifacts' folder or URL. Wins over `workspace.toml`.",
    "OUTLAST_FRESH": "The file of fresh values, or a Redis: `redis://…`, `rediss://…`. Wins over `workspace.toml`.",
    "MLFLOW_TRACKING_URI": "The MLflow that mirrors the ledger; `off` for none. Without it: `.outlast/mlflow.db`.",
    "OUTLAST_ACTOR": "Who acts, as the history notes it. Without it: the account that runs. Not verified.",
    "OUTLAST_AUDIT_HEADS": "The file in which heads of the audit trail are noted outside the database. Wins over "
    "`workspace.toml`.",
    "OUTLAST_LOG_FORMAT": "`json`: servers log one JSON object a line. Without it: `text`.",
    "OUTLAST_MEMORY": "How much memory looking facts up may take, such as `4GB`; a longer history is looked at in "
    "parts. Without it: half of the machine's or the container's.",
    "OUTLAST_PROVING": "How long a server tries a version in a spare process before it opens it itself, such as `30s`; "
    "`off` opens it at once. Without it: `2m`.",
    "OUTLAST_SERVER": "The server that changes what is live; `off` for none. Wins over `workspace.toml`.",
    "OUTLAST_WORKERS": "How many processes `outlast serve` and `outlast up` answer with; `--workers` wins over it. "
    "Without it: one.",
    "OUTLAST_LEAVE": "How long, such as 5s, a server goes on answering after SIGTERM while `/readyz` says 503. "
    "Without it: 0 where only this machine reaches it, else 5.",
    "OUTLAST_CLOCK": "For replays and tests only: a file that says what moment it is, to every process, as "
    "`outlast replay` and `python -m outlast.clock` set it. Without it: the machine's clock.",
    "OUTLAST_TOKEN": "The secret of the token that commands show to that server.",
}
_WORKSPACE = {
    "server": "The server that changes what is live, such as `https://models.example`: commands ask it instead of "
    "writing the ledger. Without it: they do it themselves.",
    "environments.NAME.server": "As `server`, in this environment only; wins over it.",
    "name": "What the workspace is called. Without it: its folder's name.",
    "packages": "Folders of Python packages that models share, such as sets of features.",
    "sources": "Where sources really are, by their name in `model.py`; wins over the path in the code.",
    "storage.ledger": "The ledger's address, for every environment.",
    "storage.tables": "The tables' folder or URL.",
    "storage.artifacts": "The artifacts' folder or URL.",
    "storage.fresh": "The file of fresh values, or a Redis: `redis://…`, `rediss://…`, `unix://…`.",
    "storage.options": "Options for the object store that holds the tables, such as `aws_region`.",
    "audit.heads": "The file in which heads of the audit trail are noted. Without it: `.outlast/audit-heads.jsonl`.",
    "audit.webhook": "A URL that is told each new head of the audit trail, by POST.",
    "costs.cpu_hour": "What an hour of one processor costs, such as `0.05`: what was computed is then told in money.",
    "costs.currency": "Of that price. Without it: the one of the contract's `[value]`.",
    "environments.NAME.audit": "As `audit`, in this environment only; wins over it.",
    "environments.NAME.sources": "As `sources`, in this environment only; wins over it.",
    "environments.NAME.storage": "As `storage`, in this environment only; wins over it.",
}


def variables() -> str:
    """One line per variable."""
    lines = ["| variable | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {_MEANINGS[name]} |" for name in VARIABLES.values())])


def workspace() -> str:
    """One line per key."""
    keys = sorted(workspace_keys())
    lines = ["| key | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{key}` | {_WORKSPACE[key]} |" for key in keys)])


def workspace_keys() -> set[str]:
    """The keys the code reads."""
    nested = {"storage", "audit", "costs", "environments"}
    top = {name for name in Declaration.model_fields if name not in nested}
    inner = {f"environments.NAME.{name}" for name in Environment.model_fields}
    parts = {f"storage.{name}" for name in Storage.model_fields} | {f"audit.{name}" for name in Audit.model_fields}
    parts |= {f"costs.{name}" for name in Costs.model_fields}
    return top | parts | inner
