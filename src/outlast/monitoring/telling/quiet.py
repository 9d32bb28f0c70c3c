"""Quiet hours: times of day in which tickets wait."""

from datetime import datetime, time

from outlast.errors import ContractError
from outlast.types import utc


def is_quiet(hours: list[str], now: datetime) -> bool:
    """Whether a moment lies in quiet hours such as 22:00-07:00, in UTC.

    >>> is_quiet(["22:00-07:00"], datetime(2013, 7, 1, 6, 59)), is_quiet(["22:00-07:00"], datetime(2013, 7, 1, 7))
    (True, False)
    """
    clock = utc(now).time()
    for text in hours:
        start, end = _hours(text)
        if (start <= clock < end) if start <= end else (clock >= start or clock < end):
            return True
    return False


def _hours(text: str) -> tuple[time, time]:
    try:
        start, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        raise ContractError(
            f"outlast.toml: 'monitoring.quiet' has '{text}': expected two times of day in UTC. Example: 22:00-07:00"
        ) from None
    return start, end
