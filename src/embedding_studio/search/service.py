"""Searching: a request to a plan, a plan to a page, a page to a recorded session."""

import logging
from collections.abc import Coroutine, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo.errors import PyMongoError

from embedding_studio.clickstream import ClickstreamService, NewSession, Shown
from embedding_studio.infra.postgres import Pool
from embedding_studio.search.adjusting import Adjuster, Recalled
from embedding_studio.search.asking import Asked, Asking
from embedding_studio.search.domain import Candidate, Found, Order, PageStart, Result, SearchRequest, fingerprint
from embedding_studio.search.exploring import Explorer
from embedding_studio.search.metrics import SESSIONS_LOST
from embedding_studio.search.planning import Plan, plan
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.together import together
from embedding_studio.search.window import Window, Windows, unfused
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    FacetValue,
    Hit,
    ItemStore,
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
        adjuster: Adjuster,
        explorer: Explorer,
        items: ItemStore,
        clickstream: ClickstreamService,
    ) -> None:
        self._pool = pool
        self._collections = collections
        self._asking = asking
        self._retriever = retriever
        self._windows = windows
        self._adjuster = adjuster
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
            asked = await self._asking.query(collection, request, way, start.model_version)
            query = asked.query
            candidates, total, following = await self._page(collection, way, asked, request, start)
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
        session_id = await self._record(collection, _recorded(request, query, way), request, found, start.shown)
        return replace(found, session_id=session_id)

    async def count(self, name: str, request: SearchRequest) -> Total:
        """How many items a search would find over all its pages; counted to the end."""
        collection = await self._collections.get(name)
        way = await plan(collection, self._collections.plugin_of(collection), request)
        with deletable_meanwhile(name):
            asked = await self._asking.query(collection, request, way, collection.model_version)
            return await self._retriever.total(collection, asked.query, to_the_end=True)

    async def rank(
        self, collection: Collection, text: str, vector: NDArray[np.float32], *, limit: int, among: Sequence[str]
    ) -> Order:
        """The order that the collection's own way of searching gives, with a vector that another model may have made.

        Nothing is recorded, and what users did lately has no part in it.

        Args:
            collection: Whose active index is searched.
            text: As it was typed.
            vector: Float32 (dimensions,).
            limit: How many to find, at least 1.
            among: Items whose order is wanted, wherever it comes in the pages.
        """
        way = await plan(collection, self._collections.plugin_of(collection), SearchRequest(text=text))
        if way.mode is None:  # filters are all that is left of the words: no model ranks
            return Order((), ())
        given = SearchRequest(vector=vector.tolist())
        asked = await self._asking.query(collection, given, way, collection.model_version)
        return await self._order(collection, way, asked, limit, among)

    async def rank_near(
        self, collection: Collection, text: str, near: Sequence[Hit], *, limit: int, among: Sequence[str]
    ) -> Order:
        """As `rank`, for vectors that there is no index of: some items alone, as far from the query as is said.

        Words are looked up in the whole collection, and scored by it. Where they alone rank, `near` has no say.

        Args:
            collection: Whose active index is searched for words.
            text: As it was typed.
            near: The items that may be found, by distance, then id.
            limit: How many to find, at least 1.
            among: Items whose order is wanted, wherever it comes in the pages.
        """
        way = await plan(collection, self._collections.plugin_of(collection), SearchRequest(text=text))
        if way.mode is None:
            return Order((), ())
        asked = await self._asking.words(collection, way)
        if way.mode == "lexical":
            return await self._order(collection, way, asked, limit, among)
        passing = await self._passing(collection, asked.query, near)
        window = await self._windows.open_near(collection, way, asked, passing, depth=way.window_of(limit))
        found = [one.hit.item_id for one in window.candidates]
        wanted, known = set(among), set(found)
        every = [*found, *(hit.item_id for hit in passing if hit.item_id not in known)]
        return Order(tuple(found[:limit]), tuple(item for item in every if item in wanted))

    async def embedded_texts(self, collection: Collection, texts: Sequence[str]) -> list[str]:
        """What of queries in words is embedded: what the collection's processors make of each."""
        plugin = self._collections.plugin_of(collection)
        return [(await plan(collection, plugin, SearchRequest(text=text))).text or text for text in texts]

    async def _order(self, collection: Collection, way: Plan, asked: Asked, limit: int, among: Sequence[str]) -> Order:
        """The first items of all, and the order of some, by the index."""
        window = await self._windows.open(collection, way, asked, depth=way.window_of(limit) or limit)
        found = [one.hit.item_id for one in window.candidates]
        wanted = set(among)
        behind = [] if window.is_all else await self._behind(collection, asked.query, wanted.difference(found))
        return Order(tuple(found[:limit]), (*(item for item in found if item in wanted), *behind))

    async def _passing(self, collection: Collection, query: Query, near: Sequence[Hit]) -> Sequence[Hit]:
        """Those of the items that a query's filter and phrases let through."""
        if query.filter is None and query.only is None:
            return near
        allowed = None if query.only is None else set(query.only)
        ids = [hit.item_id for hit in near if allowed is None or hit.item_id in allowed]
        listed = await self._retriever.page(collection, Query(filter=query.filter, only=ids), limit=len(ids) or 1)
        passing = {hit.item_id for hit in listed}
        return [hit for hit in near if hit.item_id in passing]

    async def _behind(self, collection: Collection, query: Query, items: AbstractSet[str]) -> list[str]:
        """Those of the items that come behind a window, in their order."""
        only = sorted(items if query.only is None else items & set(query.only))
        if not only:
            return []
        hits = await self._retriever.page(collection, replace(query, only=only), limit=len(only))
        return [hit.item_id for hit in hits]

    async def _page(
        self, collection: Collection, way: Plan, asked: Asked, request: SearchRequest, start: PageStart
    ) -> tuple[Sequence[Candidate], Total, PageStart | None]:
        """The page's items, how many match in all, and where the next page starts if there may be one."""
        recalling = None
        if await self._adjuster.applies(collection, way, request, start):
            recalling = self._adjuster.recall(collection, way, asked, request, start)
        if start.window:
            return await self._page_of_window(collection, way, asked, request, start, recalling)
        exact = together(
            self._retriever.page(collection, replace(asked.query, after=start.after), limit=request.limit),
            self._retriever.total(collection, asked.query),
        )
        (hits, total), recalled = await together(exact, recalling) if recalling else (await exact, None)
        if recalled is not None and recalled.known:
            deeper = replace(start, window=request.limit)
            return await self._page_of_window(collection, way, asked, request, deeper, _at_hand(recalled))
        candidates = [unfused(hit, way.mode, collection.metric) for hit in hits]
        return candidates, total, _following(start, candidates, request.limit)

    async def _page_of_window(
        self,
        collection: Collection,
        way: Plan,
        asked: Asked,
        request: SearchRequest,
        start: PageStart,
        recalling: Coroutine[Any, Any, Recalled] | None,
    ) -> tuple[Sequence[Candidate], Total, PageStart | None]:
        """A page from the window, and from what comes behind it."""
        limit = request.limit
        window = await self._windows.open(collection, way, asked, depth=start.window, recalling=recalling)
        start = _remembering(start, window, request)
        head = window.candidates[start.shown : start.shown + limit]
        if len(head) == limit or window.is_all:
            shown = start.shown + len(head)
            more = len(head) == limit and (shown < len(window.candidates) or not window.is_all)
            following = replace(start, shown=shown) if more else None
            return await self._shown(collection, window, head), window.total, following
        behind = window.query_behind(asked.query, start.after)
        hits = await self._retriever.page(collection, behind, limit=limit - len(head))
        candidates = [*head, *(window.behind(hit, way.mode, collection.metric) for hit in hits)]
        following = _following(start, candidates, limit)
        return await self._shown(collection, window, candidates), window.total, following

    async def _shown(
        self, collection: Collection, window: Window, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """The candidates of a page with their payloads; items that were deleted meanwhile are left out."""
        if window.has_payloads:
            return candidates
        payloads = await self._items.payloads(collection, [one.hit.item_id for one in candidates])
        return [
            replace(one, hit=replace(one.hit, payload=payloads[one.hit.item_id]))
            for one in candidates
            if one.hit.item_id in payloads
        ]

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
        self, collection: Collection, query: dict[str, Any], request: SearchRequest, found: Found, shown_before: int
    ) -> str | None:
        session = NewSession(
            collection=collection.name,
            query=query,
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
        return PageStart.decode(request.cursor, identity, sorted_by=len(request.sort), user_id=request.user_id)
    window = way.window_of(request.limit) if not request.sort else 0
    return PageStart(identity, collection.model_version, window)


def _following(start: PageStart, candidates: Sequence[Candidate], limit: int) -> PageStart | None:
    if len(candidates) < limit:
        return None
    last = candidates[-1].hit
    return replace(start, shown=start.shown + limit, after=(last.keys, last.distance, last.item_id))


async def _at_hand(recalled: Recalled) -> Recalled:
    return recalled


def _remembering(start: PageStart, window: Window, request: SearchRequest) -> PageStart:
    """The start of the pages of a window, if memory has a say in it; otherwise all is as if there were none."""
    recalled = window.recalled
    if start.revision or not recalled.revision or recalled.at is None:
        return start
    return replace(start, window=window.depth).remembering(recalled.revision, recalled.at, request.user_id)


def _recorded(request: SearchRequest, query: Query, way: Plan) -> dict[str, Any]:
    """The query as the session keeps it: of an image, that there was one; `searched`, where processors changed it."""
    vector = None if request.vector is None else query.vector
    searched = way.text if way.mode and way.text != request.text else None
    given = {"text": request.text, "vector": vector, "item_id": request.item_id, "searched": searched}
    recorded: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return recorded | ({"image": True} if request.image is not None else {}) or {"text": None}
