"""The query adapter's promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save

from embedding_studio.inference.adapter import QueryAdapter
from embedding_studio.kernel.errors import InvalidError

DIMENSIONS = 12
RANK = 3


def unit_vectors(count: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def random_adapter(seed: int) -> QueryAdapter:
    random = np.random.default_rng(seed)
    down, up = random.normal(size=(2, RANK, DIMENSIONS)).astype(np.float32)
    return QueryAdapter(down=down, up=np.ascontiguousarray(up.T))


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(0, 20))
def test_zero_up_is_the_identity_on_unit_vectors(seed: int, count: int) -> None:
    adapter = QueryAdapter(down=random_adapter(seed).down, up=np.zeros((DIMENSIONS, RANK), np.float32))
    queries = unit_vectors(count, seed)
    np.testing.assert_allclose(adapter.apply(queries), queries, atol=1e-6)


@given(seeds, st.integers(1, 20))
def test_a_row_does_not_depend_on_its_neighbours(seed: int, count: int) -> None:
    adapter, queries = random_adapter(seed), unit_vectors(count, seed)
    together = adapter.apply(queries)
    for row in range(count):
        np.testing.assert_allclose(adapter.apply(queries[row : row + 1])[0], together[row], atol=1e-6)


@given(seeds, st.integers(1, 20))
def test_what_comes_out_has_norm_one_and_float32(seed: int, count: int) -> None:
    adapted = random_adapter(seed).apply(unit_vectors(count, seed))
    np.testing.assert_allclose(np.linalg.norm(adapted, axis=1), 1.0, atol=1e-5)
    assert adapted.dtype == np.float32


@given(seeds)
def test_it_is_the_formula(seed: int) -> None:
    adapter, (query,) = random_adapter(seed), unit_vectors(1, seed)
    moved = query + adapter.up @ (adapter.down @ query)
    np.testing.assert_allclose(adapter.apply(query[None])[0], moved / np.linalg.norm(moved), atol=1e-5)


def test_a_vector_that_is_cancelled_stays_zero() -> None:
    eye = np.eye(DIMENSIONS, dtype=np.float32)
    assert not QueryAdapter(down=eye, up=-eye).apply(unit_vectors(2, 0)).any()


@given(seeds)
def test_bytes_bring_back_the_same_numbers(seed: int) -> None:
    adapter = random_adapter(seed)
    again = QueryAdapter.from_bytes(adapter.to_bytes())
    np.testing.assert_array_equal(again.down, adapter.down)
    np.testing.assert_array_equal(again.up, adapter.up)
    assert again.dimensions == DIMENSIONS


def zeros(*shape: int, dtype: type = np.float32) -> NDArray[np.generic]:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not safetensors at all",
        save({"down": zeros(2, 4)}),
        save({"down": zeros(2, 4), "up": zeros(4, 2), "more": zeros(1)}),
        save({"down": zeros(2, 4), "up": zeros(2, 4)}),
        save({"down": zeros(8), "up": zeros(8)}),
        save({"down": zeros(0, 4), "up": zeros(4, 0)}),
        save({"down": zeros(2, 4, dtype=np.float64), "up": zeros(4, 2)}),
        save({"down": zeros(2, 4), "up": np.full((4, 2), np.nan, np.float32)}),
        save({"down": np.full((2, 4), np.inf, np.float32), "up": zeros(4, 2)}),
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidError):
        QueryAdapter.from_bytes(content)


def test_a_cut_file_is_refused() -> None:
    with pytest.raises(InvalidError):
        QueryAdapter.from_bytes(random_adapter(0).to_bytes()[:-1])
