"""Shares of a score: bounded, whatever an item's payload holds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk.rankers import (
    BoostPart,
    CrossEncoderRerank,
    FieldBoost,
    PopularityBoost,
    RecencyBoost,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BOOSTS: list[BoostPart] = [
    RecencyBoost(field="a", half_life_days=30, cap=0.2),
    RecencyBoost(field="a.b", half_life_days=5e-324, cap=0.2),
    PopularityBoost(field="a", typical=100, cap=0.3),
    PopularityBoost(field="a.b", typical=5e-324, cap=0.3),
    FieldBoost(field="a", weights={"x": 1, 1: -0.5}, cap=0.4),
    FieldBoost(field="a.b", cap=0.4),
    FieldBoost(field="a", scale=5e-324, cap=0.4),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=10),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.sampled_from(["x", "2026-05-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner)),
    max_leaves=8,
)


def share(boost: BoostPart, value: Any) -> float:
    return boost.build()({"a": value}, NOW)


@given(st.dictionaries(st.sampled_from("abc"), values))
def test_shares_keep_their_bounds_for_any_payload(payload: dict[str, Any]) -> None:
    for boost in BOOSTS:
        assert -boost.cap <= boost.build()(payload, NOW) <= boost.cap
        assert boost.build()(payload, NOW) == boost.build()(payload, NOW)


@pytest.mark.parametrize("boost", BOOSTS)
@pytest.mark.parametrize("value", [None, {}, [], "odd", [{}], {"b": None}, float("nan"), 10**400, ""])
def test_what_says_nothing_gives_no_share(boost: BoostPart, value: object) -> None:
    assert share(boost, value) == 0
    assert boost.build()({}, NOW) == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-06-01T00:00:00Z", 0.2),
        ("2026-05-02", 0.1),
        ("2026-05-02T02:00:00+02:00", 0.1),
        (["2020-01-01", "2026-05-02"], 0.1),
        ("2027-01-01", 0.2),
        ("1026-01-01", 0.0),
        (1_780_000_000, 0.0),
    ],
)
def test_the_new_gets_more_than_the_old(value: object, expected: float) -> None:
    assert share(BOOSTS[0], value) == pytest.approx(expected)


@given(st.timedeltas(timedelta(0), timedelta(days=9000)), st.timedeltas(timedelta(0), timedelta(days=9000)))
def test_no_older_item_gets_more(one: timedelta, other: timedelta) -> None:
    newer, older = (share(BOOSTS[0], (NOW - age).isoformat()) for age in sorted([one, other]))
    assert newer >= older


@pytest.mark.parametrize(
    ("value", "expected"),
    [(100, 0.15), (300, 0.225), ([1, 100], 0.15), (0, 0), (-5, 0), (True, 0), (1e308, 0.3), ("100", 0)],
)
def test_the_popular_gets_more_and_never_more_than_the_cap(value: object, expected: float) -> None:
    assert share(BOOSTS[2], value) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("x", 0.4), (1, -0.2), (1.0, -0.2), (["x", 1], 0.2), (["x", "x"], 0.4), ("y", 0), (True, 0), (False, 0)],
)
def test_values_have_weights(value: object, expected: float) -> None:
    assert share(BOOSTS[4], value) == pytest.approx(expected)


def test_true_is_not_one() -> None:
    boost = FieldBoost(field="a", weights={True: 0.5}, cap=1)
    assert (share(boost, value=True), share(boost, value=1)) == (0.5, 0)


@pytest.mark.parametrize(("value", "expected"), [(2.5, 0.25), (-2.5, -0.25), (50, 0.5), (-50, -0.5), (True, 0)])
def test_a_number_may_be_the_weight_itself(value: object, expected: float) -> None:
    assert share(FieldBoost(field="a", scale=5, cap=0.5), value) == pytest.approx(expected)


def test_a_field_may_lie_deeper() -> None:
    assert FieldBoost(field="a.b", cap=0.5).build()({"a": {"b": 1}}, NOW) == 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda number: RecencyBoost(field="a", half_life_days=number),
        lambda number: RecencyBoost(field="a", half_life_days=1, cap=number),
        lambda number: PopularityBoost(field="a", typical=number),
        lambda number: PopularityBoost(field="a", typical=1, cap=number),
        lambda number: FieldBoost(field="a", scale=number),
        lambda number: FieldBoost(field="a", cap=number),
        lambda number: CrossEncoderRerank(model="a", weight=number),
        lambda number: CrossEncoderRerank(model="a", top=number),
    ],
)
@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
def test_what_would_bound_nothing_is_refused(make: Callable[[float], object], number: float) -> None:
    with pytest.raises(ValueError, match="must"):
        make(number)


@pytest.mark.parametrize("weight", [1.1, -2, float("nan")])
def test_weights_lie_between_minus_one_and_one(weight: float) -> None:
    with pytest.raises(ValueError, match="weights"):
        FieldBoost(field="a", weights={"x": weight})


def test_a_cross_encoder_is_a_source_of_its_own() -> None:
    rerank = CrossEncoderRerank(model="cross-encoder/tiny")
    assert rerank.build() == rerank.build()
    assert (rerank.build().kind, rerank.build().model) == ("pair", "cross-encoder/tiny")
    with pytest.raises(ValueError, match="blank"):
        CrossEncoderRerank(model=" ")


def test_explanations_can_tell_boosts_apart() -> None:
    assert [boost.name for boost in BOOSTS[:5]] == [
        "recency:a",
        "recency:a.b",
        "popularity:a",
        "popularity:a.b",
        "field:a",
    ]
