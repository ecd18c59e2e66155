"""How good results are: nDCG@10 with intervals, measured on what the API serves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import fsum, log2

import numpy as np

from embedding_studio.demo.client import StudioClient
from embedding_studio.demo.queries import Query

__all__ = ["DEPTH", "Estimate", "Evaluation", "estimate", "evaluate", "ndcg_at_10"]

DEPTH = 10
_RESAMPLES = 2_000
_SEED = 95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one model version serves.

    Attributes:
        model_version: Of the model.
        results: The ids of the first ten films by query text.
        ndcg: nDCG@10 by query text.
    """

    model_version: int
    results: Mapping[str, tuple[str, ...]]
    ndcg: Mapping[str, float]

    def mean(self, queries: Iterable[Query]) -> Estimate:
        """The mean over some of the queries."""
        return estimate([self.ndcg[query.text] for query in queries])

    def gain_over(self, before: "Evaluation", queries: Iterable[Query]) -> Estimate:
        """The mean of the differences, query by query."""
        return estimate([self.ndcg[query.text] - before.ndcg[query.text] for query in queries])


async def evaluate(client: StudioClient, queries: Sequence[Query], advance: Callable[[], None]) -> Evaluation:
    """Ask every query without leaving a session behind; `advance` is called after each answer."""
    answers = await client.search_all([query.text for query in queries], limit=DEPTH, advance=advance)
    results = {query.text: answer.item_ids for query, answer in zip(queries, answers, strict=True)}
    ndcg = {query.text: ndcg_at_10(results[query.text], query.relevant) for query in queries}
    return Evaluation(answers[0].model_version, results, ndcg)


def ndcg_at_10(ranked: Sequence[str], relevant: AbstractSet[str]) -> float:
    """nDCG@10 with binary gains (Järvelin & Kekäläinen 2002); the best possible list has min(10, relevant) hits."""
    found = fsum(1 / log2(position + 1) for position, item in enumerate(ranked[:DEPTH], start=1) if item in relevant)
    ideal = fsum(1 / log2(position + 1) for position in range(1, min(DEPTH, len(relevant)) + 1))
    return found / ideal if ideal else 0.0


def estimate(values: Sequence[float]) -> Estimate:
    """The mean and its 95 % percentile bootstrap interval over the values; of nothing, zeros."""
    if not values:
        return Estimate(0.0, 0.0, 0.0)
    sample = np.asarray(values, np.float64)
    chance = np.random.default_rng(_SEED)
    means = sample[chance.integers(0, len(sample), (_RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(sample.mean()), float(low), float(high))
