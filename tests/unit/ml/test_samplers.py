"""Which pairs come together."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.samplers import sampler_of

QUERIES = st.lists(st.integers(0, 20), min_size=1, max_size=200)


def batches(kind: str, queries: list[int], *, size: int = 8, epoch: int = 0, seed: int = 1) -> list[list[int]]:
    found: Any = sampler_of(kind, np.array(queries, np.int64))(queries, batch_size=size, drop_last=False, seed=seed)
    found.set_epoch(epoch)
    made = list(found)
    assert len(made) == len(found)
    return made


@given(QUERIES, st.sampled_from(["shuffled", "one_a_query"]))
def test_every_pair_comes_once_an_epoch(queries: list[int], kind: str) -> None:
    made = batches(kind, queries)
    assert sorted(row for batch in made for row in batch) == list(range(len(queries)))
    assert all(len(batch) == 8 for batch in made[:-1])


def test_no_two_pairs_of_a_query_meet_while_there_are_others() -> None:
    queries = [query for query in range(40) for _ in range(3)]
    for batch in batches("one_a_query", queries)[:-2]:
        assert len({queries[row] for row in batch}) == len(batch)


@given(QUERIES)
def test_every_query_comes_once_an_epoch_if_balanced(queries: list[int]) -> None:
    rows = [row for batch in batches("balanced", queries) for row in batch]
    assert Counter(queries[row] for row in rows) == Counter(set(queries))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    queries = list(range(50))
    assert batches("one_a_query", queries) == batches("one_a_query", queries)
    assert batches("one_a_query", queries) != batches("one_a_query", queries, epoch=1)
    assert batches("one_a_query", queries) != batches("one_a_query", queries, seed=2)


def test_short_batches_are_dropped_where_processes_share_them() -> None:
    found: Any = sampler_of("one_a_query", np.arange(20))(range(20), batch_size=8, drop_last=True)
    assert [len(batch) for batch in found] == [8, 8]
    assert len(found) == 2


def test_there_are_no_other_samplers() -> None:
    with pytest.raises(InvalidError, match="balanced"):
        sampler_of("clever", np.zeros(1, np.int64))
