"""The loss of the query adapter."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

__all__ = ["adapter_loss"]


def adapter_loss(
    adapted: Tensor,
    start: Tensor,
    items: Tensor,
    *,
    target: Tensor,
    masked: Tensor,
    weight: Tensor,
    scale: float,
    anchor: float,
) -> Tensor:
    """Σ wᵢ·CE(s·cos(qᵢ, D), dᵢ)/Σw + λ·mean(1 - cos(f(x), f₀(x))).

    The first term is the multiple negatives ranking loss (Henderson et al. 2017) with a weight for each pair; the
    second holds the queries near where they started.

    Args:
        adapted: f(x), unit vectors (pairs, dimensions).
        start: f₀(x), unit vectors (pairs, dimensions).
        items: D, unit vectors (items, dimensions).
        target: Position in `items` of each pair's clicked item, int64 (pairs,).
        masked: Items that are no negatives of a pair, bool (pairs, items); never its target.
        weight: w, float32 (pairs,), of a sum above 0.
        scale: s, one over the temperature.
        anchor: λ.
    """
    logits = (scale * adapted @ items.T).masked_fill(masked, float("-inf"))
    ranking = (weight * cross_entropy(logits, target, reduction="none")).sum() / weight.sum()
    drift = (1 - (adapted * start).sum(dim=1)).mean()
    return torch.add(ranking, drift, alpha=anchor)
