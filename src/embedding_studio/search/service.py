"""Searching: a request to a plan, a plan to a page, a page to a recorded session."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo.errors import PyMongoError

from embedding_studio.clickstream import ClickstreamService, NewSession, Shown
from embedding_studio.infra.postgres import Pool
from embedding_studio.search.asking import Asking
from embedding_studio.search.domain import Candidate, Found, PageStart, Result, SearchRequest, fingerprint
from embedding_studio.search.exploring import Explorer
from embedding_studio.search.metrics import SESSIONS_LOST
from embedding_studio.search.planning import Plan, plan
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.together import together
from embedding_studio.search.window import Windows, unfused
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    FacetValue,
    Hit,
    ItemStore,
    Matches,
    Query,
    Total,
    count_facets,
    deletable_meanwhile,
)

__all__ = ["SearchService"]

logger = logging.getLogger(__name__)


class SearchService:
    """Answers searches and counts, and records what was shown."""

    def __init__(
        self,
        *,
        pool: Pool,
        collections: CollectionService,
        asking: Asking,
        retriever: Retriever,
        windows: Windows,
        explorer: Explorer,
        items: ItemStore,
        clickstream: ClickstreamService,
    ) -> None:
        self._pool = pool
        self._collections = collections
        self._asking = asking
        self._retriever = retriever
        self._windows = windows
        self._explorer = explorer
        self._items = items
        self._clickstream = clickstream

    async def search(self, name: str, request: SearchRequest) -> Found:
        """Answer a search, and record what it showed.

        If the session cannot be recorded, the answer says so with `session_id` None.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The query does not fit the collection, or the cursor not the query.
        """
        collection = await self._collections.get(name)
        way = await plan(collection, self._collections.plugin_of(collection), request)
        start = _start(collection, request, way)
        with deletable_meanwhile(name):
            query, matches = await self._asking.query(collection, request, way, start.model_version)
            candidates, total, following = await self._page(collection, way, query, matches, start, request.limit)
            results = await self._results(collection, request, candidates, shown_before=start.shown)
            found = Found(
                session_id=None,
                mode=way.mode,
                results=self._explorer.explore(way, request, results),
                total=total,
                next_cursor=following.encode() if following else None,
                model_version=start.model_version,
                index_version=collection.index_version,
                facets=await self._facets(collection, request.facets, query),
                steps=way.processed.steps if way.processed else (),
            )
        if not request.track:
            return found
        session_id = await self._record(collection, request, query, found, shown_before=start.shown)
        return replace(found, session_id=session_id)

    async def count(self, name: str, request: SearchRequest) -> Total:
        """How many items a search would find over all its pages; counted to the end."""
        collection = await self._collections.get(name)
        way = await plan(collection, self._collections.plugin_of(collection), request)
        with deletable_meanwhile(name):
            query, _ = await self._asking.query(collection, request, way, collection.model_version)
            return await self._retriever.total(collection, query, to_the_end=True)

    async def rank(
        self, collection: Collection, vector: NDArray[np.float32], *, limit: int, only: Sequence[str] | None = None
    ) -> list[Hit]:
        """The best items for a query vector, float32 (dimensions,), as a first page without a filter finds them.

        With `only`, those items alone are ranked, by the same distances.
        """
        hits, _ = await self._retriever.nearest(collection, Query(vector=vector, only=only), limit=limit)
        return hits

    async def _page(
        self,
        collection: Collection,
        way: Plan,
        query: Query,
        matches: Matches | None,
        start: PageStart,
        limit: int,
    ) -> tuple[Sequence[Candidate], Total, PageStart | None]:
        """The page's items, how many match in all, and where the next page starts if there may be one."""
        if not start.window:
            hits, total = await together(
                self._retriever.page(collection, replace(query, after=start.after), limit=limit),
                self._retriever.total(collection, query),
            )
            candidates = [unfused(hit, way.mode, collection.metric) for hit in hits]
            return candidates, total, _following(start, candidates, limit)
        window = await self._windows.open(collection, way, query, matches, depth=start.window)
        head = window.candidates[start.shown : start.shown + limit]
        if len(head) == limit or window.is_all:
            shown = start.shown + len(head)
            more = len(head) == limit and (shown < len(window.candidates) or not window.is_all)
            return head, window.total, replace(start, shown=shown) if more else None
        behind = window.query_behind(query, start.after)
        hits = await self._retriever.page(collection, behind, limit=limit - len(head))
        candidates = [*head, *(window.behind(hit, way.mode, collection.metric) for hit in hits)]
        return candidates, window.total, _following(start, candidates, limit)

    async def _results(
        self, collection: Collection, request: SearchRequest, candidates: Sequence[Candidate], *, shown_before: int
    ) -> list[Result]:
        parts = [(one.hit.item_id, one.hit.part_no) for one in candidates] if request.with_vectors else []
        vectors = await self._items.part_vectors(collection, parts) if parts else {}
        return [
            Result(position, one, vectors.get((one.hit.item_id, one.hit.part_no)))
            for position, one in enumerate(candidates, shown_before + 1)
        ]

    async def _facets(
        self, collection: Collection, paths: Sequence[str], query: Query
    ) -> dict[str, Sequence[FacetValue]]:
        if not paths:
            return {}
        async with self._pool.acquire() as connection:
            return await count_facets(connection, collection, query, paths)

    async def _record(
        self, collection: Collection, request: SearchRequest, query: Query, found: Found, *, shown_before: int
    ) -> str | None:
        session = NewSession(
            collection=collection.name,
            query=_recorded(request, query),
            filter=request.filter_tree,
            user_id=request.user_id,
            meta=request.meta,
            results=[
                Shown(one.candidate.hit.item_id, one.position, one.candidate.score, one.propensity)
                for one in found.results
            ],
            mode=found.mode or "listing",
            model_version=found.model_version,
            index_version=found.index_version,
            shown_before=shown_before,
        )
        try:
            return await self._clickstream.record(session)
        except PyMongoError:
            SESSIONS_LOST.inc()
            logger.exception("a search of %r was answered but not recorded", collection.name)
            return None


def _start(collection: Collection, request: SearchRequest, way: Plan) -> PageStart:
    identity = fingerprint(collection.id, request, way.mode)
    if request.cursor is not None:
        return PageStart.decode(request.cursor, identity, sorted_by=len(request.sort))
    window = way.window_of(request.limit) if not request.sort else 0
    return PageStart(identity, collection.model_version, window)


def _following(start: PageStart, candidates: Sequence[Candidate], limit: int) -> PageStart | None:
    if len(candidates) < limit:
        return None
    last = candidates[-1].hit
    return replace(start, shown=start.shown + limit, after=(last.keys, last.distance, last.item_id))


def _recorded(request: SearchRequest, query: Query) -> dict[str, Any]:
    """The query as the session keeps it; of an image, that there was one."""
    vector = None if request.vector is None else query.vector
    given = {"text": request.text, "vector": vector, "item_id": request.item_id}
    recorded: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return recorded | ({"image": True} if request.image is not None else {}) or {"text": None}
