"""The contract in outlast.toml: what a model promises, written for people who do not program.

*Frozen* parts travel in each version: task, label, payoffs, serving defaults. *Live* parts belong to the model and
change by `outlast apply`: owner, runbook, monitoring, routes, gate, retraining.
"""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from outlast.engines import size_of
from outlast.errors import ContractError, ProjectError, SettingsError, nearest
from outlast.project.policies import Then, Word, stale_of, then_of, words_of
from outlast.types import Task, counted, digest_of, duration

FILE = "outlast.toml"
LIVE = ("model.owner", "model.runbook", "value.groups", "monitoring", "gate", "retraining", "scoring", "journal.keep")
_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
SAID = {"said": True}
"""The context of a contract that somebody says now. What is kept in versions and ledgers was said to another release,
which may have taken more: it is read as it is, and whoever uses it says where it cannot be."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _length(example: str, default: str | None = None, *, least: str | None = None, zero: bool = False) -> Any:
    """A length of time; none at all is one only where `zero` says so, for it would be done all the time or never."""
    said: dict[str, Any] = {"length": True, "least": least or ("" if zero else "0s")}
    return Field(default=default, examples=[example], json_schema_extra=said)


class _Timed(_Section):
    @field_validator("*", mode="after")
    @classmethod
    def _lengths_of_time(cls, value: Any, info: Any) -> Any:
        extra = cls.model_fields[info.field_name].json_schema_extra
        if isinstance(extra, dict) and extra.get("length") and value is not None:
            try:
                length = duration(value)
            except SettingsError as error:
                raise ValueError(str(error)) from None
            if info.context is SAID:
                _long_enough(length, str(extra["least"]))
        return value


def _long_enough(length: timedelta, least: str) -> None:
    if least == "0s" and not length:
        raise ValueError("expected more than no time at all")
    if least and length < duration(least):
        raise ValueError(f"expected {least} or more")


class ModelSection(_Section):
    """What the model is for, and who answers for it."""

    problem: str | None = Field(None, examples=["Which flights will land more than 30 minutes late?"])
    owner: str | None = Field(None, examples=["ops@example.com"])
    runbook: str | None = Field("RUNBOOK.md", examples=["RUNBOOK.md"])
    task: Task | None = Field(None, examples=["binary"])


class ValueSection(_Section):
    """What a decision is worth: payoff[decision][outcome], a number or the name of a column."""

    currency: str = Field("USD", examples=["EUR"])
    payoff: dict[str, dict[str, float | str]] | None = Field(
        None, examples=[{"act": {"yes": 120, "no": -25}, "wait": {"yes": 0, "no": 0}}]
    )
    per_unit_error: float | str | None = Field(None, examples=[-2.5])
    baseline: str = Field("nobody acts", examples=["nobody acts"])
    capacity: int | None = Field(None, examples=[100], gt=0)
    groups: list[str] = Field([], examples=[["origin"]])


class LabelSection(_Timed):
    """When the truth arrives."""

    delay: str | None = _length("6h", zero=True)
    maturity: str | None = _length("2d", zero=True)
    silence: Literal["unknown", "no"] = Field("unknown", examples=["no"])


class FloorSection(_Section):
    """Figures a version may not fall below (or, for losses, rise above)."""

    roc_auc: float | None = Field(None, examples=[0.7])
    log_loss: float | None = Field(None, examples=[0.5])
    brier: float | None = Field(None, examples=[0.2])
    accuracy: float | None = Field(None, examples=[0.8])
    r2: float | None = Field(None, examples=[0.4])
    mae: float | None = Field(None, examples=[10.0])
    rmse: float | None = Field(None, examples=[15.0])
    value: float | None = Field(None, examples=[0.0])


class GateSection(_Section):
    """What a version must show before it may go live."""

    metric: str | None = Field(None, examples=["roc_auc"])
    floors: FloorSection = Field(FloorSection(), examples=[{"roc_auc": 0.7}])
    margin: float | None = Field(None, examples=[0.005], ge=0)
    superior_by: float | None = Field(None, examples=[0.005], ge=0)
    value_margin: float | None = Field(None, examples=[0.5], ge=0)
    slices: list[str] = Field([], examples=[["origin", "carrier"]])
    slice_rows: int = Field(200, examples=[500], ge=20)
    slice_margin: float | None = Field(None, examples=[0.01], ge=0)
    calibration: float = Field(0.05, examples=[0.03], gt=0, le=1)
    approvals: int = Field(0, examples=[1], ge=0)
    adopted: bool = Field(False, examples=[True])
    regulated: bool = Field(False, examples=[True])


class FieldSection(_Section):
    """What becomes of a row where this field is missing, unreadable, outside its range, or never seen."""

    missing: Then | None = Field(None, examples=["simpler"])
    malformed: Then | None = Field(None, examples=["null"])
    outside: Then | None = Field(None, examples=["default"])
    unseen: Then | None = Field(None, examples=[{"use": "other"}])

    @field_validator("*", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return value if value is None else then_of(value)


class ServingSection(_Timed):
    """How fast, how often, and what happens when something is missing."""

    p99: str | None = _length("50ms")
    rate: float | None = Field(None, examples=[50.0], gt=0)
    memory: str | None = Field(None, examples=["600MB"])
    ladder: list[Literal["full", "simpler", "default", "refuse"]] | None = Field(
        None, examples=[["full", "simpler", "default", "refuse"]]
    )
    defaults: dict[str, Any] = Field({}, examples=[{"decision": "wait"}])
    unsure: list[float] | None = Field(None, examples=[[0.45, 0.55]], min_length=2, max_length=2)
    queue: list[Literal["unsure", "refused"]] = Field([], examples=[["unsure", "refused"]])
    unseen: Word = Field("warn", examples=["refuse"])
    missing: Word = Field("refuse", examples=["warn"])
    malformed: Word = Field("refuse", examples=["null"])
    outside: Word = Field("warn", examples=["refuse"])
    fields: dict[str, FieldSection] = Field({}, examples=[{"wind_speed": {"missing": "simpler"}}])
    stale: dict[str, str | dict[str, str]] = Field({}, examples=[{"weather": "6h"}])
    cache: str | None = _length("60s", zero=True)
    tolerance: float = Field(1e-6, examples=[1e-9], ge=0, le=0.01)

    @field_validator("unseen", "missing", "malformed", "outside", "fields", "stale", mode="after")
    @classmethod
    def _on_the_ladder(cls, value: Any, info: ValidationInfo) -> Any:
        """A rung that something leads to is one that the ladder has."""
        ladder = info.data.get("ladder") or []
        for rung in ("simpler", "default"):
            if rung in words_of(value) and rung not in ladder:
                named = (
                    [name for name in value if rung in words_of({name: value[name]})] if isinstance(value, dict) else []
                )
                about = f"'{named[0]}' leads" if named else "it leads"
                raise ValueError(f"{about} to '{rung}', which [serving] ladder does not name: add it there")
        return value

    @field_validator("stale", mode="before")
    @classmethod
    def _ages(cls, value: Any) -> Any:
        for one in value.values() if isinstance(value, dict) else ():
            stale_of(one)
        return value

    @field_validator("unsure", mode="after")
    @classmethod
    def _in_order(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("expected the lower score first")
        return value

    @field_validator("queue", mode="after")
    @classmethod
    def _unsure_said(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if "unsure" in value and not info.data.get("unsure"):
            raise ValueError("what is unsure is not said: add [serving] unsure = [0.45, 0.55], or other scores")
        return value

    @field_validator("memory", mode="after")
    @classmethod
    def _size(cls, value: str | None) -> str | None:
        try:
            return value if value is None or size_of(value) else None
        except ProjectError:
            raise ValueError("expected a size of at least 1 MB, such as 600MB or 2GiB") from None


class EscalateSection(_Timed):
    """Who is told of a page that nobody has acknowledged, and after how long."""

    after: str = _length("1h", "1h")
    to: list[str] = Field([], examples=[["mailtos://oncall@example.com"]])


class MonitoringSection(_Timed):
    """How the model is watched, and who is told."""

    cadence: str = _length("1h", "1h", least="1m")
    budget: float = Field(0.05, examples=[0.05], gt=0, le=1)
    tickets: float = Field(1.0, examples=[1.0], gt=0)
    slices: list[str] = Field([], examples=[["origin"]])
    routes: list[str] = Field(["log"], examples=[["log", "https://hooks.example.com/outlast"]])
    quiet: list[str] = Field([], examples=[["22:00-07:00"]])
    refusals: float | None = Field(None, examples=[0.01], ge=0, lt=1)
    fresh: dict[str, str] = Field({}, examples=[{"weather": "6h"}])
    tolerance: float = Field(0.05, examples=[0.02], gt=0, le=1)
    escalate: EscalateSection = Field(
        EscalateSection(), examples=[{"after": "1h", "to": ["https://hooks.example.com"]}]
    )
    digest: str | None = _length("1d")

    @property
    def everyone(self) -> list[str]:
        """Every way on which somebody may be told."""
        return list(dict.fromkeys([*self.routes, *self.escalate.to]))

    @field_validator("quiet", mode="after")
    @classmethod
    def _hours(cls, value: list[str], info: ValidationInfo) -> list[str]:
        for text in value if info.context is SAID else ():
            parts = [part.strip() for part in text.split("-")]
            if len(parts) != 2 or not all(_OF_DAY.fullmatch(part) for part in parts):
                raise ValueError(f"'{text}' is not two times of day in UTC, such as 22:00-07:00")
            if parts[0] == parts[1]:
                raise ValueError(f"'{text}' ends when it begins: say two times that differ")
        return value

    @field_validator("fresh", mode="after")
    @classmethod
    def _ages(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for source, age in value.items():
            try:
                length = duration(age)
            except SettingsError as error:
                raise ValueError(f"'{source}': {error}") from None
            if info.context is SAID and not length:
                raise ValueError(f"'{source}': expected more than no time at all")
        return value


class WindowSection(_Timed):
    """Which of the data a successor is trained on."""

    use: Literal["all", "recent", "weighted"] = Field("all", examples=["recent"])
    length: str | None = _length("180d")
    half_life: str | None = _length("90d")
    holdout: float | None = Field(None, examples=[0.1], gt=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for use, name in (("recent", "length"), ("weighted", "half_life")):
            if (self.use == use) != (getattr(self, name) is not None):
                raise ValueError(f'use = "{use}" and {name} = "90d", or another length, go together: say both or none')
        return self


class RetrainingSection(_Timed):
    """When a successor is trained, and who lets it in."""

    policy: Literal["automatic", "approval", "never"] | None = Field(None, examples=["approval"])
    schedule: str | None = _length("30d")
    triggers: list[Literal["schedule", "harm", "drift", "labels", "age"]] = Field([], examples=[["harm", "schedule"]])
    cooldown: str | None = _length("7d")
    age: str = _length("180d", "180d")
    labels: int = Field(1000, examples=[500], ge=0)
    budget: int = Field(4, examples=[4], ge=0)
    cost: float | None = Field(None, examples=[5.0], ge=0)
    limit: str = _length("6h", "6h")
    window: WindowSection = Field(WindowSection(), examples=[{"use": "recent", "length": "180d"}])
    shadow: str = _length("1d", "1d", zero=True)
    canary: float = Field(0.1, examples=[0.1], gt=0, lt=1)
    patience: str = _length("14d", "14d")
    margin: float | None = Field(None, examples=[0.5], ge=0)


class JournalSection(_Timed):
    """What is kept of each prediction, and for how long."""

    keep: str | None = _length("365d")
    sample: float = Field(1.0, examples=[1.0], gt=0, le=1)
    sensitive: list[str] = Field([], examples=[["tailnum"]])
    unwritable: Literal["refuse", "serve"] = Field("refuse", examples=["serve"])


class TrainingSection(_Timed):
    """Which data is trained on, and how it is split."""

    seed: int = Field(0, examples=[42], ge=0)
    since: str | None = Field(None, examples=["2013-01-01"])
    until: str | None = Field(None, examples=["2013-07-01"])
    split: Literal["time", "random", "group"] | None = Field(None, examples=["time"])
    group: str | None = Field(None, examples=["customer_id"])
    holdout: float = Field(0.2, examples=[0.2], gt=0, lt=1)
    threads: int = Field(2, examples=[2], ge=1)
    search: dict[str, list[Any]] = Field({}, examples=[{"learning_rate": [0.05, 0.1], "max_depth": [3, 5]}])
    trials: int = Field(12, examples=[12], ge=1)

    @model_validator(mode="after")
    def _group_said(self) -> Self:
        if (self.split == "group") != (self.group is not None):
            raise ValueError('split = "group" and group = "a column of the questions" go together: say both or none')
        return self

    @field_validator("search")
    @classmethod
    def _values_to_try(cls, search: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for name, values in search.items():
            if not values or any(isinstance(value, dict | list) for value in values):
                raise ValueError(f"'{name}' lists what to try, plain values and one at least")
        return search


class ScoringSection(_Timed):
    """Which table is scored when, and by when its answers are needed."""

    input: str | None = Field(None, examples=["data/tonight.parquet"])
    output: str | None = Field(None, examples=["scores/{date}.parquet"])
    schedule: str | None = Field(None, examples=["02:30"])
    deadline: str | None = _length("2h")
    rows: int | None = Field(None, examples=[500000], gt=0)
    facts: Literal["history", "fresh"] = Field("history", examples=["fresh"])

    @field_validator("schedule")
    @classmethod
    def _when(cls, value: str | None) -> str | None:
        if value is None or _OF_DAY.fullmatch(value):
            return value
        try:
            if duration(value) >= timedelta(minutes=1):
                return value
        except SettingsError:
            pass  # said below
        raise ValueError("expected a time of day in UTC such as 02:30, or a length of a minute or more such as 1d")

    @field_validator("input", "output")
    @classmethod
    def _moments(cls, value: str | None) -> str | None:
        unknown = sorted(set(re.findall(r"{(.*?)}", value or "")) - {"date", "time"})
        if unknown:
            raise ValueError(f"{{{unknown[0]}}} is not known: expected {{date}} or {{time}}, of when it was due")
        return value

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({self.input is None, self.output is None, self.schedule is None}) > 1:
            raise ValueError("input, output and schedule go together: say all of them or none")
        schedule, output = self.schedule or "1d", self.output or ""
        often = not _OF_DAY.fullmatch(schedule) and duration(schedule) < timedelta(days=1)
        if often and "{date}" in output and "{time}" not in output:
            said = f"every {schedule} into one file of a day, each would take the place of the one before"
            raise ValueError(f"{said}: name it by {{date}} and {{time}}")
        return self


class RulesSection(_Section):
    """What a source's rows must hold; a rule that blocks stops training and promotion."""

    ranges: dict[str, list[float]] = Field({}, examples=[{"distance": [0, 6000]}])
    nulls: dict[str, float] = Field({}, examples=[{"origin": 0.0}])
    warn_only: list[str] = Field([], examples=[["distance"]])


