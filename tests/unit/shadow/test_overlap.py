import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.shadow.overlap import overlap, rank_biased_overlap

RANKING = st.lists(st.integers(0, 14).map(str), unique=True, max_size=10)


@given(RANKING, RANKING)
def test_likeness_lies_between_nothing_and_all_and_has_no_direction(one: list[str], other: list[str]) -> None:
    for measure in (overlap, rank_biased_overlap):
        assert -1e-9 <= measure(one, other) <= 1 + 1e-9
        assert measure(one, other) == pytest.approx(measure(other, one))


@given(RANKING)
def test_the_same_is_the_same_and_strangers_share_nothing(one: list[str]) -> None:
    strangers = [f"other {item}" for item in one]
    for measure in (overlap, rank_biased_overlap):
        assert measure(one, one) == pytest.approx(1.0)
        assert measure(one, strangers) == (0.0 if one else 1.0)


@given(st.permutations([str(item) for item in range(10)]))
def test_the_order_of_the_same_ten_changes_the_one_and_not_the_other(shuffled: list[str]) -> None:
    ranking = [str(item) for item in range(10)]
    assert overlap(ranking, shuffled) == 1.0
    assert (rank_biased_overlap(ranking, shuffled) < 1 - 1e-9) == (shuffled != ranking)


def test_a_swap_on_top_weighs_more_than_one_below() -> None:
    ranking = list("abcdefghij")
    on_top, below = list("bacdefghij"), list("abcdefghji")
    assert rank_biased_overlap(ranking, on_top) < rank_biased_overlap(ranking, below) < 1


def test_ten_of_many_are_looked_at() -> None:
    assert overlap([str(n) for n in range(10)], [str(n) for n in range(20)]) == 1.0


@given(st.integers(0, 10**6))
def test_rank_biased_overlap_is_the_sum_of_the_agreements(seed: int) -> None:
    """Of lists of equal length, by the definition: what is beyond them agrees as far as the whole lists do."""
    chance = random.Random(seed)
    one, other = (chance.sample("abcdefghijklmno", 6) for _ in range(2))
    p = 0.9
    agreement = [len({*one[:d]} & {*other[:d]}) / d for d in range(1, 7)]
    direct = (1 - p) * sum(p ** (d - 1) * agreement[min(d, 6) - 1] for d in range(1, 2_000))
    assert rank_biased_overlap(one, other) == pytest.approx(direct, abs=1e-9)
