"""Filters are read strictly, and what is wrong is named."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store.filters import (
    All,
    And,
    AnyOf,
    Condition,
    Equal,
    Exists,
    Not,
    Or,
    Phrase,
    Prefix,
    Words,
    parse_filter,
)


def test_a_leaf_may_hold_several_operators() -> None:
    assert parse_filter({"field": "a.b", "gte": 1, "lt": 2.5}) == And(
        (Condition(("a", "b"), "gte", 1), Condition(("a", "b"), "lt", 2.5))
    )


def test_operators_that_are_short_for_others() -> None:
    assert parse_filter({"field": "a", "ne": 1}) == Not(Equal(("a",), (1,)))
    assert parse_filter({"field": "a", "exists": False}) == Not(Exists(("a",)))
    assert parse_filter({"or": [{"field": "a", "in": []}, {"not": {"field": "b", "eq": None}}]}) == Or(
        (Equal(("a",), ()), Not(Equal(("b",), (None,))))
    )


def test_operators_on_arrays_and_strings() -> None:
    assert parse_filter({"field": "a", "any": ["x", 1]}) == AnyOf(("a",), ("x", 1))
    assert parse_filter({"field": "a", "all": ["x", None]}) == All(("a",), ("x", None))
    assert parse_filter({"field": "a", "match": "oak table"}) == Words(("a",), "oak table")
    assert parse_filter({"field": "a", "phrase": "oak table"}) == Phrase(("a",), "oak table")
    assert parse_filter({"field": "a", "prefix": ""}) == Prefix(("a",), "")


def test_all_of_nothing_is_there_in_every_field() -> None:
    assert parse_filter({"field": "a", "all": []}) == Exists(("a",))
    assert parse_filter({"field": "a", "any": []}) == AnyOf(("a",), ())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00:00.5z", datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31 12:00:00.123456789Z", datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-01-31T12:00:00-05:30", datetime(2026, 1, 31, 12, tzinfo=timezone(-timedelta(hours=5, minutes=30)))),
    ],
)
def test_times_are_read_to_the_microsecond(text: str, moment: datetime) -> None:
    assert parse_filter({"field": "a", "lt": text}) == Condition(("a",), "lt", moment)


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ([], "filter"),
        ({}, "filter"),
        ({"field": "a"}, "filter"),
        ({"field": 1, "eq": 1}, "filter.field"),
        ({"field": "", "eq": 1}, "filter.field"),
        ({"field": "a..b", "eq": 1}, "filter.field"),
        ({"field": "a\0", "eq": 1}, "filter.field"),
        ({"field": "a", "eq": "\0"}, "filter.eq"),
        ({"field": "a", "eq": [1]}, "filter.eq"),
        ({"field": "a", "like": "x"}, "filter.like"),
        ({"field": "a", "in": 1}, "filter.in"),
        ({"field": "a", "in": [1, {}]}, "filter.in[1]"),
        ({"field": "a", "gte": "soon"}, "filter.gte"),
        ({"field": "a", "gte": "2026-13-01T00:00:00Z"}, "filter.gte"),
        ({"field": "a", "gte": "2026-02-30T00:00:00Z"}, "filter.gte"),
        ({"field": "a", "gte": "2026-01-01"}, "filter.gte"),
        ({"field": "a", "gte": "2026-01-01T00:00:00"}, "filter.gte"),
        ({"field": "a", "gte": "2026-01-01T00:00:00Z\n"}, "filter.gte"),
        ({"field": "a", "gte": "٢٠٢٦-01-01T00:00:00Z"}, "filter.gte"),
        ({"field": "a", "gte": "0000-01-01T00:00:00Z"}, "filter.gte"),
        ({"field": "a", "gte": "0001-01-01T00:00:00+01:00"}, "filter.gte"),
        ({"field": "a", "gte": math.inf}, "filter.gte"),
        ({"field": "a", "gte": math.nan}, "filter.gte"),
        ({"field": "a", "gte": 10**30}, "filter.gte"),
        ({"field": "a", "eq": 10**5000}, "filter.eq"),
        ({"field": "a", "eq": -math.inf}, "filter.eq"),
        ({"field": "a", "eq": "\ud800"}, "filter.eq"),
        ({"field": "\ud800", "eq": 1}, "filter.field"),
        ({"field": "a", "any": "x"}, "filter.any"),
        ({"field": "a", "any": ["x", ["y"]]}, "filter.any[1]"),
        ({"field": "a", "any": ["x"] * 10_001}, "filter.any"),
        ({"field": "a", "all": {"x": 1}}, "filter.all"),
        ({"field": "a", "all": ["x", "\0"]}, "filter.all[1]"),
        ({"field": "a", "match": 1}, "filter.match"),
        ({"field": "a", "match": "x\0"}, "filter.match"),
        ({"field": "a", "match": "x" * 1_001}, "filter.match"),
        ({"field": "a", "phrase": ["x"]}, "filter.phrase"),
        ({"field": "a", "prefix": None}, "filter.prefix"),
        ({"field": "a", "prefix": "\udfff"}, "filter.prefix"),
        ({"field": "a", "lt": True}, "filter.lt"),
        ({"field": "a", "exists": 1}, "filter.exists"),
        ({"and": []}, "filter.and"),
        ({"xor": []}, "filter.xor"),
        ({"and": [{"field": "a", "eq": 1}, {"or": [{"not": 5}]}]}, "filter.and[1].or[0].not"),
        ({"and": [{"field": "a", "eq": 1}], "or": [{"field": "a", "eq": 1}]}, "filter"),
        ({"and": [{"field": "a", "eq": 1}] * 1000}, "filter.and[999]"),
    ],
)
def test_what_is_wrong_is_named(tree: Any, place: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_filter(tree)
    assert caught.value.errors[0].field == place


def test_a_deep_filter_is_refused() -> None:
    tree: dict[str, Any] = {"field": "a", "eq": 1}
    for _ in range(32):
        tree = {"not": tree}
    with pytest.raises(InvalidError, match="32 levels"):
        parse_filter(tree)
