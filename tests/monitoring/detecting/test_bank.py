import numpy as np
import pytest

from outlast.errors import StorageError
from outlast.monitoring.detecting.bank import Bank, State
from outlast.monitoring.detecting.keeping import from_bytes, to_bytes
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR, Table

EVEN = np.array([1 / 16] * 16 + [0.0] * 4)
LEANING = EVEN * np.linspace(0.6, 1.4, 20)
ROWS = 200


def features(names=("age", "town", "fee"), rows=50_000):
    counts = np.tile(np.round(EVEN * rows).astype(np.int64), (len(names), 1))
    return Table(tuple(names), counts, kinds=("number",) * len(names))


def tickets(**how) -> Bank:
    return planned({"features": features(**how)}, Budget()).tickets


def drawn(rng, *, moved=(), streams=3):
    shares = [LEANING / LEANING.sum() if stream in moved else EVEN for stream in range(streams)]
    return np.array([rng.multinomial(ROWS, share) for share in shares])


def walked(bank: Bank, state: State, checks, *, first=0):
    """Through the checks to the first that alarms."""
    for place, counts in enumerate(checks, first):
        state, alarms = bank.step(state, {"features": counts}, place * HOUR)
        if alarms:
            return state, alarms, place
    return state, [], None


def test_a_shift_is_found_in_the_stream_that_moved_with_the_check_at_which_it_began():
    rng, bank = np.random.default_rng(1), tickets()
    quiet = [drawn(rng) for _ in range(300)]
    loud = [drawn(rng, moved={1}) for _ in range(100)]
    _, alarms, place = walked(bank, bank.begin(), quiet + loud)
    assert place is not None
    assert 300 <= place < 330
    assert [alarm.stream for alarm in alarms] == ["town"]
    (alarm,) = alarms
    assert (alarm.bet.what, alarm.bet.direction, alarm.severity) == ("location", "up", "ticket")
    assert 295 * HOUR <= alarm.since <= 305 * HOUR
    assert alarm.rows == (alarm.at - alarm.since + HOUR) // HOUR * ROWS
    assert alarm.log_evidence >= alarm.log_threshold
    assert alarm.share > 0.9


def test_an_alarm_starts_its_stream_anew_and_leaves_the_others_their_evidence():
    rng, bank = np.random.default_rng(2), tickets()
    state, _, _ = walked(bank, bank.begin(), [drawn(rng, moved={1}) for _ in range(100)])
    track = state.tracks["features"]
    assert np.isneginf(track.log_r[1]).all()
    assert np.isfinite(track.log_r[[0, 2]]).all()
    assert bank.log_r(state) < bank.log_threshold - 4


def test_a_state_that_was_kept_goes_on_as_if_nothing_had_happened():
    rng, bank = np.random.default_rng(3), tickets()
    checks = [drawn(rng, moved={0}) for _ in range(20)]
    whole, alarms, place = walked(bank, bank.begin(), checks)
    half, _, _ = walked(bank, bank.begin(), checks[:2])
    kept = to_bytes(half)
    again, later, there = walked(bank, bank.resume(from_bytes(kept)), checks[2:], first=2)
    assert to_bytes(from_bytes(kept)) == kept
    assert (later, there) == (alarms, place)
    assert to_bytes(again) == to_bytes(whole)


def test_streams_that_stay_keep_their_evidence_when_others_come_and_go():
    rng, bank = np.random.default_rng(4), tickets()
    state, _, _ = walked(bank, bank.begin(), [drawn(rng, moved={2}) for _ in range(4)])
    newer = tickets(names=("fee", "rank"), rows=80_000)
    fitted = newer.resume(state)
    assert (fitted.tracks["features"].log_r[0] == state.tracks["features"].log_r[2]).all()
    assert np.isneginf(fitted.tracks["features"].log_r[1]).all()
    assert fitted.checks == 4


@pytest.mark.parametrize("rows", [0, 1, 10**12])
def test_any_number_of_rows_leaves_numbers(rows):
    bank, counts = tickets(), np.zeros((3, 20), np.int64)
    counts[:, 15] = rows
    state, _ = bank.step(bank.begin(), {"features": counts}, 0)
    state, alarms = bank.step(state, {}, HOUR)
    assert not np.isnan(state.tracks["features"].log_r).any()
    assert state.checks == 2
    assert alarms == []


def test_without_rows_the_evidence_only_counts_the_checks():
    bank = tickets()
    state, _, _ = walked(bank, bank.begin(), [np.zeros((3, 20), np.int64)] * 9)
    assert bank.log_r(state) == pytest.approx(np.log(9))


def test_a_torn_state_is_refused():
    kept = to_bytes(tickets().begin())
    with pytest.raises(StorageError, match="cannot be read"):
        from_bytes(kept[:-9])


def test_a_reference_of_few_rows_is_called_one_of_low_power():
    assert planned({"features": features(rows=1_600)}, Budget()).low_power
    assert not planned({"features": features()}, Budget()).low_power


def test_counts_of_other_streams_are_refused():
    bank = tickets()
    with pytest.raises(StorageError, match="have 2 streams, the plan watches 3"):
        bank.step(bank.begin(), {"features": np.ones((2, 20), np.int64)}, 0)
