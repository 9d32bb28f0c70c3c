"""Other units are recognised by their counts; weather is not a change of unit."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from msgspec.structs import replace

from outlast.data.profile import Bins, build, recounted
from outlast.monitoring.causes.units import KNOWN, conversion_of

Values = npt.NDArray[np.float64]
RNG = np.random.default_rng(6)
FAHRENHEIT = RNG.normal(60, 17, 20_000)
MILES = RNG.lognormal(6, 0.8, 20_000)


def bins(values: Values, name: str = "x") -> Bins:
    return build(pl.DataFrame({name: values})).features[0]


def counts(of: Bins, values: Values) -> npt.NDArray[np.int64]:
    return np.array(recounted(of, of.name, pl.Series(values)).counts)


SAID = {one.says: one for one in KNOWN}
CASES = [
    ("temp", FAHRENHEIT, "Celsius in place of Fahrenheit"),
    ("dewpoint", (FAHRENHEIT - 32) / 1.8, "Fahrenheit in place of Celsius"),
    ("distance", MILES, "kilometres in place of miles"),
    ("trip_miles", MILES, "kilometres in place of miles"),
]


@pytest.mark.parametrize(("name", "values", "says"), CASES, ids=[name for name, _, _ in CASES])
def test_a_known_conversion_is_named(name: str, values: Values, says: str) -> None:
    by = SAID[says]
    reference = bins(values[:10_000], name)
    found = conversion_of(reference, counts(reference, values[10_000:] * by.scale + by.offset))
    assert found is not None
    assert found.says == says


def test_where_several_units_fit_none_is_claimed() -> None:
    """The cells of a column without a telling name hold Celsius as well as metres."""
    reference = bins(FAHRENHEIT[:10_000])
    found = conversion_of(reference, counts(reference, FAHRENHEIT[10_000:] / 1.8 - 32 / 1.8))
    assert found is not None
    assert found.says.startswith("another unit, such as ")


def test_what_lies_wholly_outside_the_range_could_be_anything() -> None:
    reference = bins(MILES[:10_000])
    assert conversion_of(reference, counts(reference, MILES[10_000:] / 1000)) is None


def test_any_scale_and_offset_is_told_with_its_numbers() -> None:
    reference = bins(FAHRENHEIT[:10_000])
    found = conversion_of(reference, counts(reference, FAHRENHEIT[10_000:] * 0.7 + 40))
    assert found is not None
    assert (found.scale, found.offset) == (pytest.approx(0.7, abs=0.05), pytest.approx(40, abs=4))
    assert found.says == f"values of {found.scale:.3g} times what they were, {found.offset:+.3g}"


def test_a_cold_spell_or_another_shape_is_not_a_unit() -> None:
    reference = bins(FAHRENHEIT[:10_000])
    for now in (
        FAHRENHEIT[10_000:],
        FAHRENHEIT[10_000:] - 3,
        FAHRENHEIT[10_000:] - 12,
        np.where(RNG.random(10_000) < 0.5, 20.0, FAHRENHEIT[10_000:]),
        RNG.choice([30.0, 90.0], 10_000),
    ):
        assert conversion_of(reference, counts(reference, now)) is None


def test_words_and_few_rows_have_no_unit() -> None:
    words = build(pl.DataFrame({"x": ["a", "b"] * 500})).features[0]
    assert conversion_of(words, np.full(20, 50)) is None
    reference = bins(FAHRENHEIT)
    assert conversion_of(reference, counts(reference, FAHRENHEIT[:20] / 1.8 - 18)) is None


def test_days_are_held_against_the_days_before_where_the_reference_is_of_another_season() -> None:
    """August's dew points in Celsius: values that spring had, in spring's own unit."""
    year = bins(RNG.normal(38, 15, 10_000), "dewp")
    before = counts(year, RNG.normal(62, 6, 4_000))
    fault = (RNG.normal(60, 6, 4_000) - 32) / 1.8
    assert conversion_of(year, counts(year, fault)) is None
    found = conversion_of(year, counts(year, fault), before)
    assert found is not None
    assert found.says == "Celsius in place of Fahrenheit"
    for weather in (RNG.normal(45, 6, 4_000), RNG.normal(52, 5, 4_000)):
        assert conversion_of(year, counts(year, weather), before) is None
    nameless = replace(year, name="x1")
    assert conversion_of(nameless, counts(year, fault), before) is None, "so rough a fit needs a name that says so"
