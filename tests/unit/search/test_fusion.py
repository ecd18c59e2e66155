"""Two rankings become one, and what is behind the candidates stays behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk import Fusion, ReciprocalRank, WeightedMinMax
from embedding_studio.search.fusion import fuse, scale_behind
from embedding_studio.vector_store import Hit

ids = st.lists(st.sampled_from([f"i{n}" for n in range(12)]), unique=True, max_size=8)
fusions = st.one_of(st.builds(WeightedMinMax, st.floats(0, 1)), st.builds(ReciprocalRank, st.integers(1, 100)))


def hits(names: list[str], distances: list[float]) -> list[Hit]:
    return [Hit(name, 0, distance, {}) for name, distance in zip(names, sorted(distances), strict=True)]


@st.composite
def halves(draw: st.DrawFn, low: float, high: float) -> list[Hit]:
    names = draw(ids)
    return hits(names, draw(st.lists(st.floats(low, high), min_size=len(names), max_size=len(names))))


@given(fusions, halves(0, 2), halves(-30, -0.01), st.integers(1, 10))
def test_every_candidate_comes_once_in_the_order_of_its_score(
    fusion: Fusion, near: list[Hit], matching: list[Hit], depth: int
) -> None:
    fused = fuse(fusion, near, matching, metric="cosine", depth=depth)
    assert {one.hit.item_id for one in fused} == {hit.item_id for hit in (*near, *matching)}
    assert len(fused) == len({one.hit.item_id for one in fused})
    scores = [one.score for one in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= one.score <= 1 + 1e-9 for one in fused)


@given(halves(0, 1), halves(-30, -0.01), st.floats(1, 2))
def test_what_lies_behind_counts_no_more_than_any_candidate(near: list[Hit], matching: list[Hit], far: float) -> None:
    if near:
        fused = fuse(WeightedMinMax(), near, matching, metric="cosine", depth=100)
        span = near[-1].distance - near[0].distance
        behind = scale_behind(WeightedMinMax(), near, "cosine").share(1 - far)
        assert span == 0 or behind <= min(one.score for one in fused) + 1e-9


def test_weights_are_of_scores_and_reciprocal_ranks_are_not() -> None:
    near = hits(["a", "b", "c"], [0.1, 0.2, 0.9])
    matching = hits(["c", "a"], [-9.0, -3.0])
    weighted = fuse(WeightedMinMax(0.5), near, matching, metric="cosine", depth=2)
    assert {one.hit.item_id: one.score for one in weighted} == pytest.approx({"a": 0.5, "c": 0.5, "b": 0.4375})
    ranked = fuse(ReciprocalRank(1), near, matching, metric="cosine", depth=3)
    assert {one.hit.item_id: one.score for one in ranked} == pytest.approx({"a": 1 / 2 + 1 / 3, "c": 3 / 4, "b": 1 / 3})


def test_where_the_nearest_are_alike_what_lies_behind_them_counts_nothing() -> None:
    near = hits(["a", "b"], [0.2, 0.2])
    scale = scale_behind(WeightedMinMax(0.5), near, "cosine")
    assert (scale.share(0.8), scale.share(0.7)) == (0.5, 0.0)


def test_the_worst_of_few_matches_still_counts_for_its_words() -> None:
    """Where the words have no more matches, what does not match has a score of 0, and that is the lowest."""
    fused = fuse(WeightedMinMax(0), [], hits(["a", "b"], [-10.0, -9.0]), metric="cosine", depth=100)
    assert [one.score for one in fused] == pytest.approx([1.0, 0.9])
