"""Training in a planted world: people's words for topics are a rotation of the catalog's."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from embedding_studio.inference.adapter import QueryAdapter
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.adapter import AdapterConfig, AdapterData, AdapterResult, train_adapter
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.ranking import ndcg_by_query

DIMENSIONS, ROTATED, ITEMS, QUERIES = 64, 24, 2_000, 500
CONFIG = AdapterConfig(seed=3)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def pairs(query: np.ndarray, item: np.ndarray) -> Pairs:
    return Pairs(query.astype(np.int64), item.astype(np.int64), np.ones(len(query), np.float32))


def planted(*, shuffled: bool = False) -> tuple[AdapterData, Pairs]:
    """Data to train on (queries 0 to 299, dev 300 to 349) and the truth of held-out queries 350 to 499.

    A query is the mean of its three relevant items, seen through a rotation of some of the dimensions.
    """
    random = np.random.default_rng(11)
    items = unit(random.normal(size=(ITEMS, DIMENSIONS)))
    rotation = np.eye(DIMENSIONS)
    rotation[:ROTATED, :ROTATED] = np.linalg.qr(random.normal(size=(ROTATED, ROTATED)))[0]
    topics = items[random.choice(ITEMS, QUERIES)]
    relevant = np.argsort(-(topics @ items.T), axis=1)[:, :3]
    queries = unit(items[relevant].mean(axis=1) @ rotation + random.normal(0, 0.02, (QUERIES, DIMENSIONS)))
    query, item = np.repeat(np.arange(QUERIES), 3), relevant.ravel()
    if shuffled:
        item = random.permutation(item)
    train, dev, held_out = (pairs(query[s], item[s]) for s in (slice(900), slice(900, 1050), slice(1050, None)))
    return AdapterData(queries=queries, items=items, train=train, dev=dev), held_out


def mean_ndcg(queries: np.ndarray, data: AdapterData, judged: Pairs) -> float:
    return float(ndcg_by_query(queries, data.items, judged).mean())


def run(
    data: AdapterData, config: AdapterConfig = CONFIG, *, stop: Callable[[], bool] = lambda: False
) -> AdapterResult:
    return train_adapter(data, config, progress=lambda *_: None, stop=stop)


@pytest.fixture(scope="module")
def trained() -> AdapterResult:
    return run(planted()[0])


def gain(result: AdapterResult) -> float:
    data, held_out = planted()
    adapted = QueryAdapter(down=result.down, up=result.up).apply(data.queries)
    return mean_ndcg(adapted, data, held_out) - mean_ndcg(data.queries, data, held_out)


def test_held_out_queries_are_answered_better(trained: AdapterResult) -> None:
    assert gain(trained) > 0.1


def test_shuffled_clicks_teach_nothing() -> None:
    assert gain(run(planted(shuffled=True)[0])) < 0.02


def test_the_curve_begins_at_the_deployed_model_and_the_loss_falls(trained: AdapterResult) -> None:
    data, _ = planted()
    first, *epochs = trained.curve
    assert first.loss is None
    assert first.dev_ndcg == pytest.approx(mean_ndcg(data.queries, data, data.dev), abs=1e-6)
    losses = [epoch.loss for epoch in epochs if epoch.loss is not None]
    assert len(losses) == len(epochs)
    assert losses[-1] < losses[0]


def test_the_chosen_epochs_matrices_are_given_back(trained: AdapterResult) -> None:
    data, _ = planted()
    adapted = QueryAdapter(down=trained.down, up=trained.up).apply(data.queries)
    assert mean_ndcg(adapted, data, data.dev) == pytest.approx(trained.curve[trained.best_epoch].dev_ndcg, abs=1e-3)


def test_an_epoch_that_dev_shows_to_be_worse_is_not_chosen() -> None:
    data = replace(planted(shuffled=True)[0], dev=planted()[0].dev)
    result = run(data, replace(CONFIG, anchor=0.0))
    assert result.curve[0].dev_ndcg == max(epoch.dev_ndcg or 0 for epoch in result.curve)
    assert result.best_epoch == 0
    assert not result.up.any()


def test_a_seed_gives_the_same_numbers(trained: AdapterResult) -> None:
    again = run(planted()[0])
    np.testing.assert_array_equal(again.down, trained.down)
    np.testing.assert_array_equal(again.up, trained.up)
    assert again.curve == trained.curve
    assert (run(planted()[0], replace(CONFIG, seed=4, epochs=1)).down != trained.down).any()


def test_training_stops_when_dev_shows_for_too_long_that_it_has_gone_too_far() -> None:
    data = replace(planted(shuffled=True)[0], dev=planted()[0].dev)
    result = run(data, replace(CONFIG, patience=3, anchor=0.0))
    assert (result.best_epoch, len(result.curve)) == (0, 1 + 3)


def test_without_dev_pairs_the_last_epoch_is_taken() -> None:
    data, _ = planted()
    nothing = np.array([], np.int64)
    result = run(replace(data, dev=pairs(nothing, nothing)), replace(CONFIG, epochs=3, patience=1))
    assert (result.best_epoch, len(result.curve)) == (3, 4)
    assert {epoch.dev_ndcg for epoch in result.curve} == {None}


def test_progress_is_told_after_every_epoch_and_stop_is_obeyed() -> None:
    told: list[tuple[int, int]] = []
    config = replace(CONFIG, epochs=5)
    train_adapter(planted()[0], config, progress=lambda *done: told.append(done), stop=lambda: len(told) == 2)
    assert told == [(1, 5), (2, 5)]


def test_a_stop_before_the_first_epoch_gives_the_deployed_model() -> None:
    result = run(planted()[0], stop=lambda: True)
    assert result.best_epoch == 0
    assert not result.up.any()


def test_training_goes_on_from_an_adapter(trained: AdapterResult) -> None:
    start = (trained.down, trained.up)
    more = train_adapter(planted()[0], replace(CONFIG, epochs=0), progress=print, stop=lambda: False, initial=start)
    np.testing.assert_array_equal(more.up, trained.up)
    assert more.curve[0].dev_ndcg == trained.curve[trained.best_epoch].dev_ndcg


def test_a_stronger_anchor_holds_queries_nearer(trained: AdapterResult) -> None:
    data, _ = planted()

    def drift(result: AdapterResult) -> float:
        adapted = QueryAdapter(down=result.down, up=result.up).apply(data.queries)
        return float(1 - (adapted * data.queries).sum(axis=1).mean())

    assert drift(run(data, replace(CONFIG, anchor=100.0))) < drift(trained) / 3


def test_other_clicked_items_of_a_query_are_no_negatives() -> None:
    data, _ = planted()
    first_query = data.train.query == 0
    clicked = pairs(data.train.query[first_query], data.train.item[first_query])
    result = run(replace(data, train=clicked), replace(CONFIG, epochs=1, anchor=0.0))
    assert result.curve[1].loss == pytest.approx(0)


def test_torch_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    during: list[int] = []
    config = replace(CONFIG, epochs=1, threads=before + 1)
    train_adapter(planted()[0], config, progress=lambda *_: during.append(torch.get_num_threads()), stop=lambda: False)
    assert during == [before + 1]
    assert torch.get_num_threads() == before


def test_what_cannot_be_trained_on_is_refused() -> None:
    data, _ = planted()
    weightless = Pairs(data.train.query, data.train.item, np.zeros(len(data.train), np.float32))
    for wrong in ({"train": weightless}, {"items": data.items[:10]}, {"items": data.items[:, :10]}):
        with pytest.raises(InvalidError):
            replace(data, **wrong)
