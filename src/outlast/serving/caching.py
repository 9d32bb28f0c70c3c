"""Answers to what was asked a moment ago, where the contract allows it: given again, not computed again.

What is equal is decided by the decoded row, as a text in which 1 is not 1.0 and 0.0 is not -0.0. A version that looks
facts up may know more a moment later, so of it only rows that name the same moment are equal.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor, new_id
from outlast.bundle.requests import Asked
from outlast.types import duration

KEPT = 5_000
"""Answers of one version that are kept; the one that was asked for longest ago goes first."""
_MICROS = 1_000_000
Key = tuple[str, int | None]
Count = Callable[[str, int, int], None]
"""Told of a model, how many rows were found and how many were not."""


class Caching:
    """The answers of versions whose contract has `[serving] cache`; threads may share it."""

    def __init__(self, count: Count, *, kept: int = KEPT) -> None:
        self._count, self._most = count, kept
        self._versions: WeakKeyDictionary[Predictor, OrderedDict[Key, Answer]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def answers(self, predictor: Predictor, asked: list[Asked], now: int) -> list[Answer]:
        """One answer per decoded row, in order: those of equal rows again, under ids of their own."""
        length = predictor.contract.serving.cache
        if length is None:
            return predictor.answer(asked, now)
        since = now - int(duration(length).total_seconds() * _MICROS)
        keys = [_key(predictor, one) for one in asked]
        before = self._before(predictor, keys, since)
        missing = [place for place, one in enumerate(before) if one is None]
        made = predictor.answer([asked[place] for place in missing], now) if missing else []
        self._count(predictor.model, len(asked) - len(missing), len(missing))
        self._keep(predictor, [(keys[place], one) for place, one in zip(missing, made, strict=True)], asked, missing)
        new = iter(made)
        return [next(new) if old is None else _again(old, one, now) for old, one in zip(before, asked, strict=True)]

    def _before(self, predictor: Predictor, keys: list[Key | None], since: int) -> list[Answer | None]:
        with self._lock:
            kept = self._versions.setdefault(predictor, OrderedDict())
            found = [None if key is None else kept.get(key) for key in keys]
            for key, one in zip(keys, found, strict=True):
                if key is not None and one is not None and one.at >= since:
                    kept.move_to_end(key)
        return [one if one is not None and one.at >= since else None for one in found]

    def _keep(
        self, predictor: Predictor, made: list[tuple[Key | None, Answer]], asked: list[Asked], places: list[int]
    ) -> None:
        with self._lock:
            kept = self._versions.setdefault(predictor, OrderedDict())
            for (key, one), place in zip(made, places, strict=True):
                if key is None or one.rung != "full":
                    continue
                own = one.warnings[len(asked[place].warnings) :]  # of the answer itself, not of how it was asked
                kept[key] = replace(one, warnings=own)
                kept.move_to_end(key)
            while len(kept) > self._most:
                kept.popitem(last=False)


def _key(predictor: Predictor, one: Asked) -> Key | None:
    """What makes two rows the same question; None of a row that a fault sends to a lower rung."""
    if one.lower is not None:
        return None
    return repr(one.values), one.decide_at if predictor.lookups else None


def _again(old: Answer, one: Asked, now: int) -> Answer:
    return replace(
        old,
        prediction_id=new_id(now),
        key=one.key,
        at=now,
        decide_at=one.decide_at,
        warnings=[*one.warnings, *old.warnings],
    )
