"""Filters are read strictly, and what is wrong is named."""

from typing import Any

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store.filters import And, Condition, Equal, Exists, Not, Or, parse_filter


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
