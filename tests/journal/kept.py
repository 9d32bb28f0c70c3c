"""Answers to keep, and a version that gave them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from outlast.bundle.answers import Answer
from outlast.project.contract import Contract
from outlast.types import micros

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    model: str = "late"
    version: int = 3
    digest: str = "d" * 64
    contract: Contract = field(default_factory=Contract)


def answer(number: int, *, key: str | None = None, at: datetime = NOON, **changes: object) -> Answer:
    values = {
        "prediction_id": f"p{number}",
        "key": key,
        "at": micros(at),
        "decide_at": micros(at) + number,
        "asks": {"origin": "JFK", "at": at, "n": number},
        "features": {"wind": float("nan"), "none": None},
        "score": number / 7,
        "scores": None,
        "decision": "act",
        "rung": "full",
        "reasons": [],
        "warnings": ["'origin' is odd"],
        "cells": bytes([1, 2, 255]),
    }
    return Answer(**{**values, **changes})  # type: ignore[arg-type]
