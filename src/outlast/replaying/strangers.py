"""Answers that no replay told: a story told among them would mix two times."""

import polars as pl

from outlast.clock import VARIABLE, halts
from outlast.errors import Refused
from outlast.journal.reading import predictions
from outlast.project.position import clock_file
from outlast.project.workspace import Workspace
from outlast.types import counted

TOLD = "replay-"
"""How the names of a replay's own requests begin."""


def refuse_strangers(workspace: Workspace, model: str) -> None:
    """Refused where the model's journal holds answers by the machine's clock, and nobody says that it is a story's."""
    if halts() is not None:
        return
    found = predictions(workspace, model).filter(~pl.col("request_id").str.starts_with(TOLD))
    rows, last = found.select(pl.len(), pl.col("at").max().alias("last")).collect().row(0)
    if rows:
        raise Refused(
            f"The journal of '{model}' holds {counted(rows, 'answer')} that no replay told, the last of "
            f"{last:%Y-%m-%d %H:%M}, and a story would be mixed with them: replay in a copy of the project "
            f"without its .outlast, or set {VARIABLE}={clock_file(workspace)} where they are part of the story"
        )
