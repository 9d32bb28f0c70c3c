"""What can go wrong, by the names a user sees.

    OutlastError
    ├── SettingsError      an environment variable or workspace.toml            (ValueError)
    ├── ContractError      outlast.toml                                         (ValueError)
    ├── ProjectError       model.py, or the folder it lives in                  (ImportError)
    ├── DataError          rows of a source break its schema                    (ValueError)
    ├── FeatureError       a lookup or a function that cannot be computed       (ValueError)
    ├── TrainingError      a run that could not finish                          (RuntimeError)
    ├── RequestError       what a caller sent                                   (ValueError)
    ├── NotFound           a model, version, table or file that is not there    (LookupError)
    ├── Refused            a rule said no: a gate, a transition, an address     (PermissionError)
    ├── Conflict           two writers, one winner; or one name, two meanings   (RuntimeError)
    ├── Unavailable        a model that cannot answer now, with no rung left    (RuntimeError)
    ├── Unexplained        an answer whose parts cannot be told exactly         (RuntimeError)
    ├── StorageError       a disk, a database, an object store                  (OSError)
    └── MissingExtra       an optional package that is not installed            (ImportError)

Every message is one sentence: what failed, on which object, what was expected, what to do next.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


class OutlastError(Exception):
    """Anything Outlast refuses to do, with the sentence that says why."""

    def __init__(self, sentence: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = dict(details or {})

    def __str__(self) -> str:
        return self.sentence


class SettingsError(OutlastError, ValueError):
    """A setting has a value that cannot be used."""


class ContractError(OutlastError, ValueError):
    """The contract in outlast.toml cannot be read as one."""


class ProjectError(OutlastError, ImportError):
    """The project folder or its model.py cannot be loaded."""


class DataError(OutlastError, ValueError):
    """Rows of a source break what its schema promises."""


class FeatureError(OutlastError, ValueError):
    """A feature cannot be computed as declared."""


class TrainingError(OutlastError, RuntimeError):
    """A training run could not finish."""


class RequestError(OutlastError, ValueError):
    """What a caller sent cannot be answered as it is."""


class NotFound(OutlastError, LookupError):
    """A named thing does not exist."""


class Refused(OutlastError, PermissionError):
    """A rule says no."""


class Conflict(OutlastError, RuntimeError):
    """Somebody else was first, or one name was given two meanings."""


class Unavailable(OutlastError, RuntimeError):
    """A model cannot answer now, and its contract names nothing to say instead."""


class Unexplained(OutlastError, RuntimeError):
    """What each feature added to an answer cannot be told exactly."""


class StorageError(OutlastError, OSError):
    """A place where things are kept failed."""


class MissingExtra(OutlastError, ImportError):
    """An optional package is needed and not installed."""

    @classmethod
    def of(cls, extra: str, package: str, purpose: str) -> "MissingExtra":
        return cls(f"{purpose} needs {package}, which is not installed: pip install 'outlast[{extra}]'")


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint naming the closest known word, or all of them when none is close."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + ", ".join(names) if names else "there are none yet"
