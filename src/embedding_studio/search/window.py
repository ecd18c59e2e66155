"""The head of a ranked search: candidates that fusion and rankers put in order, and what comes behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedding_studio.sdk import Metric, Mode
from embedding_studio.search.domain import Candidate, Place
from embedding_studio.search.fusion import Scale, fuse, scale_behind
from embedding_studio.search.planning import Plan
from embedding_studio.search.rankers import Rankers
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.together import together
from embedding_studio.vector_store import Collection, Hit, Matches, Query, Total, score_of

__all__ = ["Window", "Windows", "unfused"]


@dataclass(frozen=True, slots=True)
class Window:
    """Candidates in their final order.

    Attributes:
        is_all: Whether nothing that matches is behind them.
        total: How many items match in all.
        scale: What a similarity behind the window counts; None: itself.
    """

    candidates: Sequence[Candidate]
    is_all: bool
    total: Total
    scale: Scale | None = None

    def query_behind(self, query: Query, after: Place | None) -> Query:
        """What is found behind the window, in exact order."""
        shown = [one.hit.item_id for one in self.candidates]
        return replace(query, excluded=[*query.excluded, *shown], after=after)

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
        self, collection: Collection, way: Plan, query: Query, matches: Matches | None, *, depth: int
    ) -> Window:
        """The first `depth` candidates of each half, fused and ranked."""
        if way.mode == "hybrid" and matches is not None:
            window = await self._of_both(collection, way, query, matches, depth)
        else:
            window = await self._of_one(collection, way, query, depth)
        if not way.rankers:
            return window
        ranked = await self._rankers.rank(way.rankers, query_text=way.text, candidates=window.candidates)
        return replace(window, candidates=ranked)

    async def _of_one(self, collection: Collection, way: Plan, query: Query, depth: int) -> Window:
        if query.matches is None:
            hits, total = await self._retriever.nearest(collection, query, limit=depth)
        else:
            hits, total = await together(
                self._retriever.page(collection, query, limit=depth), self._retriever.total(collection, query)
            )
        return Window([unfused(hit, way.mode, collection.metric) for hit in hits], len(hits) < depth, total)

    async def _of_both(self, collection: Collection, way: Plan, query: Query, matches: Matches, depth: int) -> Window:
        (near, total), matching = await together(
            self._retriever.nearest(collection, query, limit=depth),
            self._matching(collection, query, matches, depth),
        )
        candidates = fuse(way.fusion, near, matching, metric=collection.metric, depth=depth)
        return Window(candidates, len(near) < depth, total, scale_behind(way.fusion, near, collection.metric))

    async def _matching(self, collection: Collection, query: Query, matches: Matches, depth: int) -> list[Hit]:
        """The best matches of the words that are not too far from the query's vector."""
        looked_up = replace(query, vector=None, matches=matches, max_distance=None)
        hits = await self._retriever.page(collection, looked_up, limit=depth)
        if query.max_distance is None or query.vector is None:
            return hits
        near = await self._retriever.distances(collection, query.vector, [hit.item_id for hit in hits])
        return [hit for hit in hits if near[hit.item_id][0] <= query.max_distance]


def unfused(hit: Hit, mode: Mode | None, metric: Metric) -> Candidate:
    """An item that one half alone found, with that half's own score; listed items have none."""
    if mode is None:
        return Candidate(hit)
    if mode == "lexical":
        return Candidate(hit, lexical=0.0 - hit.distance)
    return Candidate(hit, vector=score_of(hit.distance, metric))
