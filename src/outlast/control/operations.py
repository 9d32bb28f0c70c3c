"""The table of operations: what each is called, the role it needs, what it takes and what it gives.

Names and shapes only, so that a command which sends an operation to a server loads nothing of what does it: that is in
`reading` and `changing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from outlast.gates.verdict import Verdict
from outlast.registry.approvals import Approval, Standing
from outlast.registry.audit import Entry, Report
from outlast.registry.contracts import Change
from outlast.registry.rollout import Rollout, Transition
from outlast.registry.served import Span
from outlast.registry.tokens import Role, Token
from outlast.registry.transfer import Transferred
from outlast.registry.versions import Version
from outlast.types import ModelRef

A = TypeVar("A", bound=msgspec.Struct)
R = TypeVar("R")

PROTOCOL = 1
"""What both sides have to agree on: raised when an operation takes or gives something else than before."""

Reach = Literal["model", "visible", "everything"]


@dataclass(frozen=True)
class Operation(Generic[A, R]):
    """One thing that can be asked for.

    `reach` says what a token has to cover: the one model the arguments name, everything there is, or nothing, where
    the answer is about the models that the token covers.
    """

    name: str
    role: Role
    takes: type[A]
    gives: type[R]
    reach: Reach = "model"
    changes: bool = True


class _Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an operation takes."""


class Nothing(_Arguments, frozen=True):
    """No arguments."""


class About(_Arguments, frozen=True):
    """A model or one of its versions, as NAME or NAME@VERSION; left out where there is only one."""

    model: str | None = None

    @property
    def ref(self) -> ModelRef:
        assert self.model is not None, "whoever asks for an operation names the model"
        return ModelRef.parse(self.model)


class Reasoned(About, frozen=True):
    """And why."""

    reason: str = ""


class Promoting(Reasoned, frozen=True):
    """And how far: live, or short of it, with a share of the requests in percent."""

    to: str = "live"
    share: float | None = None


class Moving(About, frozen=True):
    """And to which environment."""

    to: str = ""


class LookingBack(_Arguments, frozen=True):
    """Which entries of the trail: of one object, since a moment, the newest so many."""

    object: str | None = None
    since: datetime | None = None
    limit: int | None = None


class Knowing(_Arguments, frozen=True):
    """The digest of an entry that was noted earlier."""

    known: str | None = None


class Applying(About, frozen=True):
    """And the contract, as JSON."""

    contract: dict[str, Any] = {}


class MakingToken(_Arguments, frozen=True):
    """Whose token it shall be, and what it may do."""

    name: str
    roles: list[str]
    models: list[str] = []
    expires: str | None = None


class Named(_Arguments, frozen=True):
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
    """A version, what it is now, and the newest verdict about it."""

    version: Version
    state: str
    verdict: Verdict | None


@dataclass(frozen=True)
class History:
    """Every change of what is live of a model, and what servers answered with."""

    model: str
    transitions: list[Transition]
    served: list[Span]


VERSIONS = Operation("versions", "view", About, Listed, reach="visible", changes=False)
SHOW = Operation("show", "view", About, Shown, changes=False)
HISTORY = Operation("history", "view", About, History, changes=False)
TOKENS = Operation("tokens", "admin", Nothing, list[Token], reach="everything", changes=False)
CLAIM = Operation("claim", "train", Claiming, dict[str, int])
SCHEMAS = Operation("schemas", "train", About, dict[str, str], changes=False)
REGISTER = Operation("register", "train", Registering, Version)
GATE = Operation("gate", "train", About, Verdict)
APPROVE = Operation("approve", "approve", Reasoned, Decided)
REJECT = Operation("reject", "approve", Reasoned, Decided)
PROMOTE = Operation("promote", "operate", Promoting, Promoted)
WITHDRAW = Operation("withdraw", "operate", Reasoned, Rollout)
RETIRE = Operation("retire", "operate", Reasoned, Rollout)
ROLLBACK = Operation("rollback", "operate", Reasoned, Rollout)
TRANSFER = Operation("transfer", "operate", Moving, Transferred)
AUDIT_LOG = Operation("audit-log", "view", LookingBack, list[Entry], reach="everything", changes=False)
AUDIT_VERIFY = Operation("audit-verify", "view", Knowing, Report, reach="everything", changes=False)
APPLY = Operation("apply", "operate", Applying, Applied)
BACKFILL = Operation("backfill", "operate", About, Filled)
CREATE_TOKEN = Operation("create-token", "admin", MakingToken, Made, reach="everything")
REVOKE_TOKEN = Operation("revoke-token", "admin", Named, Token, reach="everything")

ARTIFACT = "artifact"
"""Not an operation but bytes: POST /control/artifact keeps a body for a `register` to name, and says its digest."""
UPLOADS: Role = "train"

OPERATIONS: Sequence[Operation[Any, Any]] = (
    VERSIONS,
    SHOW,
    HISTORY,
    TOKENS,
    CLAIM,
    SCHEMAS,
    REGISTER,
    GATE,
    APPROVE,
    REJECT,
    PROMOTE,
    WITHDRAW,
    ROLLBACK,
    RETIRE,
    TRANSFER,
    AUDIT_LOG,
    AUDIT_VERIFY,
    APPLY,
    BACKFILL,
    CREATE_TOKEN,
    REVOKE_TOKEN,
)
