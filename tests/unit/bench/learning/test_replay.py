from functools import cache

import numpy as np
import pytest

from embedding_studio.bench.learning.clicking import ClickedPages, click_rates, clicked
from embedding_studio.bench.learning.labels import ALL_CLICKED, JUDGMENTS, WAYS
from embedding_studio.bench.learning.replay import Replay
from embedding_studio.bench.learning.vectors import JudgedVectors
from embedding_studio.simulation.judged import JudgedSet

ITEMS, QUERIES, DIMENSIONS = 600, 500, 24


@cache
def replay() -> Replay:
    """Queries that ask for one item each, seen through a distortion that an adapter can undo."""
    random = np.random.default_rng(0)
    items = unit(random.normal(size=(ITEMS, DIMENSIONS)))
    asked = random.integers(0, ITEMS, QUERIES)
    distortion = random.normal(size=(DIMENSIONS, 3)) @ random.normal(size=(3, DIMENSIONS)) / DIMENSIONS
    queries = unit(
        items[asked] @ (np.eye(DIMENSIONS) + 4.0 * distortion) + random.normal(0, 0.15, (QUERIES, DIMENSIONS))
    )
    judged = JudgedSet(
        name="planted",
        items=[{"id": f"i{row}"} for row in range(ITEMS)],
        queries={f"q{row}": f"query {row}" for row in range(QUERIES)},
        gains={f"q{row}": {f"i{item}": 1.0} for row, item in enumerate(asked)},
        splits={f"q{row}": "train" if row % 5 else "test" for row in range(QUERIES)},
    )
    return Replay.of(judged, JudgedVectors(queries, items), shown=10)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_what_is_shown_is_ranked_by_the_base() -> None:
    base = replay()
    similarity = base.vectors.queries[base.train[0]] @ base.vectors.items.T
    assert base.shown[0].tolist() == np.argsort(-similarity)[:10].tolist()
    assert base.pages[0][0] == f"i{similarity.argmax()}"
    assert base.texts[0] == "query 1"
    assert len(base.train) == 400


def test_true_labels_teach_and_all_of_them_teach_more() -> None:
    base = replay()
    shown = base.gain(base.shown_pairs(base.relevant.astype(np.float64)), seed=0)
    every = base.gain(base.all_pairs(), seed=0)
    assert len(shown) == 100
    assert shown.mean() > 0.03
    assert every.mean() > shown.mean()


def test_judgments_teach_nearly_as_much_as_the_truth_and_more_than_all_clicks() -> None:
    base = replay()
    clicks = clicked(click_rates(base.relevant), 10, np.random.default_rng(0))
    pages = ClickedPages(base.texts, base.pages, clicks)
    gains = {name: base.gain(base.shown_pairs(WAYS[name](pages)), seed=0).mean() for name in (JUDGMENTS, ALL_CLICKED)}
    truth = base.gain(base.shown_pairs(base.relevant.astype(np.float64)), seed=0).mean()
    assert gains[JUDGMENTS] > 0.7 * truth
    assert gains[JUDGMENTS] > gains[ALL_CLICKED]


def test_of_nothing_nothing_is_learnt() -> None:
    nothing = replay().shown_pairs(np.zeros(replay().shown.shape))
    assert not replay().gain(nothing, seed=0).any()
    assert replay().purity(nothing) == 0.0


def test_purity_is_the_share_of_weight_on_true_answers() -> None:
    base = replay()
    weights = np.where(base.relevant, 3.0, 0.0)
    weights[:, 0] += 1.0
    right = 3.0 * base.relevant.sum() + base.relevant[:, 0].sum()
    assert base.purity(base.shown_pairs(weights)) == pytest.approx(right / weights.sum())
