"""Ranking judged queries through the serving path, before and after."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from embedding_studio.clickstream import AnsweredSession, ClickstreamService
from embedding_studio.fine_tuning.clicks import normalize_query
from embedding_studio.fine_tuning.dataset import Dataset, Group
from embedding_studio.fine_tuning.gate import GroupOutcome
from embedding_studio.fine_tuning.metrics import mrr, ndcg, recall
from embedding_studio.fine_tuning.replay import GroupReplay, Placed, ReplayedSession, replay_group
from embedding_studio.sdk import GainOf
from embedding_studio.search import Order, SearchService
from embedding_studio.vector_store import Collection

__all__ = [
    "DEPTH",
    "Evaluator",
    "Ranked",
    "guard_slices",
    "outcomes",
    "outcomes_of_editors",
    "outcomes_on_new_items",
    "rank_all",
]

Floats = NDArray[np.float32]

DEPTH = 100
"""How many are found of the whole collection."""

_AT_ONCE = 4
_REPLAYED = 50_000


@dataclass(frozen=True, slots=True)
class Ranked:
    """One query's rankings by one model, best first.

    Attributes:
        shown: Of all that was shown for the query in any of its sessions: a condensed list (Sakai 2007). Clicks say
            nothing of items that nobody saw; to count those as irrelevant would refuse each model that finds new ones.
        found: The first hundred of the whole collection.
    """

    shown: tuple[str, ...]
    found: tuple[str, ...]


async def rank_all(
    groups: Sequence[Group], vectors: Floats, order: Callable[[Group, Floats], Awaitable[Order]]
) -> list[Ranked]:
    """The rankings of query groups by vectors of their queries, float32 (groups, dimensions), a few at a time."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ranked(group: Group, vector: Floats) -> Ranked:
        async with slots:
            found = await order(group, vector)
        return Ranked(shown=found.among, found=found.found)

    return await asyncio.gather(*map(ranked, groups, vectors))


class Evaluator:
    """Asks the search that answers users, in the collection's own mode, with the fusion and the rankers of it.

    So a condensed list is in the order in which the pages of a search would bring its items: scores that a fusion
    brings to the range of its candidates are those of the whole window, not of the items that were shown.
    """

    def __init__(self, *, searches: SearchService, clickstream: ClickstreamService) -> None:
        self._searches = searches
        self._clickstream = clickstream

    async def rank(self, collection: Collection, groups: Sequence[Group], vectors: Floats) -> list[Ranked]:
        """The rankings of some query groups.

        Args:
            collection: Whose active index is searched.
            groups: Of queries.
            vectors: Of their queries, float32 (groups, dimensions).
        """

        async def order(group: Group, vector: Floats) -> Order:
            return await self._searches.rank(collection, group.text, vector, limit=DEPTH, among=group.shown)

        return await rank_all(groups, vectors, order)

    async def texts(self, collection: Collection, groups: Sequence[Group]) -> list[str]:
        """What of each query is embedded."""
        return await self._searches.embedded_texts(collection, [group.text for group in groups])

    async def replay(
        self,
        collection: Collection,
        gain_of: GainOf,
        before: Mapping[str, Ranked],
        after: Mapping[str, Ranked],
        *,
        since: datetime | None,
        until: datetime,
    ) -> tuple[GroupReplay, ...]:
        """The newest 50,000 sessions of a time whose queries are among the rankings, put in both orders."""
        newest: deque[tuple[str, ReplayedSession]] = deque(maxlen=_REPLAYED)
        async for session in self._clickstream.answered(collection.name, since=since, until=until, silent=True):
            if (key := normalize_query(session.query)) in before:
                newest.append((key, _replayed(session, gain_of)))
        by_group = defaultdict[str, list[ReplayedSession]](list)
        for key, replayed in newest:
            by_group[key].append(replayed)
        return await asyncio.to_thread(_all_replayed, by_group, before, after)


def outcomes(dataset: Dataset, before: Mapping[str, Ranked], after: Mapping[str, Ranked]) -> tuple[GroupOutcome, ...]:
    """The metrics of each group by the deployed and by the candidate model."""
    return tuple(
        GroupOutcome(key, *(_metrics(ranked, dataset.groups[key].gains) for ranked in (before[key], after[key])))
        for key in before
    )


def outcomes_on_new_items(
    dataset: Dataset, before: Mapping[str, Ranked], after: Mapping[str, Ranked]
) -> tuple[GroupOutcome, ...]:
    """The same, as if the items clicked for training queries did not exist; groups of such items alone are left out."""
    known = set(dataset.items("train"))
    new = {key: {item: gain for item, gain in dataset.groups[key].gains.items() if item not in known} for key in before}
    return tuple(
        GroupOutcome(key, *(_metrics(_without(ranked, known), new[key]) for ranked in (before[key], after[key])))
        for key in before
        if any(gain > 0 for gain in new[key].values())
    )


def outcomes_of_editors(
    dataset: Dataset, before: Mapping[str, Ranked], after: Mapping[str, Ranked]
) -> tuple[GroupOutcome, ...]:
    """The metrics of each query of the curated set, on the first hundred of the whole collection.

    An editor says what belongs on top, whether or not it was ever shown: what is not judged counts as worth nothing.
    """
    return tuple(
        GroupOutcome(key, *(_metrics(Ranked(one.found, one.found), group.gains) for one in (before[key], after[key])))
        for key, group in dataset.curated.items()
    )


def guard_slices(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The gate's queries by halves: those that most users spoke for, and the others."""
    keys = sorted(dataset.splits["gate"], key=lambda key: (-sum(dataset.groups[key].users.values()), key))
    return {"head": tuple(keys[: len(keys) // 2]), "tail": tuple(keys[len(keys) // 2 :])}


def _replayed(session: AnsweredSession, gain_of: GainOf) -> ReplayedSession:
    return ReplayedSession(
        shown=tuple(Placed(one.id, one.position, one.propensity) for one in session.impressions),
        clicked=frozenset(answer.item_id for answer in session.answers if gain_of(answer.type, answer.value) > 0),
    )


def _all_replayed(
    sessions: Mapping[str, Sequence[ReplayedSession]], before: Mapping[str, Ranked], after: Mapping[str, Ranked]
) -> tuple[GroupReplay, ...]:
    return tuple(
        replay_group(key, own, before=before[key].shown, after=after[key].shown) for key, own in sessions.items()
    )


def _metrics(ranked: Ranked, gains: Mapping[str, float]) -> dict[str, float]:
    return {
        "ndcg@10": ndcg(ranked.shown, gains),
        "mrr@10": mrr(ranked.shown, gains),
        "recall@100": recall(ranked.found, gains),
    }


def _without(ranked: Ranked, items: AbstractSet[str]) -> Ranked:
    def kept(ranking: Iterable[str]) -> tuple[str, ...]:
        return tuple(item for item in ranking if item not in items)

    return Ranked(kept(ranked.shown), kept(ranked.found))
