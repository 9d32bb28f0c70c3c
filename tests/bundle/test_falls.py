"""What a fault of a field leads to: a warning, null, another value, a lower rung or a refusal, field by field."""

from typing import Any

import pytest

from outlast.bundle.falls import Lower, Policy, parted
from outlast.bundle.requests import Asked, Decoder
from outlast.data.schema import Field
from outlast.errors import ContractError, RequestError
from outlast.project.contract import parse_contract

NOW = 1_700_000_000_000_000
WIND = Field("wind", "Float64")
SHOP = Field("shop", "String", nulls=0.2, categories=["east", "west"])
LADDER = 'ladder = ["full", "simpler", "default", "refuse"]\n'
RANGES = "\n[data.asked.ranges]\nwind = [0, 50]"


def decode(said: str, **given: Any) -> Asked:
    contract = parse_contract(f"[serving]\n{LADDER}{said}{RANGES}")
    return Decoder([WIND, SHOP], [], None, Policy.of(contract, "asked")).decode(given, 4, NOW)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"shop": "east"}, "'wind' is missing"),
    "malformed": ({"wind": "strong", "shop": "east"}, "'wind' is the text 'strong': expected a number"),
    "outside": ({"wind": 60, "shop": "east"}, "'wind' is 60, outside the contract's range 0 to 50"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("everywhere", [True, False])
def test_each_fault_of_a_field_leads_where_the_contract_says(fault: str, everywhere: bool) -> None:
    given, says = FAULTS[fault]
    key = f'{fault} = "THEN"' if everywhere else f'fields = {{ wind = {{ {fault} = "THEN" }} }}'
    came = 60.0 if fault == "outside" else None
    warned = decode(key.replace("THEN", "warn"), **given)
    assert (warned.values, warned.warnings, warned.lower) == ([came, "east"], [says], None)
    assert decode(key.replace("THEN", "null"), **given).values == [None, "east"]
    for rung in ("simpler", "default"):
        fell = decode(key.replace("THEN", rung), **given)
        assert (fell.lower, fell.warnings) == (Lower(rung, (says,), (f"{fault}:wind",)), [])  # type: ignore[arg-type]
        assert fell.values == [came, "east"]
    with pytest.raises(RequestError, match=r"^Row 4, field 'wind' is ") as caught:
        decode(key.replace("THEN", "refuse"), **given)
    assert caught.value.details == {"row": 4, "field": "wind", "cause": f"{fault}:wind"}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_value_takes_the_place_and_the_answer_says_so(fault: str) -> None:
    given, says = FAULTS[fault]
    found = decode(f"fields = {{ wind = {{ {fault} = {{ use = 3 }} }} }}", **given)
    assert found.values == [3.0, "east"]
    assert found.warnings == [f"{says}: 3.0 is used instead"]


def test_a_category_never_seen_has_a_policy_of_its_own() -> None:
    assert decode('fields = { shop = { unseen = { use = "west" } } }', wind=1, shop="north").values == [1.0, "west"]
    assert decode('fields = { shop = { unseen = "null" } }', wind=1, shop="north").values == [1.0, None]
    lower = decode('unseen = "default"', wind=1, shop="north").lower
    assert lower == Lower("default", ("'shop' is 'north', which training never saw",), ("unseen:shop",))


def test_what_is_said_of_all_spares_what_training_saw_missing_and_what_is_said_of_one_does_not() -> None:
    spared = decode('missing = "simpler"', wind=1)
    assert (spared.lower, spared.warnings) == (None, ["'shop' is missing"])
    for given in ({}, {"shop": None}):
        lower = decode('fields = { shop = { missing = "simpler" } }', wind=1, **given).lower
        assert lower is not None
        assert lower.causes == ("missing:shop",)


def test_a_row_with_several_faults_falls_to_the_lowest_and_keeps_every_reason() -> None:
    said = 'missing = "simpler"\nunseen = "default"\nfields = { wind = { missing = "warn" } }'
    found = decode(said, shop="north", extra=1)
    assert found.lower is not None
    assert (found.lower.rung, found.lower.causes) == ("default", ("unseen:shop",))
    assert [warning.split(" ")[0] for warning in found.warnings] == ["'wind'", "'extra'"]
    both = decode('missing = "default"\nunseen = "simpler"', shop="north").lower
    assert both is not None
    assert (both.rung, both.causes) == ("default", ("missing:wind", "unseen:shop"))


def test_a_row_as_it_should_be_has_no_notes() -> None:
    found = decode('missing = "simpler"', wind=1, shop="east")
    assert (found.values, found.warnings, found.lower) == ([1.0, "east"], [], None)
    assert parted(["one"]) == (["one"], None)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("fields = { wnd = {} }", "'serving.fields.wnd' is no field that is asked for: did you mean 'wind'?"),
        (
            'fields = { wind = { missing = { use = "x" } } }',
            "'serving.fields.wind.missing' uses 'x', which is no value",
        ),
    ],
)
def test_a_policy_that_fits_no_field_is_refused_before_anything_is_answered(said: str, says: str) -> None:
    with pytest.raises(ContractError) as caught:
        decode(said, wind=1)
    assert says in str(caught.value)


def test_which_fields_a_row_needs_follows_from_it() -> None:
    policy = Policy.of(
        parse_contract('[serving]\nfields = { a = { missing = "refuse" }, b = { missing = "warn" } }'), ""
    )
    assert [policy.requires(name, nulls=nulls) for name in "abc" for nulls in (True, False)] == [
        *(True, True),
        *(False, False),
        *(False, True),
    ]


def test_what_leads_to_no_lower_rung_is_a_warning_beside_what_does() -> None:
    old, odd = Lower("full", ("a source is old",), ("stale:wind",)), Lower("simpler", ("odd",), ("unseen:origin",))
    for both in (old.beside(odd), odd.beside(old)):
        assert both == Lower("simpler", ("odd",), ("unseen:origin",), ("a source is old",))
    worse = Lower("default", ("gone",), ("missing:x",))
    assert old.beside(odd).beside(worse) == Lower(
        "default", ("odd", "gone"), ("unseen:origin", "missing:x"), ("a source is old",)
    )
    assert old.beside(old).rung == "full"
