"""A version before the gate, and what several checks need of it, made once."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from outlast.gates.pair import Pair, Side, pair_up, tested
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.evaluation.metrics import MAIN
from outlast.training.evaluation.value import Scored


@dataclass(frozen=True, eq=False)
class Case:
    """The candidate, the contract in force for it, and the version it would replace."""

    workspace: Workspace
    folder: Path | None
    contract: Contract
    candidate: Version
    champion: Version | None

    @property
    def metric(self) -> str:
        """What versions are compared by."""
        return self.contract.gate.metric or MAIN[self.candidate.task]

    @property
    def rival(self) -> Version | None:
        """The champion, unless it has the candidate's bytes."""
        return None if self.champion is None or self.champion.digest == self.candidate.digest else self.champion

    @cached_property
    def side(self) -> Side:
        """The candidate, opened: this executes its code."""
        return Side.open(self.workspace, self.candidate)

    @cached_property
    def scored(self) -> Scored:
        """The candidate's scores of its test rows."""
        return self.side.scored(tested(self.workspace, self.candidate))

    @cached_property
    def pair(self) -> Pair | None:
        """The candidate and its rival on the same rows; None without one."""
        return None if self.rival is None else pair_up(self.workspace, self.folder, self.side, self.rival)
