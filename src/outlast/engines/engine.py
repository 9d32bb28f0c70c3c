"""What the heavy stages ask of whatever runs their work."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Part = TypeVar("Part")
Found = TypeVar("Found")


class Engine(Protocol):
    """Runs one function over many parts.

    Both can be sent to another process: they hold values, no open things.
    """

    @property
    def memory(self) -> int:
        """How many bytes one part may take while it is computed."""

    def whole(self, work: Callable[[Part], Found], parts: Iterable[Part]) -> list[Found]:
        """What the work gives for each part, in their order, with no more parts at once than fit into memory."""
