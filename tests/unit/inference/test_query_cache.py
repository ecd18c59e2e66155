"""Vectors of queries are kept by encoder and text, the newest ones alone."""

import numpy as np
import pytest

from embedding_studio.inference.query_cache import QueryCache
from embedding_studio.sdk import EncoderSource

ONE = EncoderSource("trained/1/2/0123456789abcdef", "", "")
OTHER = EncoderSource("trained/1/3/0123456789abcdef", "", "")
VECTOR = np.ones(3, np.float32)


def test_encoders_do_not_share_vectors() -> None:
    cache = QueryCache(2)
    cache.keep(ONE, "sofa", VECTOR)
    assert cache.get(OTHER, "sofa") is None
    found = cache.get(ONE, "sofa")
    assert found is not None
    assert found.tolist() == [1, 1, 1]


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = QueryCache(2)
    for text in ("a", "b"):
        cache.keep(ONE, text, VECTOR)
    cache.get(ONE, "a")
    cache.keep(ONE, "c", VECTOR)
    assert [cache.get(ONE, text) is not None for text in "abc"] == [True, False, True]


def test_a_cache_of_nothing_keeps_nothing() -> None:
    cache = QueryCache(0)
    cache.keep(ONE, "a", VECTOR)
    assert cache.get(ONE, "a") is None


def test_nobody_can_change_what_others_will_get() -> None:
    cache = QueryCache(1)
    vector = VECTOR.copy()
    cache.keep(ONE, "a", vector)
    vector[:] = 0
    found = cache.get(ONE, "a")
    assert found is not None
    assert found.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 5
