"""Rows that get no answer are counted and kept: somebody is told when they are many, and people can answer them."""

import logging
from collections.abc import Sequence
from typing import Any

from outlast.bundle.predictor import Predictor
from outlast.errors import OutlastError, StorageError
from outlast.serving.parts import Parts
from outlast.types import micros, now

FEW = 64
_log = logging.getLogger("outlast.serving")


async def refused(parts: Parts, predictor: Predictor, rows: Sequence[Any], name: str, error: OutlastError) -> None:
    """Keep what an error refused, where it is about rows and no malformed request; never in the way of the error."""
    cause = error.details.get("cause")
    if cause is None:
        return
    place = error.details.get("row")
    lost = rows if place is None else [rows[place]]

    def keep() -> None:
        reason = error.sentence if not _sensitive(predictor, cause) else cause
        answers = predictor.refused(lost, micros(now()), reason)
        parts.metrics.refused(predictor, cause, len(answers))
        try:
            parts.journal.refusals(answers, predictor, request_id=str(name), server=parts.house.server)
        except StorageError as failure:
            _log.warning("A refused row could not be kept: %s", failure)
        if len(answers) == 1 and "refused" in predictor.contract.serving.queue:
            error.details["prediction_id"] = answers[0].prediction_id

    if len(lost) > FEW:
        await parts.aside(keep)
    else:
        keep()


def _sensitive(predictor: Predictor, cause: str) -> bool:
    """Whether a reason may quote a sensitive column."""
    return cause.partition(":")[2] in predictor.contract.journal.sensitive