class Contract(_Section):
    """Everything a model promises, section by section."""

    model: ModelSection = Field(default_factory=ModelSection)
    value: ValueSection = Field(default_factory=ValueSection)
    label: LabelSection = Field(default_factory=LabelSection)
    training: TrainingSection = Field(default_factory=TrainingSection)
    gate: GateSection = Field(default_factory=GateSection)
    serving: ServingSection = Field(default_factory=ServingSection)
    monitoring: MonitoringSection = Field(default_factory=MonitoringSection)
    retraining: RetrainingSection = Field(default_factory=RetrainingSection)
    journal: JournalSection = Field(default_factory=JournalSection)
    scoring: ScoringSection = Field(default_factory=ScoringSection)
    data: dict[str, RulesSection] = Field({}, examples=[{"flights": {"ranges": {"distance": [0, 6000]}}}])

    def live(self) -> dict[str, Any]:
        """The parts that belong to the model and change by `outlast apply`."""
        return _parts(self.model_dump(mode="json"), live=True)

    def frozen(self) -> dict[str, Any]:
        """The parts that travel in each version."""
        return _parts(self.model_dump(mode="json"), live=False)

    def with_live(self, live: dict[str, Any]) -> "Contract":
        """This contract with the model's live parts in place of its own."""
        merged = self.frozen()
        for section, values in live.items():
            merged[section] = {**merged.get(section, {}), **values}
        return Contract.model_validate(merged)

    @property
    def digest(self) -> str:
        return digest_of(self.model_dump_json().encode())  # in order: the order of payoffs has a meaning


