"""Who does an operation, where and when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outlast.project.workspace import Workspace
from outlast.registry.tokens import Token


@dataclass(frozen=True)
class Acting:
    """The workspace, the name that is recorded, the moment, who is told of progress, and the token, if one was needed.

    A watcher has `begins` and `ends` for operations in steps, `total` and `advance` for those over rows.
    """

    workspace: Workspace
    by: str
    at: datetime
    watcher: Any = None
    token: Token | None = None

    def sees(self, model: str) -> bool:
        """Whether a model may be told of."""
        return self.token is None or self.token.covers(model)


Do = Callable[[Acting, Any], Any]
