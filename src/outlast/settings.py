"""The few environment variables, read once at the surface and passed down."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Settings:
    """What the environment says; everything has a default, so that nothing needs to be set."""

    environment: str = "dev"
    ledger: str | None = None
    tables: str | None = None
    artifacts: str | None = None
    fresh: str | None = None
    mlflow: str | None = None
    actor: str | None = None
    memory: str | None = None
    server: str | None = None
    token: str | None = field(default=None, repr=False)
    audit_heads: str | None = None
    log_format: str | None = None
    proving: str = "2m"
    workers: str | None = None
    leave: str | None = None
    clock: str | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of this process's environment.

        >>> Settings.read({"OUTLAST_ENV": "production"}).environment
        'production'
        """
        found = {name: environ[variable] for name, variable in VARIABLES.items() if environ.get(variable)}
        return cls(**found)

    @property
    def who(self) -> str:
        """Who acts, unverified: the variable, else the account of the operating system."""
        return self.actor or _account()


VARIABLES = {
    "environment": "OUTLAST_ENV",
    "ledger": "OUTLAST_LEDGER",
    "tables": "OUTLAST_TABLES",
    "artifacts": "OUTLAST_ARTIFACTS",
    "fresh": "OUTLAST_FRESH",
    "mlflow": "MLFLOW_TRACKING_URI",
    "actor": "OUTLAST_ACTOR",
    "memory": "OUTLAST_MEMORY",
    "server": "OUTLAST_SERVER",
    "token": "OUTLAST_TOKEN",
    "audit_heads": "OUTLAST_AUDIT_HEADS",
    "log_format": "OUTLAST_LOG_FORMAT",
    "proving": "OUTLAST_PROVING",
    "workers": "OUTLAST_WORKERS",
    "leave": "OUTLAST_LEAVE",
    "clock": "OUTLAST_CLOCK",
}
assert set(VARIABLES) == {one.name for one in fields(Settings)}


def _account() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
