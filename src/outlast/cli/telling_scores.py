"""What the scoring of a table says."""

from typing import TYPE_CHECKING, Any

from outlast.cli import screen
from outlast.types import counted

if TYPE_CHECKING:
    from outlast.serving.scoring.batch import Scored


def told(done: "Scored") -> None:
    """What became of a table's rows."""
    before = f", {done.before:,} of them before it was broken off" if done.before else ""
    print(f"{counted(done.rows, 'row')} scored by {done.model}@{done.version} into {done.target}{before}")
    lower = {rung: count for rung, count in done.rungs.items() if rung not in ("full", "refused")}
    for rung, count in lower.items():
        print(f"{count:,} of them by the {rung}: see the column 'reasons'")
    if done.refused is not None:
        print(f"{done.rungs['refused']:,} of them refused, the first: {done.refused}")
    if done.warned:
        print(f"{done.warned:,} of them with warnings: see the column 'warnings'")
    if done.recorded:
        print("Kept in the journal, as served answers are")


def plan(scoring: dict[str, Any] | None) -> None:
    """The table that a contract wants scored, where it names one."""
    if scoring and scoring["schedule"]:
        from outlast.project.contract import ScoringSection
        from outlast.serving.scoring.planned import plan_says

        screen.line("scoring", plan_says(ScoringSection.model_validate(scoring)))
