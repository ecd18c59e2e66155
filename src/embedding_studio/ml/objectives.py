"""What training brings vectors to: losses of a batch of pairs, as functions of finished vectors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, normalize

from embedding_studio.kernel.errors import InvalidError

__all__ = ["Facts", "Objective", "build_objective"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a batch's pairs.

    Attributes:
        weight: What a pair is worth, (pairs,).
        gain: How good the item is for the query, from -1 to 1, (pairs,).
        masked: Items that are no negatives of a pair's query, bool (pairs, pairs); never its own.
        start: The queries' vectors as training found them, (pairs, dimensions).
        start_items: The items' (pairs, dimensions); None where items are not encoded.
        negatives: The vectors of one other item a pair, (pairs, dimensions); None without a teacher.
        margins: By how much a teacher prefers the pair's item to that other one, (pairs,); None without a teacher.
        others: Vectors of further items, (others, dimensions); None where items are encoded.
        masked_others: Which of them are no negatives of a pair's query, bool (pairs, others).
    """

    weight: Tensor
    gain: Tensor
    masked: Tensor
    start: Tensor
    start_items: Tensor | None = None
    negatives: Tensor | None = None
    margins: Tensor | None = None
    others: Tensor | None = None
    masked_others: Tensor | None = None


Objective = Callable[[Tensor, Tensor, Facts], Tensor]
"""From the unit vectors of queries and of items, both (pairs, dimensions), to a number."""


def build_objective(loss: Mapping[str, Any]) -> Objective:
    """The objective of a description.

    Args:
        loss: `kind`, and the settings of that kind.

    Raises:
        InvalidError: There is no such kind.
    """
    settings = dict(loss)
    kind = settings.pop("kind")
    match kind:
        case "softmax" | "cached_softmax":
            return _softmax(**{name: settings[name] for name in ("scale", "anchor") if name in settings})
        case "cosent":
            return _cosent(**settings)
        case "margins":
            return _margins(**{name: settings[name] for name in ("scale", "anchor") if name in settings})
        case "matryoshka":
            return _nested(build_objective(settings["loss"]), settings["dimensions"])
        case _:
            raise InvalidError.at("loss", f"there is no loss {kind!r}")


def _softmax(scale: float = 20.0, anchor: float = 1.0) -> Objective:
    """Σ wᵢ·CE(s·cos(qᵢ, D), dᵢ)/Σw + λ·mean(1 - cos(f(x), f₀(x))), see `losses.adapter_loss`."""

    def objective(queries: Tensor, items: Tensor, facts: Facts) -> Tensor:
        logits = _logits(queries, items, facts, scale)
        target = torch.arange(len(queries), device=queries.device)
        by_pair = cross_entropy(logits, target, reduction="none")
        ranking = (facts.weight * by_pair).sum() / facts.weight.sum().clamp_min(1e-9)
        return torch.add(ranking, _drift(queries, items, facts), alpha=anchor)

    return objective


def _logits(queries: Tensor, items: Tensor, facts: Facts, scale: float) -> Tensor:
    """Of the batch's items, then of the others, (pairs, pairs + others)."""
    logits = (scale * queries @ items.T).masked_fill(facts.masked, float("-inf"))
    if facts.others is None or facts.masked_others is None:
        return logits
    others = (scale * queries @ facts.others.T).masked_fill(facts.masked_others, float("-inf"))
    return torch.cat([logits, others], dim=1)


def _cosent(scale: float = 20.0, anchor: float = 1.0) -> Objective:
    """log(1 + Σ exp(s·(cosⱼ - cosᵢ))) over pairs i that are better than pairs j (CoSENT, Su 2022)."""

    def objective(queries: Tensor, items: Tensor, facts: Facts) -> Tensor:
        cosines = scale * (queries * items).sum(dim=1)
        wrong = cosines[None, :] - cosines[:, None]
        better = facts.gain[:, None] > facts.gain[None, :]
        ranking = torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong[better]]), dim=0)
        return torch.add(ranking, _drift(queries, items, facts), alpha=anchor)

    return objective


def _margins(scale: float = 20.0, anchor: float = 0.0) -> Objective:
    """Mean squared difference between the margins of student and teacher (MarginMSE, Hofstätter et al. 2020)."""

    def objective(queries: Tensor, items: Tensor, facts: Facts) -> Tensor:
        if facts.negatives is None or facts.margins is None:
            raise InvalidError.at("loss", "margins need a teacher")
        negatives = facts.negatives[:, : items.shape[1]]
        margins = scale * (queries * (items - normalize(negatives, dim=1))).sum(dim=1)
        return torch.add(mse_loss(margins, facts.margins), _drift(queries, items, facts), alpha=anchor)

    return objective


def _nested(inner: Objective, dimensions: list[int]) -> Objective:
    """The mean of a loss over the first numbers of the vectors (Matryoshka, Kusupati et al. 2022)."""

    def objective(queries: Tensor, items: Tensor, facts: Facts) -> Tensor:
        losses = [inner(_cut(queries, size), _cut(items, size), _cut_facts(facts, size)) for size in dimensions]
        return torch.stack(losses).mean()

    return objective


def _cut(vectors: Tensor, size: int) -> Tensor:
    return normalize(vectors[:, :size], dim=1)


def _cut_facts(facts: Facts, size: int) -> Facts:
    items, others = facts.start_items, facts.others
    return replace(
        facts,
        start=_cut(facts.start, size),
        start_items=None if items is None else _cut(items, size),
        others=None if others is None else _cut(others, size),
    )


def _drift(queries: Tensor, items: Tensor, facts: Facts) -> Tensor:
    """How far vectors are from where training found them."""
    drift = (1 - (queries * facts.start).sum(dim=1)).mean()
    if facts.start_items is None:
        return drift
    return (drift + (1 - (items * facts.start_items).sum(dim=1)).mean()) / 2
