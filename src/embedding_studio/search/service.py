"""Searching: query to vector, vector to hits, hits to a recorded session."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pymongo.errors import PyMongoError

from embedding_studio.clickstream import ClickstreamService, NewSession, Shown
from embedding_studio.inference import EmbeddingService
from embedding_studio.infra.postgres import Pool
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.search.domain import Found, Mode, PageStart, SearchRequest, fingerprint, ranked
from embedding_studio.search.metrics import SESSIONS_LOST
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    Hit,
    Nearest,
    Query,
    Total,
    VectorStoreSettings,
    Words,
    checked_vector,
    count,
    deletable_meanwhile,
    find,
    find_nearest,
    list_items,
)

__all__ = ["SearchService"]

logger = logging.getLogger(__name__)


class SearchService:
    """Exact wherever few items match; the HNSW index otherwise, and never fewer results than there are."""

    def __init__(
        self,
        *,
        pool: Pool,
        collections: CollectionService,
        embeddings: EmbeddingService,
        clickstream: ClickstreamService,
        settings: VectorStoreSettings,
    ) -> None:
        self._pool = pool
        self._collections = collections
        self._embeddings = embeddings
        self._clickstream = clickstream
        self._exact_below = settings.exact_below
        self._large: dict[str, Collection] = {}

    async def search(self, name: str, request: SearchRequest) -> Found:
        """Answer a search, and record what it showed.

        If the session cannot be recorded, the answer says so with `session_id` None.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The query does not fit the collection, or the cursor not the query.
        """
        collection = await self._collections.get(name)
        mode = self._mode(collection, request)
        start = _start(collection, request, mode)
        with deletable_meanwhile(name):
            query, total = await self._prepare(collection, request, mode, start)
            hits, following = await self._page(collection, query, start, total, request.limit)
        found = Found(
            session_id=None,
            mode=mode,
            results=ranked(hits, shown_before=start.shown, mode=mode, metric=collection.metric),
            total=total,
            next_cursor=following.encode() if following else None,
            model_version=start.model_version,
            index_version=collection.index_version,
        )
        return replace(found, session_id=await self._record(collection, request, found)) if request.track else found

    async def rank(
        self, collection: Collection, vector: NDArray[np.float32], *, limit: int, only: Sequence[str] | None = None
    ) -> list[Hit]:
        """The best items for a query vector, float32 (dimensions,), as a first page without a filter finds them.

        With `only`, those items alone are ranked, by the same distances.
        """
        query = Query(Nearest(vector), only=only)
        exact = only is not None or (await self._count(collection, query)).relation == "eq"
        async with self._pool.acquire() as connection:
            return await (find if exact else find_nearest)(connection, collection, query, limit=limit)

    def _mode(self, collection: Collection, request: SearchRequest) -> Mode | None:
        if request.vector is None and not request.text:
            return None
        if request.vector is not None:
            if request.text or request.mode == "lexical":
                raise InvalidError.at("query", "give a text or a vector; a vector has no lexical mode")
            return "vector"
        gives_vectors = self._collections.plugin_of(collection).gives_vectors
        if gives_vectors and request.mode == "vector":
            raise InvalidError.at(
                "mode", "this collection's items bring their own vectors: query it by a vector, or lexically"
            )
        return request.mode or ("lexical" if gives_vectors else "vector")

    async def _prepare(
        self,
        collection: Collection,
        request: SearchRequest,
        mode: Mode | None,
        start: PageStart,
    ) -> tuple[Query, Total]:
        """Count while the text is embedded: the one waits for PostgreSQL, the other for a core."""
        words = Query(Words(request.text) if mode == "lexical" and request.text else None, request.filter)
        if mode != "vector":
            return words, await self._count(collection, words)
        counting = asyncio.create_task(self._count(collection, words))
        try:
            vector = await self._vector(collection, request, start.model_version)
        except BaseException:
            counting.cancel()
            raise
        return Query(Nearest(vector), request.filter), await counting

    async def _vector(
        self,
        collection: Collection,
        request: SearchRequest,
        model_version: int,
    ) -> NDArray[np.float32]:
        if request.vector is not None:
            return checked_vector(
                request.vector,
                dimensions=collection.dimensions,
                metric=collection.metric,
                place="query.vector",
            )
        vectors = await self._embeddings.embed(
            collection,
            [request.text or ""],
            "query",
            model_version=model_version,
        )
        return np.asarray(vectors[0], np.float32)

    async def _count(self, collection: Collection, query: Query) -> Total:
        """How many match; that a whole collection is large is remembered as long as the collection itself."""
        whole = query.filter is None and not isinstance(query.ranking, Words)
        if whole and self._large.get(collection.name) is collection:
            return Total(self._exact_below, "gte")
        async with self._pool.acquire() as connection:
            total = await count(connection, collection, query, stop_at=self._exact_below)
        if whole and total.relation == "gte":
            self._large[collection.name] = collection
        return total

    async def _page(
        self,
        collection: Collection,
        query: Query,
        start: PageStart,
        total: Total,
        limit: int,
    ) -> tuple[list[Hit], PageStart | None]:
        """The page's hits, and where the next page starts if there may be one."""
        async with self._pool.acquire() as connection:
            if query.ranking is None:
                hits = await list_items(connection, collection, replace(query, after=start.after), limit=limit)
                return hits, _exact_next(start, hits, limit)
            if isinstance(query.ranking, Nearest) and start.shown == 0 and total.relation == "gte":
                hits = await find_nearest(connection, collection, query, limit=limit)
                if len(hits) == limit:
                    return hits, replace(start, shown=limit, approximate=limit)
            if start.approximate:
                shown = await find_nearest(connection, collection, query, limit=start.approximate)
                query = replace(query, excluded=[hit.item_id for hit in shown])
            hits = await find(connection, collection, replace(query, after=start.after), limit=limit)
            return hits, _exact_next(start, hits, limit)

    async def _record(self, collection: Collection, request: SearchRequest, found: Found) -> str | None:
        session = NewSession(
            collection=collection.name,
            query={"text": request.text} if request.vector is None else {"vector": list(request.vector)},
            filter=request.filter_tree,
            user_id=request.user_id,
            meta=request.meta,
            results=[Shown(result.hit.item_id, result.position, result.score) for result in found.results],
            mode=found.mode or "listing",
            model_version=found.model_version,
            index_version=found.index_version,
        )
        try:
            return await self._clickstream.record(session)
        except PyMongoError:
            SESSIONS_LOST.inc()
            logger.exception("a search of %r was answered but not recorded", collection.name)
            return None


def _start(collection: Collection, request: SearchRequest, mode: Mode | None) -> PageStart:
    identity = fingerprint(collection.id, request, mode)
    if request.cursor is None:
        return PageStart(identity, collection.model_version)
    return PageStart.decode(request.cursor, identity)


def _exact_next(start: PageStart, hits: list[Hit], limit: int) -> PageStart | None:
    if len(hits) < limit:
        return None
    return replace(start, shown=start.shown + limit, after=(hits[-1].distance, hits[-1].item_id))
