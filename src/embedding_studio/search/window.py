"""The head of a ranked search: candidates that fusion and rankers put in order, and what comes behind them."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embedding_studio.sdk import Metric, Mode
from embedding_studio.search.adjusting import NOTHING, Recalled, adjusted
from embedding_studio.search.asking import Asked
from embedding_studio.search.domain import Candidate
from embedding_studio.search.fusion import Scale, by_score, fuse, scale_behind
from embedding_studio.search.metrics import stage
from embedding_studio.search.planning import Plan
from embedding_studio.search.rankers import Rankers
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.together import together
from embedding_studio.vector_store import Collection, Hit, Matches, Query, Total, score_of

__all__ = ["Window", "Windows", "unfused"]

_ADJUSTED = 50
"""Candidates that rise and sink, at least, if the plan allows as many."""

_UNITED = 50
"""Items that are found because they are remembered, at most: those that gain the most."""


@dataclass(frozen=True, slots=True)
class Window:
    """Candidates in their final order.

    Attributes:
        is_all: Whether nothing that matches is behind them.
        total: How many items match in all.
        depth: How many candidates of each half it was made of.
        has_payloads: Whether the candidates have theirs: of many of them most are not shown.
        recalled: What was remembered of the query, and is in the scores.
        scale: What a similarity behind the window counts; None: itself.
    """

    candidates: Sequence[Candidate]
    is_all: bool
    total: Total
    depth: int
    has_payloads: bool = True
    scale: Scale | None = None
    recalled: Recalled = NOTHING

    def behind(self, hit: Hit, mode: Mode | None, metric: Metric) -> Candidate:
        """An item from behind the window."""
        found = unfused(hit, mode, metric)
        return replace(found, vector=self.scale.share(found.vector)) if self.scale else found


class Windows:
    """Makes the same window for each page of a search."""

    def __init__(self, *, retriever: Retriever, rankers: Rankers) -> None:
        self._retriever = retriever
        self._rankers = rankers

    async def open(
        self,
        collection: Collection,
        way: Plan,
        asked: Asked,
        *,
        depth: int,
        recalling: Coroutine[Any, Any, Recalled] | None = None,
    ) -> Window:
        """The first `depth` candidates of each half, fused, ranked, and adjusted by what is remembered.

        What is adjusted is so deep that items can rise and sink whatever the page's limit is.
        """
        has_payloads = bool(way.rankers) or (way.mode != "hybrid" and recalling is None)
        asked = replace(asked, query=replace(asked.query, payloads=has_payloads))
        if recalling is None:
            return await self._ranked(way, await self._of(collection, way, asked, depth))
        deep = max(depth, min(way.depth, _ADJUSTED))
        window, recalled = await together(self._of(collection, way, asked, deep), recalling)
        if not recalled.known or way.adjuster is None:
            return await self._ranked(way, _first(window, depth))
        gains = {item: way.adjuster.gain(one) for item, one in recalled.known.items()}
        window = await self._ranked(way, await self._united(collection, way, asked, window, gains))
        candidates = adjusted(window.candidates, recalled.known, way.adjuster)
        return replace(window, candidates=candidates, recalled=recalled)

    async def open_near(
        self, collection: Collection, way: Plan, asked: Asked, near: Sequence[Hit], *, depth: int
    ) -> Window:
        """The window of a query among some items, whose distances are known; without what is remembered.

        Args:
            collection: Whose words are looked up.
            way: That ranks by vectors, or by vectors and words.
            asked: Without a vector.
            near: The items, nearest first; no other is a candidate.
            depth: Candidates of each half.
        """
        candidates = [unfused(hit, "vector", collection.metric) for hit in near[:depth]]
        if way.mode == "hybrid" and asked.matches is not None:
            matching = await self._matching(collection, asked.query, asked.matches, depth)
            fused = fuse(way.fusion, near[:depth], matching, metric=collection.metric, depth=depth)
            known = {hit.item_id for hit in near}
            candidates = [one for one in fused if one.hit.item_id in known]
        return await self._ranked(way, Window(candidates, len(near) <= depth, Total(len(near), "eq"), depth))

    async def _ranked(self, way: Plan, window: Window) -> Window:
        if not way.rankers:
            return window
        with stage("rank"):
            ranked = await self._rankers.rank(way.rankers, query_text=way.text, candidates=window.candidates)
        return replace(window, candidates=ranked)

    async def _united(
        self, collection: Collection, way: Plan, asked: Asked, window: Window, gains: Mapping[str, float]
    ) -> Window:
        """The window with items that are remembered, match, and were not among its candidates.

        Those that stay below all of it are left where they are, behind it.
        """
        known = {one.hit.item_id for one in window.candidates}
        allowed = None if asked.query.only is None else set(asked.query.only)
        missing = [
            (-gain, item)
            for item, gain in gains.items()
            if gain > 0 and item not in known and (allowed is None or item in allowed)
        ]
        if window.is_all or not missing:
            return window
        only = [item for _, item in sorted(missing)[:_UNITED]]
        hits = await self._retriever.page(collection, replace(asked.query, only=only), limit=len(only))
        lowest = min((one.score for one in window.candidates), default=0.0)
        found = [window.behind(hit, way.mode, collection.metric) for hit in hits]
        lifted = [one for one in found if one.score + gains[one.hit.item_id] > lowest]
        return replace(window, candidates=by_score([*window.candidates, *lifted])) if lifted else window

    async def _of(self, collection: Collection, way: Plan, asked: Asked, depth: int) -> Window:
        with stage("retrieve"):
            if way.mode == "hybrid" and asked.matches is not None:
                return await self._of_both(collection, way, asked.query, asked.matches, depth)
            return await self._of_one(collection, way, asked.query, depth)

    async def _of_one(self, collection: Collection, way: Plan, query: Query, depth: int) -> Window:
        if query.matches is None:
            hits, total = await self._retriever.nearest(collection, query, limit=depth)
        else:
            hits, total = await together(
                self._retriever.page(collection, query, limit=depth), self._retriever.total(collection, query)
            )
        candidates = [unfused(hit, way.mode, collection.metric) for hit in hits]
        return Window(candidates, len(hits) < depth, total, depth, query.payloads)

    async def _of_both(self, collection: Collection, way: Plan, query: Query, matches: Matches, depth: int) -> Window:
        (near, total), matching = await together(
            self._retriever.nearest(collection, query, limit=depth),
            self._matching(collection, query, matches, depth),
        )
        candidates = fuse(way.fusion, near, matching, metric=collection.metric, depth=depth)
        scale = scale_behind(way.fusion, near, collection.metric)
        return Window(candidates, len(near) < depth, total, depth, query.payloads, scale)

    async def _matching(self, collection: Collection, query: Query, matches: Matches, depth: int) -> list[Hit]:
        """The best matches of the words that are not too far from the query's vector."""
        looked_up = replace(query, vector=None, matches=matches, max_distance=None)
        hits = await self._retriever.page(collection, looked_up, limit=depth)
        if query.max_distance is None or query.vector is None:
            return hits
        near = await self._retriever.distances(collection, query.vector, [hit.item_id for hit in hits])
        return [hit for hit in hits if near[hit.item_id][0] <= query.max_distance]


def _first(window: Window, depth: int) -> Window:
    """The window as it is where nothing is remembered."""
    if len(window.candidates) <= depth or depth >= window.depth:
        return window
    return replace(window, candidates=window.candidates[:depth], is_all=False, depth=depth)


def unfused(hit: Hit, mode: Mode | None, metric: Metric) -> Candidate:
    """An item that one half alone found, with that half's own score; listed items have none."""
    if mode is None:
        return Candidate(hit)
    if mode == "lexical":
        return Candidate(hit, lexical=0.0 - hit.distance)
    return Candidate(hit, vector=score_of(hit.distance, metric))
