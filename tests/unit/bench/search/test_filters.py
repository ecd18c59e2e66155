import pytest

from embedding_studio.bench.search.filters import chosen_group


def test_a_random_filter_knows_nothing_of_the_query() -> None:
    assert [chosen_group("random", 10, number=number, cluster=500) for number in (0, 9, 10)] == [0, 9, 0]


@pytest.mark.parametrize(("groups", "near", "far"), [(2, 1, 0), (10, 7, 2), (100, 73, 23), (1_000, 730, 230)])
def test_a_near_filter_lets_the_cluster_through_and_a_far_one_what_lies_across(
    groups: int, near: int, far: int
) -> None:
    assert chosen_group("near", groups, number=0, cluster=730) == near
    assert chosen_group("far", groups, number=0, cluster=730) == far
