"""Queries as they are stored."""

from typing import Any

import bson
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.clickstream.models import packed, unpacked

NUMBERS = st.lists(st.floats(-1e9, 1e9, width=32), max_size=50)


def stored(query: dict[str, Any]) -> dict[str, Any]:
    return dict(bson.decode(bson.encode(packed(query))))


@given(numbers=NUMBERS)
def test_a_vector_comes_back_as_the_numbers_that_were_searched(numbers: list[float]) -> None:
    assert unpacked(stored({"vector": numbers})) == {"vector": pytest.approx(numbers, rel=1e-6)}
    for given_vector in (numbers, np.asarray(numbers, np.float32)):
        read = unpacked(stored({"vector": given_vector}))["vector"]
        assert np.asarray(read, np.float32).tobytes() == np.asarray(numbers, np.float32).tobytes()


def test_numbers_come_back_as_short_as_they_were() -> None:
    query = {"vector": [0.1, -0.25, 3.0, 1e-9, 123456.7]}
    assert unpacked(stored(query)) == query


def test_a_vector_is_four_bytes_a_number() -> None:
    assert len(bson.encode(packed({"vector": [0.1] * 1000}))) < 4_050


@pytest.mark.parametrize("query", [{"text": "red sofa"}, {"text": "sofa", "vector": None}, {"vector": [0.1, 0.2]}])
def test_what_is_no_packed_vector_is_left_as_it_is(query: dict[str, Any]) -> None:
    """The last one is how sessions were stored before."""
    assert unpacked(query) == query
    assert query.get("vector") or packed(query) == query
