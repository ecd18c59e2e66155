"""What is remembered is a part of the score, and nothing else changes."""

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.search.adjusting import adjusted
from embedding_studio.search.domain import Candidate
from embedding_studio.search.fusion import by_score
from embedding_studio.vector_store import Hit

scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), max_size=8)


def candidates(of: dict[str, float]) -> list[Candidate]:
    return by_score(Candidate(Hit(item, 0, 1 - score, {}), vector=score) for item, score in of.items())


@given(scores)
def test_without_a_boost_all_is_as_it_was(of: dict[str, float]) -> None:
    assert adjusted(candidates(of), {"none of them": 0.1}) == candidates(of)


@given(scores, st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-0.1, 0.1)))
def test_each_item_gains_its_own_and_the_best_comes_first(of: dict[str, float], boosts: dict[str, float]) -> None:
    found = adjusted(candidates(of), boosts)
    assert {one.hit.item_id: one.score for one in found} == {
        item: score + 0.0 + boosts.get(item, 0.0) for item, score in of.items()
    }
    assert found == by_score(found)
