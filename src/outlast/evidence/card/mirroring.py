"""The process that mirrors to MLflow, with each version's card beside its run: `python -m` this module ROOT.

The mirror itself stands far below the card and knows nothing of it: it is handed what to put beside a version.
"""

import sys
from importlib.metadata import version as installed
from pathlib import Path

from outlast.evidence.card.markdown import markdown
from outlast.evidence.card.page import drawn, page
from outlast.evidence.card.writing import card
from outlast.project.workspace import Workspace
from outlast.registry.background import main
from outlast.registry.mlflow_side import Beside
from outlast.registry.versions import Version
from outlast.types import digest_of, now


def beside(workspace: Workspace, version: Version) -> Beside:
    """The card in both forms; its mark says what is on it, so that it is written again only when that changed."""
    made = card(workspace, version, now=now())
    said = {name: value for name, value in made.plain().items() if name != "made"}

    def files() -> dict[str, str]:
        return {"card.md": markdown(made), "card.html": page(made, drawn(version.summary))}

    return Beside(digest_of({"card": said, "outlast": installed("outlast")}), files)


if __name__ == "__main__":
    main(Path(sys.argv[1]), beside)
