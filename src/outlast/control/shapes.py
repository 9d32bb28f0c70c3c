"""What operations take and give: plain values only, since they travel between a command and a server."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import msgspec

from outlast.errors import RequestError
from outlast.evidence.told import Costs
from outlast.gates.verdict import Verdict
from outlast.monitoring.incidents.incident import Event, Incident
from outlast.registry.approvals import Approval, Standing
from outlast.registry.contracts import Change
from outlast.registry.rollout import Rollout, Transition
from outlast.registry.served import Span, Trouble
from outlast.registry.tokens import Token
from outlast.registry.versions import Version
from outlast.retraining.deciding.records import Decision
from outlast.types import ModelRef


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an operation takes."""


class Nothing(Arguments, frozen=True):
    """No arguments."""


class About(Arguments, frozen=True):
    """A model or one of its versions, as NAME or NAME@VERSION; left out where there is only one."""

    model: str | None = None

    @property
    def ref(self) -> ModelRef:
        assert self.model is not None, "whoever asks for an operation names the model"
        return ModelRef.parse(self.model)

    @property
    def whole(self) -> str:
        """The model's name, where no version can be meant."""
        ref = self.ref
        if ref.version is not None:
            raise RequestError(f"This is about all of '{ref.name}' and no version alone: leave out @{ref.version}")
        return ref.name

    @property
    def names(self) -> list[str]:
        """The models that a token has to cover."""
        return [self.ref.name]


class Reasoned(About, frozen=True):
    """And why."""

    reason: str = ""


class Erasing(About, frozen=True):
    """And whose values: a key as labels name it; `do` where they are to go and not only to be counted."""

    key: str = ""
    do: bool = False


class Promoting(Reasoned, frozen=True):
    """And how far: live, or short of it, with a share of the requests in percent."""

    to: str = "live"
    share: float | None = None


class Comparing(About, frozen=True):
    """And the version that is held against it; left out, it is held against what is live."""

    other: str | None = None

    @property
    def pair(self) -> tuple[ModelRef, ModelRef]:
        """The older and the newer; where one version is named it is the newer, and the newest where none is."""
        if self.other is not None:
            return self.ref, ModelRef.parse(self.other)
        newer = self.ref if self.ref.version is not None else ModelRef(self.ref.name, "latest")
        return ModelRef(self.ref.name, "live"), newer

    @property
    def names(self) -> list[str]:
        return [ref.name for ref in self.pair]


class Asking(About, frozen=True):
    """And of a prediction, whether to say what each feature added."""

    explain: bool = False


class Moving(About, frozen=True):
    """And to which environment."""

    to: str = ""


class LookingBack(Arguments, frozen=True):
    """Which entries of the trail: of one object, since a moment, the newest so many."""

    object: str | None = None
    since: datetime | None = None
    limit: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None


class Knowing(Arguments, frozen=True):
    """The digest of an entry that was noted earlier."""

    known: str | None = None


class Applying(About, frozen=True):
    """And the contract, as JSON."""

    contract: dict[str, Any] = {}


class Listing(About, frozen=True):
    """And whether those that are closed are wanted too."""

    closed: bool = False


class Earning(About, frozen=True):
    """And for which moments of decision: since one, and before another."""

    since: datetime | None = None
    until: datetime | None = None


class OfWeek(About, frozen=True):
    """And the day after the week's last, today where none is named; whether pictures are wanted, which take seconds."""

    until: datetime | None = None
    pictures: bool = False


class OfIncident(Arguments, frozen=True):
    """An incident, by how its id begins."""

    id: str


class Attending(OfIncident, frozen=True):
    """And why something is done with it."""

    reason: str = ""


class Assigning(Attending, frozen=True):
    """And whose it shall be."""

    to: str = ""


class Snoozing(Attending, frozen=True):
    """And for how long, such as 4h."""

    length: str = ""


class MakingToken(Arguments, frozen=True):
    """Whose token it shall be, and what it may do."""

    name: str
    roles: list[str]
    models: list[str] = []
    expires: str | None = None


class Named(Arguments, frozen=True):
    """An id."""

    id: str


class Claiming(About, frozen=True):
    """And the names that its project takes: kind, name and what it means; and the projects beside it."""

    claims: list[tuple[str, str, dict[str, Any]]] = []
    folders: list[str] = []


class Registering(About, frozen=True):
    """And the bundle's digest, with what the run says of it."""

    digest: str = ""
    summary: dict[str, Any] = {}
    lineage: dict[str, Any] = {}


@dataclass(frozen=True)
class Promoted:
    """What is live now, and the verdict that let it out."""

    rollout: Rollout
    verdict: Verdict


@dataclass(frozen=True)
class Decided:
    """What somebody said of a version, and where it stands then."""

    said: Approval
    standing: Standing
    looped: bool = False
    """Whether the loop brings it on by itself."""


@dataclass(frozen=True)
class Applied:
    """What an apply changed, and what waits for the next training."""

    model: str
    changes: list[Change]
    waiting: list[Change]


@dataclass(frozen=True)
class Filled:
    """How many facts of each source fresh values hold now."""

    model: str
    facts: dict[str, int]


@dataclass(frozen=True)
class Made:
    """A token, and its secret, which is told this once."""

    token: Token
    secret: str


@dataclass(frozen=True)
class Listed:
    """Versions, and by model and number what those are that play or played a part."""

    versions: list[Version]
    states: dict[str, dict[int, str]]


@dataclass(frozen=True)
class Shown:
    """A version, what it is now, the newest verdict about it, and what it costs."""

    version: Version
    state: str
    verdict: Verdict | None
    costs: Costs


@dataclass(frozen=True)
class Attended:
    """An incident as it is now, and its timeline."""

    incident: Incident
    timeline: list[Event]


@dataclass(frozen=True)
class Loop:
    """By which plan successors are trained, and every step of that, oldest first."""

    model: str
    plan: str
    decisions: list[Decision]


@dataclass(frozen=True)
class History:
    """Every change of what is live of a model, and what servers answered with."""

    model: str
    transitions: list[Transition]
    served: list[Span]
    refused: list[Trouble] = field(default_factory=list)
