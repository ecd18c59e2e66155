"""Which track is worth its price."""

import numpy as np

from embedding_studio.fine_tuning.tracks import beats, cheapest_unbeaten

RANDOM = np.random.default_rng(0)
CHEAP = RANDOM.uniform(0, 1, 100)


def test_a_dearer_track_must_be_better_by_more_than_its_interval() -> None:
    noisy = CHEAP + RANDOM.normal(0.005, 0.2, 100)
    assert cheapest_unbeaten([("cheap", CHEAP), ("dear", noisy)]) == "cheap"
    assert cheapest_unbeaten([("cheap", CHEAP), ("dear", CHEAP + RANDOM.normal(0.1, 0.2, 100))]) == "dear"


def test_the_dearest_is_compared_with_what_was_kept() -> None:
    dear = CHEAP + 0.1
    assert cheapest_unbeaten([("a", CHEAP), ("b", dear), ("c", dear + RANDOM.normal(0, 0.2, 100))]) == "b"


def test_one_query_shows_nothing() -> None:
    assert not beats(np.array([1.0]), np.array([0.0]))
    assert not beats(np.array([]), np.array([]))
