"""Candidates by vectors and by words: exact wherever few items match, and never fewer than there are."""

import time
from collections.abc import Sequence
from functools import partial

from embedding_studio.infra.postgres import Connection
from embedding_studio.search.meter import RecallMeter
from embedding_studio.search.reads import Reads
from embedding_studio.vector_store import (
    Collection,
    Hit,
    Query,
    Total,
    Vector,
    VectorStoreSettings,
    count,
    distances,
    find,
    find_few,
    find_nearest,
)

__all__ = ["Retriever"]

_REMEMBERED_S = 1.0


class Retriever:
    """Chooses between comparing one by one and the approximate index, by how many items match."""

    def __init__(self, reads: Reads, settings: VectorStoreSettings, meter: RecallMeter) -> None:
        self._reads = reads
        self._meter = meter
        self._exact_below = settings.exact_below
        self._large: dict[tuple[int, int], float] = {}

    async def nearest(self, collection: Collection, query: Query, *, limit: int) -> tuple[list[Hit], Total]:
        """The nearest items, all that match if these are fewer than `limit`, and how many match."""
        return await self._reads.run(collection, partial(self._nearest, collection, query, limit))

    async def _nearest(
        self, collection: Collection, query: Query, limit: int, connection: Connection
    ) -> tuple[list[Hit], Total]:
        if query.filter is not None and query.only is None:
            few = await find_few(connection, collection, query, limit=limit, at_most=self._exact_below)
            if few.hits is not None:
                return few.hits, few.total
            total = few.total
        else:
            total = await self._total(connection, collection, query)
        if total.relation == "gte":
            started = time.perf_counter()
            hits = await find_nearest(connection, collection, query, limit=limit)
            if len(hits) == limit:
                seconds = time.perf_counter() - started
                self._meter.sample(collection, query, hits, limit=limit, seconds=seconds)
                return hits, total
        return await find(connection, collection, query, limit=limit), total

    async def page(self, collection: Collection, query: Query, *, limit: int) -> list[Hit]:
        """Items in exact order, from the place behind `query.after`."""
        return await self._reads.run(collection, lambda connection: find(connection, collection, query, limit=limit))

    async def total(self, collection: Collection, query: Query, *, to_the_end: bool = False) -> Total:
        """How many match, counted no further than the exact comparison goes unless `to_the_end`."""
        counting = count if to_the_end else self._total
        return await self._reads.run(collection, lambda connection: counting(connection, collection, query))

    async def _total(self, connection: Connection, collection: Collection, query: Query) -> Total:
        """That a whole collection is large is remembered for a second."""
        conditions = (query.filter, query.only, query.matches, query.max_distance)
        is_whole, now = all(one is None for one in conditions), time.monotonic()
        index = collection.id, collection.index_version
        if is_whole and self._large.get(index, 0.0) > now:
            return Total(self._exact_below, "gte")
        total = await count(connection, collection, query, stop_at=self._exact_below)
        if is_whole and total.relation == "gte":
            self._large[index] = now + _REMEMBERED_S
        return total

    async def distances(
        self, collection: Collection, vector: Vector, item_ids: Sequence[str]
    ) -> dict[str, tuple[float, int]]:
        """The distance of each item's nearest part, and which part that is."""
        return await self._reads.run(collection, lambda connection: distances(connection, collection, vector, item_ids))
