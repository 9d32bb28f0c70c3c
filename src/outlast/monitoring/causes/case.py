"""Everything an account is made from: the past, the counts since the harm began, and when each stream moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from outlast.data.past import Past
from outlast.data.profile import Bins, Profile
from outlast.monitoring.causes.onsets import Onset
from outlast.monitoring.estimating.live import Live

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Case:
    """One harm. `live` counts what arrived since it began; `graded` [leaf, score cell, 2] and `found` [feature, cell,
    2] hold rows and mills of those whose label is here; `pairs` [pair, 2] and `declared` [word, 2]
    likewise."""

    profile: Profile
    past: Past
    live: Live
    graded: Ints
    found: Ints | None = None
    pairs: Ints | None = None
    declared: Ints | None = None
    since: datetime | None = None
    """When the harm began, as its detector says."""
    onsets: Sequence[Onset] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """The source of each feature that comes straight from one."""
    lately: Mapping[str, Ints] = field(default_factory=dict)
    """Of features that jumped, the counts of the days before."""
    rows_per_day: float = 0.0
    currency: str = ""
    tolerance: float = 0.0
    """The loss a day, in money or in whole rows, that is not worth acting on."""

    @property
    def bins(self) -> list[Bins]:
        return self.profile.features

    @property
    def labelled(self) -> int:
        return int(self.graded[..., 0].sum())
