"""Ranking judged queries through the serving path, before and after."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.dataset import Dataset, Group
from embedding_studio.fine_tuning.gate import GroupOutcome
from embedding_studio.fine_tuning.metrics import mrr, ndcg, recall
from embedding_studio.search import SearchService
from embedding_studio.vector_store import Collection

__all__ = ["Evaluator", "guard_slices"]

_DEPTH = 100
_AT_ONCE = 4
_HEAD = 0.2


class Evaluator:
    """Asks the same retrieval that answers searches.

    nDCG and MRR rank only what was shown for the query, in any of its sessions (condensed lists, Sakai 2007): clicks
    say nothing of items that nobody saw, and to count those as irrelevant would refuse every model that finds new
    ones. Recall is over the whole collection: what people clicked must stay within the first hundred.
    """

    def __init__(self, searches: SearchService) -> None:
        self._searches = searches
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def compare(
        self,
        collection: Collection,
        dataset: Dataset,
        keys: Sequence[str],
        *,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
    ) -> tuple[GroupOutcome, ...]:
        """The metrics of each group by the deployed and by the candidate model.

        Args:
            collection: Whose active index is searched.
            dataset: Holds the groups.
            keys: Of the groups to compare.
            before: The deployed model's query vectors, float32 (groups, dimensions).
            after: The candidate's.
        """

        async def outcome(key: str, old: NDArray[np.float32], new: NDArray[np.float32]) -> GroupOutcome:
            group = dataset.groups[key]
            return GroupOutcome(
                key, await self._metrics(collection, group, old), await self._metrics(collection, group, new)
            )

        outcomes = (outcome(key, old, new) for key, old, new in zip(keys, before, after, strict=True))
        return tuple(await asyncio.gather(*outcomes))

    async def _metrics(self, collection: Collection, group: Group, vector: NDArray[np.float32]) -> dict[str, float]:
        async with self._slots:
            shown = await self._searches.rank(collection, vector, limit=len(group.shown), only=group.shown)
            found = await self._searches.rank(collection, vector, limit=_DEPTH)
        condensed = [hit.item_id for hit in shown]
        return {
            "ndcg@10": ndcg(condensed, group.gains),
            "mrr@10": mrr(condensed, group.gains),
            "recall@100": recall([hit.item_id for hit in found], group.gains),
        }


def guard_slices(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The kinds of gate queries that must not pay for the others' gain.

    `head` are the fifth of the groups that most users spoke for, `tail` the others; `items_never_clicked` are the
    groups none of whose items was clicked for a query of the training split.
    """
    keys = sorted(dataset.splits["gate"], key=lambda key: -sum(dataset.groups[key].users.values()))
    head = round(len(keys) * _HEAD)
    trained_on = set(dataset.items("train"))
    fresh = tuple(key for key in keys if not trained_on & dataset.groups[key].gains.keys())
    return {"head": tuple(keys[:head]), "tail": tuple(keys[head:]), "items_never_clicked": fresh}
