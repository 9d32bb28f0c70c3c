"""What goes with a loss: what moved first, which part of the change it carries, in which rows, and what to do.

Nothing here proves a cause. An account says what happened together and in which order, with the numbers.
"""

from outlast.monitoring.causes.account import Account, Suspect, account
from outlast.monitoring.causes.case import Case
from outlast.monitoring.causes.onsets import Onset, ranked
from outlast.monitoring.causes.split import Split, split

__all__ = ["Account", "Case", "Onset", "Split", "Suspect", "account", "ranked", "split"]
