"""Ranking parts in memory."""

import numpy as np
import pytest

from embedding_studio.fine_tuning.preview import Preview
from embedding_studio.sdk import Metric

PARTS = {
    "two": [np.array([1, 0], np.float32), np.array([0, 1], np.float32)],
    "one": [np.array([0.8, 0.6], np.float32)],
    "far": [np.array([-1, 0], np.float32)],
}


def test_an_item_is_as_good_as_its_best_part() -> None:
    preview = Preview.of(PARTS, "cosine")
    assert preview.rank(np.array([0, 1], np.float32), ["far", "one"]).found == ("two", "one", "far")
    assert preview.rank(np.array([0, 1], np.float32), ["far", "one"]).shown == ("one", "far")


@pytest.mark.parametrize(("metric", "first"), [("cosine", "one"), ("dot", "long"), ("euclidean", "one")])
def test_each_metric_ranks_in_its_own_way(metric: Metric, first: str) -> None:
    parts = {"long": [np.array([9, 3], np.float32)], "one": [np.array([0.8, 0.6], np.float32)]}
    assert Preview.of(parts, metric).rank(np.array([0.8, 0.6], np.float32), []).found[0] == first
