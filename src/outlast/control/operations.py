"""The table of operations: what each is called and does, the role it needs, what it takes and what it gives.

Names and shapes only, so that a command which sends an operation to a server loads nothing of what does it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from outlast.control.shapes import (
    About,
    Applied,
    Applying,
    Asking,
    Assigning,
    Attended,
    Attending,
    Claiming,
    Comparing,
    Decided,
    Earning,
    Erasing,
    Filled,
    History,
    Knowing,
    Listed,
    Listing,
    LookingBack,
    Loop,
    Made,
    MakingToken,
    Moving,
    Named,
    Nothing,
    OfIncident,
    OfWeek,
    Promoted,
    Promoting,
    Reasoned,
    Registering,
    Shown,
    Snoozing,
)
from outlast.evidence.card.parts import Card
from outlast.evidence.told import Ready, Why
from outlast.evidence.weekly.paper import Paper
from outlast.gates.compared import Compared
from outlast.gates.verdict import Verdict
from outlast.journal.erased import Erased
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.value.told import Value
from outlast.registry.audit import Entry, Report
from outlast.registry.bins import Frozen
from outlast.registry.rollout import Rollout
from outlast.registry.tokens import Role, Token
from outlast.registry.versions import Transferred, Version
from outlast.retraining.deciding.records import Decision
from outlast.retraining.judging.told import Readout

A = TypeVar("A", bound=msgspec.Struct)
R = TypeVar("R")

PROTOCOL = 1
"""What both sides have to agree on: raised when an operation takes or gives something else than before."""

Reach = Literal["model", "answer", "incident", "visible", "everything"]
Room = Literal["reading", "explaining", "assessing", "changing", "looping", "registering", "attending"]


@dataclass(frozen=True)
class Operation(Generic[A, R]):
    """One thing that can be asked for, and the module of this package that does it.

    `reach` says what a token has to cover: the models that the arguments name, the model of an answer where they may
    name one, everything there is, or nothing, where the answer is about the models, or the incidents of the models,
    that the token covers.
    """

    name: str
    says: str
    role: Role
    takes: type[A]
    gives: type[R]
    room: Room
    reach: Reach = "model"
    posted: bool = True
    """Whether it is sent by POST and told of step by step: whatever changes something, or takes its time."""
    also: tuple[Role, ...] = ()

    @property
    def roles(self) -> tuple[Role, ...]:
        """Those that may ask for it, the plainest first."""
        return (self.role, *self.also)


VERSIONS = Operation(
    "versions", "List versions, and which of them is live", "view", About, Listed, "reading", "visible", posted=False
)
SHOW = Operation("show", "A version, what it is now, and its verdict", "view", About, Shown, "reading", posted=False)
WHY = Operation(
    "why", "What made a version, or gave a prediction, and let it out", "view", Asking, Why, "explaining", "answer",
    posted=False,
)  # fmt: skip
CARD = Operation("card", "The model card of a version", "view", About, Card, "assessing", posted=False)
READY = Operation("ready", "What decides whether a model lasts", "view", About, Ready, "assessing", posted=False)
COMPARE = Operation(
    "compare", "Hold two versions against each other on the same rows, which executes the code of both", "approve",
    Comparing, Compared, "assessing", also=("operate", "train"),
)  # fmt: skip
HISTORY = Operation(
    "history", "Every change of what is live, and what servers answered with", "view", About, History, "reading",
    posted=False,
)  # fmt: skip
CLAIM = Operation("claim", "Take the names that a project declares", "train", Claiming, dict[str, int], "registering")
SCHEMAS = Operation(
    "schemas", "The schemas of sources as last trained on", "train", About, dict[str, str], "registering", posted=False
)
BINS = Operation(
    "bins", "The bins that the next version of a model keeps on with", "train", About, Frozen, "registering",
    posted=False,
)  # fmt: skip
REGISTER = Operation("register", "Give a bundle that was sent its number", "train", Registering, Version, "registering")
GATE = Operation(
    "gate", "Put every check to a version, which executes its code, and keep the verdict", "train", About, Verdict,
    "changing",
)  # fmt: skip
APPROVE = Operation("approve", "Agree to a version on its newest verdict", "approve", Reasoned, Decided, "changing")
REJECT = Operation("reject", "Be against a version", "approve", Reasoned, Decided, "changing")
PROMOTE = Operation("promote", "Let a version out", "operate", Promoting, Promoted, "changing")
WITHDRAW = Operation("withdraw", "Take the challenger away", "operate", Reasoned, Rollout, "changing")
ROLLBACK = Operation("rollback", "Go back to the version before", "operate", Reasoned, Rollout, "changing")
RETIRE = Operation("retire", "End a model, or one version", "operate", Reasoned, Rollout, "changing")
TRANSFER = Operation("transfer", "Bring a version to another environment", "operate", Moving, Transferred, "changing")
RETRAIN = Operation(
    "retrain", "Ask for a successor of what is live, which executes its code", "train", Reasoned, Decision, "looping",
    also=("operate",),
)  # fmt: skip
DECISIONS = Operation("decisions", "Why successors were trained, or not", "view", About, Loop, "looping", posted=False)
AB = Operation(
    "ab", "A challenger held against what is live, by outcomes", "view", About, Readout, "looping", posted=False
)
VALUE = Operation(
    "value", "What a model earns, and what people do with its answers", "view", Earning, Value, "assessing",
    posted=False,
)  # fmt: skip
WEEKLY = Operation(
    "weekly", "A model's week on one page, with what to do next", "view", OfWeek, Paper, "assessing", posted=False
)
INCIDENTS = Operation(
    "incidents", "What somebody has to look at", "view", Listing, list[Incident], "attending", "visible", posted=False
)
INCIDENT = Operation(
    "incident", "An incident and its timeline", "view", OfIncident, Attended, "attending", "incident", posted=False
)
ACK = Operation("ack", "Say that one looks at an incident", "operate", Attending, Attended, "attending", "incident")
ASSIGN = Operation("assign", "Give an incident to somebody", "operate", Assigning, Attended, "attending", "incident")
SNOOZE = Operation("snooze", "Put an incident off", "operate", Snoozing, Attended, "attending", "incident")
RESOLVE = Operation("resolve", "Close an incident", "operate", Attending, Attended, "attending", "incident")
ACCEPT = Operation(
    "accept", "Take what an incident found for normal", "operate", Attending, Attended, "attending", "incident",
    also=("approve",),
)  # fmt: skip
APPLY = Operation("apply", "Bring the live sections of a contract into force", "operate", Applying, Applied, "changing")
BACKFILL = Operation("backfill", "Fill fresh values from history", "operate", About, Filled, "changing")
ERASE = Operation("erase", "Rid the journal of what it holds of a key", "admin", Erasing, Erased, "changing")
AUDIT_LOG = Operation(
    "audit-log", "Entries of the audit trail", "view", LookingBack, list[Entry], "reading", "everything", posted=False
)
AUDIT_VERIFY = Operation(
    "audit-verify", "Whether the audit trail is whole", "view", Knowing, Report, "reading", "everything", posted=False
)
TOKENS = Operation("tokens", "List tokens", "admin", Nothing, list[Token], "reading", "everything", posted=False)
CREATE_TOKEN = Operation("create-token", "Make a token", "admin", MakingToken, Made, "changing", "everything")
REVOKE_TOKEN = Operation("revoke-token", "Revoke a token", "admin", Named, Token, "changing", "everything")

ARTIFACT = "artifact"
"""Not an operation but bytes: POST /control/artifact keeps a body for a `register` to name, and says its digest."""
UPLOADS: Role = "train"

OPERATIONS: Sequence[Operation[Any, Any]] = tuple(one for one in vars().values() if isinstance(one, Operation))
"""All of them, in the order of a model's life."""
