"""Where heavy work runs. What is asked of an engine is one function over many parts, and how much fits into memory."""

from outlast.engines.engine import Engine
from outlast.engines.local import Local, size_of

__all__ = ["Engine", "Local", "size_of"]
