"""Exit codes, so that CI can tell a broken project from a refused promotion."""

from outlast.errors import Conflict, ContractError, NotFound, OutlastError, Refused, SettingsError, Unavailable

CODES = {
    0: "done",
    1: "something failed",
    2: "the command, the contract or the settings are not as expected",
    3: "a rule said no: a gate, a transition, an address",
    4: "there is no such thing",
}


def code_of(error: OutlastError) -> int:
    """The exit code for an error.

    >>> code_of(Refused("no"))
    3
    """
    if isinstance(error, Refused | Conflict | Unavailable):
        return 3
    if isinstance(error, NotFound):
        return 4
    return 2 if isinstance(error, ContractError | SettingsError) else 1
