"""How texts are grouped and padded before they meet the graph."""

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.inference.tokens import TEXTS_PER_BATCH, TOKENS_PER_BATCH, batches, padded

lengths = st.lists(st.integers(0, 2 * TOKENS_PER_BATCH), max_size=200)


@given(lengths)
def test_every_text_is_in_one_batch(lengths: list[int]) -> None:
    assert sorted(int(row) for rows in batches(lengths) for row in rows) == list(range(len(lengths)))


@given(lengths)
def test_batches_keep_their_bounds(lengths: list[int]) -> None:
    for rows in batches(lengths):
        assert 1 <= len(rows) <= TEXTS_PER_BATCH
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= TOKENS_PER_BATCH


@given(lengths)
def test_no_text_of_a_later_batch_is_longer(lengths: list[int]) -> None:
    in_order = [lengths[row] for rows in batches(lengths) for row in rows]
    assert in_order == sorted(lengths, reverse=True)


@given(st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=5))
def test_rows_are_padded_behind(rows: list[list[int]]) -> None:
    array = padded(rows)
    assert array.shape == (len(rows), max(1, *map(len, rows), 1))
    assert [[number for number in row if number] for row in array.tolist()] == rows
