"""What is remembered is a part of the score, and nothing else changes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.search.adjusting import adjusted
from embedding_studio.search.domain import Candidate
from embedding_studio.search.fusion import by_score
from embedding_studio.vector_store import Hit

places = st.none() | st.integers(1, 4)
scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), max_size=8)


def candidates(of: dict[str, float]) -> list[Candidate]:
    return by_score(Candidate(Hit(item, 0, 1 - score, {}), vector=score) for item, score in of.items())


@given(scores, places)
def test_without_a_gain_all_is_as_it_was(of: dict[str, float], places: int | None) -> None:
    assert adjusted(candidates(of), {"none of them": (0.0, 0.1)}, places=places) == candidates(of)


@given(scores, st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-0.1, 0.1)), places)
def test_what_needs_no_other_gains_it_at_once(
    of: dict[str, float], gains: dict[str, float], places: int | None
) -> None:
    found = adjusted(candidates(of), {item: (gain,) for item, gain in gains.items()}, places=places)
    assert {one.hit.item_id: one.score for one in found} == {
        item: score + 0.0 + gains.get(item, 0.0) for item, score in of.items()
    }
    assert found == by_score(found)


distinct = st.lists(st.integers(-1000, 1000), unique=True, min_size=2, max_size=40).map(
    lambda numbers: {f"{place:02}": number / 1000 for place, number in enumerate(numbers)}
)


@given(distinct, st.data())
def test_no_voice_moves_an_item_by_more_than_its_places(of: dict[str, float], data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(sorted(of)))
    gains = (0.0, *data.draw(st.lists(st.floats(-0.5, 2), max_size=8)))
    places = data.draw(st.integers(1, 5))
    found = [adjusted(candidates(of), {item: gains[:heard]}, places=places) for heard in range(1, len(gains) + 1)]
    ranks = [[one.hit.item_id for one in page].index(item) for page in found]
    assert all(abs(after - before) <= places for before, after in pairwise(ranks))
    free = [one.hit.item_id for one in adjusted(candidates(of), {item: gains}, places=None)]
    start, reached, wanted = ranks[0], ranks[-1], free.index(item)
    assert abs(reached - start) <= places * (len(gains) - 1)
    if all(gain == gains[-1] for gain in gains[1:]):
        assert abs(reached - wanted) == max(0, abs(wanted - start) - places * (len(gains) - 1))
    shares = {one.hit.item_id: one.memory for one in found[-1]}
    assert min(gains) <= shares.pop(item) <= max(gains)
    assert set(shares.values()) <= {0.0}


def test_protections_off_one_voice_is_enough() -> None:
    of = {f"{place:02}": 1 - place / 100 for place in range(20)}
    ranks = [
        [one.hit.item_id for one in adjusted(candidates(of), {"19": (0.0, 0.5)}, places=places)].index("19")
        for places in (None, 3)
    ]
    assert ranks == [0, 16]
