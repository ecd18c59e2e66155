"""The loss against its formula."""

import numpy as np
import pytest
import torch
from torch import Tensor

from embedding_studio.ml.losses import adapter_loss


def unit(*shape: int, seed: int) -> Tensor:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def loss(weight: list[float], *, masked: Tensor | None = None, anchor: float = 0.0, seed: int = 0) -> float:
    items = unit(5, 8, seed=1)
    value = adapter_loss(
        unit(3, 8, seed=seed),
        unit(3, 8, seed=2),
        items,
        target=torch.tensor([0, 4, 4]),
        masked=torch.zeros(3, 5, dtype=torch.bool) if masked is None else masked,
        weight=torch.tensor(weight, dtype=torch.float64),
        scale=20.0,
        anchor=anchor,
    )
    return float(value)


def cross_entropy(row: int, target: int, among: list[int]) -> float:
    logits = 20 * (unit(5, 8, seed=1) @ unit(3, 8, seed=0)[row]).numpy()
    return float(np.log(np.exp(logits[among]).sum()) - logits[target])


def test_it_is_the_weighted_mean_of_cross_entropies() -> None:
    every = list(range(5))
    expected = (1 * cross_entropy(0, 0, every) + 3 * cross_entropy(1, 4, every) + 2 * cross_entropy(2, 4, every)) / 6
    assert loss([1, 3, 2]) == pytest.approx(expected)


def test_a_masked_item_is_no_negative() -> None:
    masked = torch.zeros(3, 5, dtype=torch.bool)
    masked[1, [0, 2]] = True
    assert loss([0, 1, 0], masked=masked) == pytest.approx(cross_entropy(1, 4, [1, 3, 4]))


def test_the_anchor_adds_the_mean_drift() -> None:
    drift = 1 - (unit(3, 8, seed=0) * unit(3, 8, seed=2)).sum(dim=1).mean()
    assert loss([1, 1, 1], anchor=0.7) - loss([1, 1, 1]) == pytest.approx(0.7 * float(drift))


def test_the_anchor_costs_nothing_at_the_start() -> None:
    assert loss([1, 1, 1], anchor=5.0, seed=2) == pytest.approx(loss([1, 1, 1], seed=2))
