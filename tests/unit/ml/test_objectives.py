"""Losses of finished vectors."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.losses import adapter_loss
from embedding_studio.ml.objectives import Facts, build_objective


@pytest.fixture
def queries() -> Tensor:
    torch.manual_seed(0)
    return normalize(torch.randn(6, 8), dim=1)


@pytest.fixture
def items() -> Tensor:
    torch.manual_seed(1)
    return normalize(torch.randn(6, 8), dim=1)


@pytest.fixture
def facts(queries: Tensor) -> Facts:
    masked = torch.zeros(6, 6, dtype=torch.bool)
    masked[0, 1] = True
    return Facts(
        weight=torch.tensor([1.0, 2.0, 0.0, 1.0, 1.0, 1.0]),
        gain=torch.tensor([1.0, 0.5, -1.0, 1.0, 0.0, 0.5]),
        masked=masked,
        start=normalize(queries + 0.1, dim=1),
    )


def test_the_softmax_is_that_of_the_adapter(queries: Tensor, items: Tensor, facts: Facts) -> None:
    expected = adapter_loss(
        queries,
        facts.start,
        items,
        target=torch.arange(6),
        masked=facts.masked,
        weight=facts.weight,
        scale=15.0,
        anchor=2.0,
    )
    found = build_objective({"kind": "softmax", "scale": 15.0, "anchor": 2.0})(queries, items, facts)
    torch.testing.assert_close(found, expected)


def test_a_pair_without_weight_teaches_nothing(queries: Tensor, items: Tensor, facts: Facts) -> None:
    objective = build_objective({"kind": "softmax", "anchor": 0.0})
    moved = queries.clone()
    moved[2] = -moved[2]
    torch.testing.assert_close(objective(queries, items, facts), objective(moved, items, facts))


def test_the_order_of_gains_is_all_that_cosent_wants(queries: Tensor, facts: Facts) -> None:
    objective = build_objective({"kind": "cosent", "anchor": 0.0})
    cosines = facts.gain[:, None]
    good = normalize(queries * cosines + 1e-3 * queries, dim=1)
    assert objective(queries, good, facts) < objective(queries, -good, facts)
    equal = replace(facts, gain=torch.ones(6))
    assert objective(queries, good, equal) == 0


def test_margins_like_the_teachers_cost_nothing(queries: Tensor, items: Tensor, facts: Facts) -> None:
    negatives = items.flip(0)
    margins = 20 * (queries * (items - negatives)).sum(dim=1)
    taught = replace(facts, negatives=negatives, margins=margins)
    objective = build_objective({"kind": "margins", "teacher": "any"})
    assert objective(queries, items, taught) == pytest.approx(0, abs=1e-6)
    assert objective(queries, -items, taught) > 1
    with pytest.raises(InvalidError, match="teacher"):
        objective(queries, items, facts)


def test_matryoshka_is_the_mean_over_first_numbers(queries: Tensor, items: Tensor, facts: Facts) -> None:
    inner = {"kind": "softmax", "anchor": 0.0}
    found = build_objective({"kind": "matryoshka", "loss": inner, "dimensions": [8, 4]})(queries, items, facts)
    cut = [normalize(vectors[:, :4], dim=1) for vectors in (queries, items)]
    of_cut = replace(facts, start=normalize(facts.start[:, :4], dim=1))
    whole = build_objective(inner)(queries, items, facts)
    parts = [whole, build_objective(inner)(cut[0], cut[1], of_cut)]
    torch.testing.assert_close(found, torch.stack(parts).mean())


def test_there_are_no_other_losses() -> None:
    with pytest.raises(InvalidError, match="triplet"):
        build_objective({"kind": "triplet"})


def test_items_beside_the_batch_are_negatives_where_they_are_not_masked(
    queries: Tensor, items: Tensor, facts: Facts
) -> None:
    objective = build_objective({"kind": "softmax"})
    others = normalize(torch.randn(3, 8), dim=1)
    masked = torch.zeros(6, 3, dtype=torch.bool)
    alone = objective(queries, items, facts)
    beside = objective(queries, items, replace(facts, others=others, masked_others=masked))
    without = objective(queries, items, replace(facts, others=others, masked_others=~masked))
    assert beside > alone
    torch.testing.assert_close(without, alone)


def test_nested_losses_cut_what_is_beside_the_batch_too(queries: Tensor, items: Tensor, facts: Facts) -> None:
    beside = replace(facts, others=items[:2], masked_others=torch.zeros(6, 2, dtype=torch.bool))
    nested = build_objective({"kind": "matryoshka", "loss": {"kind": "softmax"}, "dimensions": [8, 4]})
    plain = build_objective({"kind": "softmax"})
    assert nested(queries, items, beside) > nested(queries, items, facts)
    assert nested(queries, items, beside) != plain(queries, items, beside)
