"""Sort orders are read strictly, and what is wrong is named."""

from typing import Any

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store.sorting import SortKey, after, parse_sort
from embedding_studio.vector_store.sql import Parameters


def test_each_key_has_its_direction() -> None:
    keys = parse_sort([{"field": "a.b", "order": "desc"}, {"field": "c", "order": "asc"}, {"field": "d"}])
    assert keys == (SortKey(("a", "b"), descending=True), SortKey(("c",)), SortKey(("d",)))
    assert parse_sort([]) == ()


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (None, "sort"),
        ({"field": "a"}, "sort"),
        ([{"field": "a"}] * 9, "sort"),
        (["a"], "sort[0]"),
        ([{"order": "asc"}], "sort[0]"),
        ([{"field": "a"}, {"field": "a..b"}], "sort[1].field"),
        ([{"field": "\ud800"}], "sort[0].field"),
        ([{"field": ["a"]}], "sort[0].field"),
        ([{"field": "a", "order": "up"}], "sort[0].order"),
        ([{"field": "a", "order": ["asc"]}], "sort[0].order"),
        ([{"field": "a", "missing": "first"}], "sort[0].missing"),
    ],
)
def test_what_is_wrong_is_named(keys: Any, place: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_sort(keys)
    assert caught.value.errors[0].field == place


def test_a_cursor_of_another_order_is_refused() -> None:
    with pytest.raises(InvalidError, match="another sort order"):
        after([SortKey(("a",))], ([], 0.0, "x"), Parameters())
