"""How good results are: nDCG@10 with intervals, measured on what the API serves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, log2

import numpy as np

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.simulation.client import StudioClient
from embedding_studio.simulation.questions import Gains, Question

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
        results: The ids of the first ten items by query text.
        ndcg: nDCG@10 by query text.
    """

    model_version: int
    results: Mapping[str, tuple[str, ...]]
    ndcg: Mapping[str, float]

    def judged_by(self, queries: Iterable[Question]) -> "Evaluation":
        """The same results by another truth."""
        return replace(self, ndcg=_ndcg(self.results, queries))

    def mean(self, queries: Iterable[Question]) -> Estimate:
        """The mean over some of the queries."""
        return estimate([self.ndcg[query.text] for query in queries])

    def gain_over(self, before: "Evaluation", queries: Iterable[Question]) -> Estimate:
        """The mean of the differences, query by query."""
        return estimate([self.ndcg[query.text] - before.ndcg[query.text] for query in queries])


async def evaluate(client: StudioClient, queries: Sequence[Question], advance: Callable[[], None]) -> Evaluation:
    """Ask every query without leaving a session behind; `advance` is called after each answer."""
    if not queries:
        raise InvalidError.at("queries", "there is none to evaluate by")
    answers = await client.search_all([query.text for query in queries], limit=DEPTH, advance=advance)
    results = {query.text: answer.item_ids for query, answer in zip(queries, answers, strict=True)}
    return Evaluation(answers[0].model_version, results, _ndcg(results, queries))


def ndcg_at_10(ranked: Sequence[str], gains: Gains) -> float:
    """nDCG@10 (Järvelin & Kekäläinen 2002), gain linear, discount log₂(1 + rank), the ideal list of all that is known.

    Gains below 0 count as 0; where nothing is worth anything, it is 0.
    """
    ideal = _discounted(sorted(gains.values(), reverse=True)[:DEPTH])
    return _discounted([gains.get(item, 0.0) for item in ranked[:DEPTH]]) / ideal if ideal else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return fsum(max(0.0, gain) / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _ndcg(results: Mapping[str, Sequence[str]], queries: Iterable[Question]) -> dict[str, float]:
    return {query.text: ndcg_at_10(results[query.text], query.gains) for query in queries}


def estimate(values: Sequence[float]) -> Estimate:
    """The mean and its 95 % percentile bootstrap interval over the values; of nothing, zeros."""
    if not values:
        return Estimate(0.0, 0.0, 0.0)
    sample = np.asarray(values, np.float64)
    chance = np.random.default_rng(_SEED)
    means = sample[chance.integers(0, len(sample), (_RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(sample.mean()), float(low), float(high))