def read_contract(path: Path) -> Contract:
    """The contract in a project's folder, or at a file."""
    file = path / FILE if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContractError(f"There is no contract at {file}: start one with `outlast init NAME`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"{file} cannot be read: {error}") from error
    return parse_contract(text, str(file))


def parse_contract(text: str, name: str = FILE) -> Contract:
    """A contract from TOML text; `name` is what errors call it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ContractError(f"{name} is not valid TOML: {error}") from None
    try:
        return Contract.model_validate(data, context=SAID)
    except ValidationError as error:
        raise ContractError(_explain(error, name), details={"errors": error.error_count()}) from None


def _parts(data: dict[str, Any], *, live: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section, values in data.items():
        if section in LIVE:
            chosen = values if live else None
        else:
            chosen = {k: v for k, v in values.items() if (f"{section}.{k}" in LIVE) == live}
        if chosen:
            found[section] = chosen
    return found


_WORDS = {
    "a valid string": "text",
    "a valid list": "a list",
    "a valid boolean": "true or false",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid dictionary": "a table",
}


def _explain(error: ValidationError, name: str) -> str:
    sentences = [_sentence(problem, name) for problem in error.errors()]
    return "\n".join(dict.fromkeys(sentences))


def _sentence(problem: Any, name: str) -> str:
    place = [str(part) for part in problem["loc"]]
    key = ".".join(place)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        what = "section" if len(place) == 1 else "key"
        return f"{name}: unknown {what} '{key}': {nearest(place[-1], known)}"
    got = repr(problem["input"])
    return f"{name}: '{key}' is {got[:80]}: {_said(problem)}. Example: {_example(place)}"


def _said(problem: Any) -> str:
    """What is wrong with a value, in the words of these pages."""
    if problem["type"] in ("too_short", "too_long"):
        bound, word = ("min_length", "least") if problem["type"] == "too_short" else ("max_length", "most")
        return f"expected {counted(problem['ctx'][bound], 'entry', 'entries')} at {word}"
    said: str = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
    for theirs, ours in _WORDS.items():
        said = said.replace(theirs, ours)
    return said[0].lower() + said[1:]


def _section_at(place: list[str]) -> type[BaseModel] | None:
    here: type[BaseModel] = Contract
    for part in place:
        if part in here.model_fields and isinstance(kind := here.model_fields[part].annotation, type):
            if not issubclass(kind, BaseModel):
                return None
            here = kind
        elif here is Contract and part == "data":
            here = RulesSection
        elif here is ServingSection and part == "fields":
            here = FieldSection
        elif here not in (RulesSection, FieldSection):
            return None
    return here


def _known_keys(place: list[str]) -> list[str]:
    section = _section_at(place)
    return list(section.model_fields) if section else []


def _example(place: list[str]) -> str:
    for depth in range(len(place), 0, -1):
        section = _section_at(place[: depth - 1])
        field = section.model_fields.get(place[depth - 1]) if section else None
        if field is not None and field.examples:
            return f"{place[depth - 1]} = {_toml(field.examples[0])}"
    return "see the contract's reference in the documentation"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return str(value)
