"""Units are spread over variants by a hash: always alike, in the shares that are asked for, each experiment anew."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from embedding_studio.experiments.domain import variant_of

UNITS = [f"user-{number}" for number in range(4_000)]

units, salts = st.text(max_size=40), st.text(alphabet="0123456789abcdef", min_size=32, max_size=32)
shares = st.floats(0, 1)


@given(units, salts, shares)
def test_a_unit_is_always_in_the_same_variant(unit: str, salt: str, traffic: float) -> None:
    assert variant_of(unit, salt=salt, traffic=traffic) == variant_of(unit, salt=salt, traffic=traffic)


@given(units, salts, shares, shares)
def test_with_more_traffic_who_is_in_it_stays_where_he_is(unit: str, salt: str, some: float, other: float) -> None:
    less, more = sorted((some, other))
    before = variant_of(unit, salt=salt, traffic=less)
    assert before is None or variant_of(unit, salt=salt, traffic=more) == before


@given(units, salts)
def test_no_traffic_is_nobody_and_all_traffic_is_everybody(unit: str, salt: str) -> None:
    assert variant_of(unit, salt=salt, traffic=0.0) is None
    assert variant_of(unit, salt=salt, traffic=1.0) is not None


@settings(max_examples=25)
@given(salts, st.sampled_from([0.1, 0.37, 0.5, 1.0]))
def test_the_shares_are_those_asked_for(salt: str, traffic: float) -> None:
    """Within six standard deviations, which chance exceeds once in 10⁹ draws."""
    found = Counter(variant_of(unit, salt=salt, traffic=traffic) for unit in UNITS)
    inside = found["control"] + found["treatment"]
    assert abs(inside - traffic * len(UNITS)) <= 6 * (len(UNITS) * traffic * (1 - traffic)) ** 0.5
    assert abs(found["treatment"] - inside / 2) <= 6 * (inside / 4) ** 0.5


@settings(max_examples=25)
@given(salts, salts)
def test_another_salt_spreads_units_anew(one: str, other: str) -> None:
    if one == other:
        return
    same = sum(variant_of(unit, salt=one, traffic=1.0) == variant_of(unit, salt=other, traffic=1.0) for unit in UNITS)
    assert abs(same - len(UNITS) / 2) <= 6 * (len(UNITS) / 4) ** 0.5


@settings(max_examples=25)
@given(salts)
def test_who_is_in_an_experiment_says_nothing_of_the_variant(salt: str) -> None:
    half = [one for unit in UNITS if (one := variant_of(unit, salt=salt, traffic=0.5))]
    assert abs(half.count("treatment") - len(half) / 2) <= 6 * (len(half) / 4) ** 0.5
