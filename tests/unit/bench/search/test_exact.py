import numpy as np
import pytest

from embedding_studio.bench.search.exact import mean_recall, recall

COSINES = np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32)


@pytest.mark.parametrize(
    ("found", "share"),
    [([0, 1], 1.0), ([1, 0], 1.0), ([0, 2], 0.5), ([3, 4], 0.0), ([], 0.0), ([0, 0], 0.5)],
)
def test_recall_is_the_share_of_the_nearest_that_were_found(found: list[int], share: float) -> None:
    assert recall(COSINES, found, 2) == share


def test_an_item_as_near_as_the_last_of_the_nearest_is_one_of_them() -> None:
    assert recall(np.array([0.9, 0.8, 0.8], np.float32), [0, 2], 2) == 1.0


def test_under_a_filter_only_matching_items_count() -> None:
    matching = np.array([False, True, False, True, True])
    assert recall(COSINES, [1, 3], 2, matching) == 1.0
    assert recall(COSINES, [0, 1], 2, matching) == 0.5


def test_where_fewer_match_than_were_asked_for_all_of_them_must_be_found() -> None:
    matching = np.array([False, True, False, True, False])
    assert recall(COSINES, [1, 3], 100, matching) == 1.0
    assert recall(COSINES, [1], 100, matching) == 0.5
    assert recall(COSINES, [], 100, np.zeros(5, np.bool_)) == 1.0


def test_the_mean_is_taken_over_all_queries() -> None:
    vectors = np.eye(4, dtype=np.float32)
    queries = np.repeat(np.eye(4, dtype=np.float32)[:1], 401, axis=0)
    found = [[0]] * 400 + [[3]]
    assert mean_recall(vectors, queries, found, 1) == pytest.approx(400 / 401)
