"""Comparing parts in memory."""

import numpy as np
import pytest

from embedding_studio.fine_tuning.preview import Preview
from embedding_studio.sdk import Metric

PARTS = {
    "two": [np.array([1, 0], np.float32), np.array([0, 1], np.float32)],
    "one": [np.array([0.8, 0.6], np.float32)],
    "far": [np.array([-1, 0], np.float32)],
}
PAYLOADS = {item: {"title": item} for item in PARTS}


def test_an_item_is_as_near_as_its_best_part() -> None:
    hits = Preview.of(PARTS, PAYLOADS, "cosine").near(np.array([0, 2], np.float32))
    assert [(hit.item_id, hit.part_no) for hit in hits] == [("two", 1), ("one", 0), ("far", 0)]
    assert [hit.distance for hit in hits] == pytest.approx([0, 0.4, 1])
    assert hits[0].payload == {"title": "two"}


def test_equal_items_come_by_id() -> None:
    parts = {"b": PARTS["one"], "a": PARTS["one"]}
    hits = Preview.of(parts, {"a": {}, "b": {}}, "dot").near(np.array([0, 1], np.float32))
    assert [hit.item_id for hit in hits] == ["a", "b"]


@pytest.mark.parametrize(
    ("metric", "first", "distance"), [("cosine", "one", 0), ("dot", "long", -9), ("euclidean", "one", 0)]
)
def test_each_metric_compares_in_its_own_way(metric: Metric, first: str, distance: float) -> None:
    parts = {"long": [np.array([9, 3], np.float32)], "one": [np.array([0.8, 0.6], np.float32)]}
    hits = Preview.of(parts, {"long": {}, "one": {}}, metric).near(np.array([0.8, 0.6], np.float32))
    assert hits[0].item_id == first
    assert hits[0].distance == pytest.approx(distance, abs=1e-6)
