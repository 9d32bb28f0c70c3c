"""What becomes of a row that is not as training had it: the contract says so for each field and each fault.

Nothing here runs for a row that is as it should be.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from outlast.bundle.answers import Rung
from outlast.errors import ContractError, RequestError
from outlast.project.contract import Contract, ServingSection
from outlast.project.policies import FAULTS, Fault, Then

_DEPTH: Mapping[Rung, int] = {"full": 0, "simpler": 1, "default": 2, "refused": 3}


@dataclass(frozen=True, slots=True)
class Lower:
    """The rung that a row may be answered by at most, and why: sentences, and each cause as `what:which`."""

    rung: Rung
    reasons: tuple[str, ...]
    causes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What else was found, and leads to no lower rung."""

    @property
    def asked(self) -> bool:
        """Whether what was asked led here, and not what happened to the server."""
        return any(cause.partition(":")[0] in FAULTS for cause in self.causes)

    @property
    def says(self) -> str:
        return "; ".join(self.reasons)

    def beside(self, other: "Lower") -> "Lower":
        """Both at once: the lower rung with the reasons that led there; what leads to none is a warning beside."""
        rung = max(self.rung, other.rung, key=_DEPTH.__getitem__)
        led = [one for one in (self, other) if rung == "full" or one.rung != "full"]
        warned = [reason for one in (self, other) if one not in led for reason in one.reasons]
        reasons = tuple(chain.from_iterable(one.reasons for one in led))
        causes = tuple(chain.from_iterable(one.causes for one in led))
        return Lower(rung, reasons, causes, (*self.warnings, *other.warnings, *warned))


@dataclass(frozen=True)
class Policy:
    """What the contract says about fields that are missing, unreadable, outside a range, or never seen."""

    missing: Then = "refuse"
    unseen: Then = "warn"
    malformed: Then = "refuse"
    outside: Then = "warn"
    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)
    fields: Mapping[str, Mapping[Fault, Then]] = field(default_factory=dict)

    @classmethod
    def of(cls, contract: Contract, question: str) -> "Policy":
        """What a contract says about the rows of its source of questions."""
        said, rules = contract.serving, contract.data.get(question)
        ranges = rules.ranges if rules else {}
        return cls(said.missing, said.unseen, said.malformed, said.outside, ranges, said_of_fields(said))

    def of_field(self, name: str) -> dict[Fault, Then]:
        """What each fault of a field leads to."""
        general: dict[Fault, Then] = {fault: getattr(self, fault) for fault in FAULTS}
        return general | dict(self.fields.get(name, {}))

    def requires(self, name: str, *, nulls: bool) -> bool:
        """Whether a row without this field is refused; `nulls`: training saw rows without it."""
        if "missing" in self.fields.get(name, {}):
            return self.of_field(name)["missing"] == "refuse"
        return self.missing == "refuse" and not nulls


LENIENT = Policy(missing="warn", malformed="warn")
"""For rows that were answered before."""


def said_of_fields(serving: ServingSection) -> dict[str, dict[Fault, Then]]:
    """What the contract says of single fields."""
    return {
        name: {fault: then for fault in FAULTS if (then := getattr(one, fault)) is not None}
        for name, one in serving.fields.items()
    }


class Faults:
    """What the faults of one field lead to."""

    def __init__(self, name: str, says: Mapping[Fault, Then], convert: Callable[[Any], Any], missing: object) -> None:
        self._name, self._says = name, dict(says)
        for fault, then in says.items():
            if isinstance(then, dict):
                value = convert(then["use"])
                if value is missing:
                    raise ContractError(
                        f"outlast.toml: 'serving.fields.{name}.{fault}' uses {str(then['use'])[:40]!r}, "
                        "which is no value of this field that training saw: write another"
                    )
                self._says[fault] = {"use": value}

    def met(self, fault: Fault, says: str, kept: Any, *, index: int, notes: list[Any], hint: str = "") -> Any:
        """The value to go on with, and a note of what happened; RequestError where the contract refuses.

        `kept` is what `warn` goes on with, `hint` what only a refusal says.
        """
        then, sentence = self._says[fault], f"'{self._name}' {says}"
        if isinstance(then, dict):
            notes.append(f"{sentence}: {then['use']} is used instead")
            return then["use"]
        if then == "refuse":
            raise row_fault(index, self._name, says + hint, cause=f"{fault}:{self._name}")
        if then == "simpler" or then == "default":
            notes.append(Lower(then, (sentence,), (f"{fault}:{self._name}",)))
            return kept
        notes.append(sentence)
        return kept if then == "warn" else None


def parted(notes: Sequence[Any]) -> tuple[list[str], Lower | None]:
    """Notes on a row: what to warn of, and the rung it falls to."""
    lower: Lower | None = None
    for note in notes:
        if isinstance(note, Lower):
            lower = note if lower is None else lower.beside(note)
    return [note for note in notes if isinstance(note, str)], lower


def row_fault(index: int, name: str | None, says: str, *, cause: str | None = None) -> RequestError:
    """A row that is refused: its place, the field, and what is wrong."""
    where = f"Row {index}" if name is None else f"Row {index}, field '{name}'"
    details: dict[str, Any] = {"row": index} if name is None else {"row": index, "field": name}
    return RequestError(f"{where} {says}", details=details if cause is None else {**details, "cause": cause})
