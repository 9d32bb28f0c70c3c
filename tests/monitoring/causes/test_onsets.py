"""What began before the harm is ranked; what tells of it, or came after, is not."""

from datetime import UTC, datetime, timedelta

from outlast.monitoring.causes.onsets import Kind, Onset, ranked

HARM = datetime(2024, 3, 5, 12, tzinfo=UTC)


def onset(name: str, kind: Kind, hours: float, strength: float = 1.0) -> Onset:
    return Onset(name, kind, HARM + timedelta(hours=hours), strength)


def test_hard_faults_come_first_then_the_earliest_then_the_strongest() -> None:
    given = [
        onset("late", "feature", 30),
        onset("b", "feature", -2, 5.0),
        onset("a", "feature", -2, 9.0),
        onset("old", "feature", -50),
        onset("null", "quality", 1),
        onset("weather", "feed", -3),
        onset("score", "score", -60),
        onset("loss", "loss", 0),
        onset("bins 0-7", "calibration", -1),
    ]
    assert [one.stream for one in ranked(given, HARM)] == ["weather", "null", "old", "a", "b", "score"]


def test_without_a_harm_everything_that_moved_is_ranked() -> None:
    given = [onset("x", "feature", 90), onset("y", "feature", 10)]
    assert [one.stream for one in ranked(given)] == ["y", "x"]
