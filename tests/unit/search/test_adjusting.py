"""What is remembered is a part of the score, and nothing else changes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk import ClickMemory, Remembered
from embedding_studio.search.adjusting import adjusted
from embedding_studio.search.domain import Candidate
from embedding_studio.search.fusion import by_score
from embedding_studio.vector_store import Hit

scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), max_size=8)
distinct = st.lists(st.integers(-1000, 1000), unique=True, min_size=2, max_size=40).map(
    lambda numbers: {f"{place:02}": number / 1000 for place, number in enumerate(numbers)}
)
strengths = st.floats(0, 10)


def candidates(of: dict[str, float]) -> list[Candidate]:
    return by_score(Candidate(Hit(item, 0, 1 - score, {}), vector=score) for item, score in of.items())


def rank(of: dict[str, float], item: str, remembered: Remembered, adjuster: ClickMemory) -> int:
    page = adjusted(candidates(of), {item: remembered}, adjuster)
    return [one.hit.item_id for one in page].index(item)


@given(scores)
def test_what_nothing_is_known_of_is_as_it_was(of: dict[str, float]) -> None:
    known = {"none of them": Remembered(1, 0, 1, 0, 2)}
    assert adjusted(candidates(of), known, ClickMemory()) == candidates(of)


@given(scores, st.dictionaries(st.sampled_from("abcdefgh"), st.builds(Remembered, strengths, strengths)))
def test_the_askers_own_clicks_count_in_full(of: dict[str, float], known: dict[str, Remembered]) -> None:
    memory = ClickMemory(cap=1)
    found = adjusted(candidates(of), known, memory)
    assert {one.hit.item_id: one.score for one in found} == {
        item: score + 0.0 + (memory.gain(known[item]) if item in known else 0.0) for item, score in of.items()
    }
    assert found == by_score(found)


@given(distinct, strengths, strengths, st.integers(1, 20), st.integers(1, 5), st.data())
def test_no_voice_moves_an_item_by_more_than_its_places(
    of: dict[str, float], up: float, down: float, voices: int, places: int, data: st.DataObject
) -> None:
    item = data.draw(st.sampled_from(sorted(of)))
    up, down = data.draw(st.sampled_from([(up, 0.0), (0.0, down)]))
    memory = ClickMemory(cap=2, negative_cap=1, places=places)
    heard = [Remembered(0, 0, up * one / voices, down * one / voices, one) for one in range(voices + 1)]
    ranks = [rank(of, item, one, memory) for one in heard]
    assert all(abs(after - before) <= places for before, after in pairwise(ranks))
    free = rank(of, item, heard[-1], ClickMemory(cap=2, negative_cap=1, places=None))
    assert min(ranks[0], free) <= ranks[-1] <= max(ranks[0], free)
    if abs(free - ranks[0]) <= places:
        assert ranks[-1] == free
    (share,) = [one.memory for one in adjusted(candidates(of), {item: heard[-1]}, memory) if one.hit.item_id == item]
    assert min(0.0, memory.gain(heard[-1])) <= share <= max(0.0, memory.gain(heard[-1]))


def test_without_protection_one_voice_is_enough() -> None:
    of = {f"{place:02}": 1 - place / 100 for place in range(20)}
    one = Remembered(0, 0, 3, 0, 1)
    assert [rank(of, "19", one, ClickMemory(cap=1, places=places)) for places in (None, 3)] == [0, 16]
