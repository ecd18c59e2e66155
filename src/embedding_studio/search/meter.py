"""The recall meter: some live searches are repeated exactly, and searches look further where too little was found."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from embedding_studio.infra.metrics import collection_label
from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.search.metrics import RECALL
from embedding_studio.vector_store import (
    LARGEST_EF,
    Collection,
    Hit,
    Query,
    Recall,
    VectorStoreSettings,
    count,
    find,
    note_recall,
    raise_ef_search,
    recall_of,
)

__all__ = ["RecallMeter", "bucket_of"]

logger = logging.getLogger(__name__)

_BUCKETS = ((0.5, ">=50%"), (0.1, "10-50%"), (0.01, "1-10%"), (0.0, "<1%"))
_ENOUGH = 20
_STEP = 1.5
_TIMEOUT_S = 30.0


class RecallMeter:
    """Measures one search at a time, in the background; what is asked meanwhile is not sampled."""

    def __init__(self, pool: Pool, settings: VectorStoreSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._next = 0.0
        self._running: asyncio.Task[None] | None = None

    def sample(self, collection: Collection, query: Query, hits: Sequence[Hit], *, limit: int, seconds: float) -> None:
        """Perhaps measure a search that an approximate index answered.

        Args:
            collection: As it was searched.
            query: What was asked.
            hits: What the index found.
            limit: How many were wanted.
            seconds: How long it took.
        """
        now = time.monotonic()
        if self._running or now < self._next or random.random() >= self._settings.recall_share:  # noqa: S311
            return
        self._next = now + self._settings.recall_every
        self._running = asyncio.create_task(self._measure(collection, query, hits, limit, seconds))
        self._running.add_done_callback(self._finished)

    async def close(self) -> None:
        """Give up the measurement that runs."""
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._running = None
        if not task.cancelled() and (error := task.exception()):
            logger.warning("a search could not be repeated to measure recall: %s", error)

    async def _measure(
        self, collection: Collection, query: Query, hits: Sequence[Hit], limit: int, seconds: float
    ) -> None:
        async with asyncio.timeout(_TIMEOUT_S), self._pool.acquire() as connection:
            exact = await find(connection, collection, query, limit=limit)
            bucket = await _bucket(connection, collection, query)
            recall = recall_of(hits, exact)
            RECALL.labels(collection_label(collection.name), bucket).observe(recall)
            mean = await note_recall(connection, collection, bucket, recall)
            if self._should_raise(mean, seconds):
                further = min(LARGEST_EF, round(mean.ef_search * _STEP))
                await raise_ef_search(connection, collection, further)
                logger.info(
                    "recall of %r is %.3f at %s: searches look at %d candidates from now on",
                    collection.name,
                    mean.recall,
                    bucket,
                    further,
                )

    def _should_raise(self, mean: Recall, seconds: float) -> bool:
        too_low = mean.samples >= _ENOUGH and mean.recall < self._settings.recall_target
        return too_low and mean.ef_search < LARGEST_EF and seconds * _STEP <= self._settings.recall_budget


def bucket_of(share: float) -> str:
    """The name of the range that a share of the items, 0..1, lies in."""
    return next(name for least, name in _BUCKETS if share >= least)


async def _bucket(connection: Connection, collection: Collection, query: Query) -> str:
    if query.filter is None:
        return "no filter"
    passed, everything = [
        (await count(connection, collection, one)).value for one in (Query(filter=query.filter), Query())
    ]
    return bucket_of(passed / max(1, everything))
