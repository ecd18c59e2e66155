"""From a batch of texts to its loss."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.ml.objectives import build_objective
from embedding_studio.ml.pair_loss import PairLoss, _among, _spread
from embedding_studio.ml.sources import load_model
from small_encoder import save_small_encoder, world


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_small_encoder(tmp_path_factory.mktemp("small"))


def gradients(model: str, *, chunk: int | None, both: bool) -> tuple[float, dict[str, torch.Tensor]]:
    encoder, data = load_model(model), world(model, adapter=2)
    loss = PairLoss(encoder, data, build_objective({"kind": "softmax"}), chunk=chunk)
    rows = torch.arange(6)
    texts = [[data.queries[row] for row in data.train.query[:6]]]
    if both:
        texts.append([data.items[row] for row in data.train.item[:6]])
    features: list[Any] = [encoder.preprocess(side) for side in texts]
    value = loss(features, rows)
    torch.autograd.backward(value)
    return float(value.detach()), {
        name: weight.grad for name, weight in encoder.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize("both", [False, True], ids=["queries", "both"])
def test_cached_gradients_are_the_same_gradients(model: str, both: bool) -> None:
    plain, cached = (gradients(model, chunk=chunk, both=both) for chunk in (None, 4))
    assert cached[0] == pytest.approx(plain[0], abs=1e-6)
    assert cached[1].keys() == plain[1].keys()
    for name, gradient in plain[1].items():
        torch.testing.assert_close(cached[1][name], gradient, atol=1e-5, rtol=1e-3, msg=name)


def test_other_clicked_items_of_a_query_are_no_negatives(model: str) -> None:
    loss = PairLoss(load_model(model), world(model), build_objective({"kind": "softmax"}))
    masked = loss._facts(torch.arange(4), None).masked
    assert masked.tolist() == [
        [False, True, False, False],
        [True, False, False, False],
        [False, False, False, True],
        [False, False, True, False],
    ]


def test_items_of_other_batches_are_negatives_where_items_are_not_encoded(model: str) -> None:
    data = world(model)
    loss = PairLoss(load_model(model), data, build_objective({"kind": "softmax"}))
    rows, batch = torch.tensor([0, 2]), data.train.item[[0, 2]]
    facts = loss._facts(rows, None)
    assert facts.others is not None
    assert facts.masked_others is not None
    trained = np.unique(data.train.item)
    torch.testing.assert_close(facts.others, torch.from_numpy(data.item_vectors[trained]))
    clicked = [data.train.item[data.train.query == query] for query in data.train.query[[0, 2]]]
    assert facts.masked_others.tolist() == [np.isin(trained, [*batch, *own]).tolist() for own in clicked]
    assert loss._facts(rows, facts.start).others is None


def test_of_very_many_items_some_are_beside_the_batch() -> None:
    assert _spread(np.arange(10), 20).tolist() == list(range(10))
    assert _spread(np.arange(100), 4).tolist() == [0, 33, 66, 99]


@given(st.lists(st.integers(0, 20), min_size=1), st.lists(st.integers(-2, 22)))
def test_what_is_among_the_known_is_found(known: list[int], values: list[int]) -> None:
    asked = torch.tensor(values, dtype=torch.int64).reshape(1, -1)
    known_rows = torch.tensor(sorted(known))
    assert torch.equal(_among(asked, known_rows), torch.isin(asked, known_rows))


def test_in_bfloat16_the_loss_is_near_that_of_float32_and_of_its_type(model: str) -> None:
    encoder, data = load_model(model), world(model, adapter=2)
    features: list[Any] = [encoder.preprocess([data.queries[row] for row in data.train.query[:6]])]
    values = []
    for reduced in (False, True):
        loss = PairLoss(encoder, data, build_objective({"kind": "softmax"}), reduced=reduced)
        values.append(loss([dict(features[0])], torch.arange(6)).detach())
    assert values[0].dtype == values[1].dtype == torch.float32
    assert float(values[1]) == pytest.approx(float(values[0]), rel=0.02)
    assert float(values[1]) != float(values[0])
