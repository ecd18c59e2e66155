"""Searching: a request to a plan, a plan to a page, a page to a recorded session."""

import logging
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo.errors import PyMongoError

from embedding_studio.clickstream import ClickstreamService, NewSession, Shown
from embedding_studio.infra.postgres import Pool
from embedding_studio.search.asking import Asked, Asking
from embedding_studio.search.domain import Found, Order, Result, SearchRequest
from embedding_studio.search.exploring import Explorer
from embedding_studio.search.interleaving import Interleaver
from embedding_studio.search.metrics import SEARCHES, SESSIONS_LOST, stage
from embedding_studio.search.paging import Page, Pager
from embedding_studio.search.participating import Part, Participation
from embedding_studio.search.planning import Plan, plan
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.seeking import Seeker, Sought
from embedding_studio.search.window import Windows
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    FacetValue,
    Hit,
    Query,
    Total,
    Vector,
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
        participation: Participation,
        seeker: Seeker,
        pager: Pager,
        explorer: Explorer,
        clickstream: ClickstreamService,
    ) -> None:
        self._pool = pool
        self._collections = collections
        self._asking = asking
        self._retriever = retriever
        self._windows = windows
        self._participation = participation
        self._seeker = seeker
        self._pager = pager
        self._interleaver = Interleaver(seeker=seeker, pager=pager)
        self._explorer = explorer
        self._clickstream = clickstream

    async def search(self, name: str, request: SearchRequest) -> Found:
        """Answer a search, and record what it showed.

        If the session cannot be recorded, the answer says so with `session_id` None.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The query does not fit the collection, or the cursor not the query.
        """
        began = time.perf_counter()
        part = await self._participation.of(await self._collections.get(name), request)
        with deletable_meanwhile(name):
            sought = await self._seeker.sought(part.collection, part.request, part.overrides)
            part = part if sought.way.mode else part.outside()
            drafted = part.seed is not None
            page = await (self._interleaver.page(sought, part) if drafted else self._pager.page(sought))
            ranked_ms = (time.perf_counter() - began) * 1000
            found = replace(await self._found(part, sought, page), ranked_ms=ranked_ms)
        if request.track:
            session_id = await self._record(part, sought, found, took_ms=(time.perf_counter() - began) * 1000)
            found = replace(found, session_id=session_id)
        SEARCHES.labels(found.mode or "listing", "yes" if request.track else "no").observe(time.perf_counter() - began)
        return found

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

    async def _found(self, part: Part, sought: Sought, page: Page) -> Found:
        """The page as it is answered; only what one ranking found alone is varied to explore."""
        results = await self._results(part, sought, page)
        facets = await self._facets(sought.collection, sought.request.facets, sought.asked.query)
        return Found(
            session_id=None,
            mode=sought.way.mode,
            results=results if page.teams else self._explorer.explore(sought.way, sought.request, results),
            total=page.total,
            next_cursor=part.cursor(page.following),
            model_version=sought.start.model_version,
            index_version=sought.collection.index_version,
            variant=part.variant,
            facets=facets,
            steps=sought.way.processed.steps if sought.way.processed else (),
        )

    async def _results(self, part: Part, sought: Sought, page: Page) -> list[Result]:
        vectors = await self._vectors(part, sought, page) if sought.request.with_vectors else {}
        teams = [page.teams.get(one.hit.item_id) for one in page.candidates]
        return [
            Result(
                position=sought.start.shown + place,
                candidate=one,
                vector=vectors.get(one.hit.item_id),
                propensity=page.propensities.get(one.hit.item_id, 1.0),
                team=team,
                model_version=part.model_of(team) or sought.start.model_version,
            )
            for place, (one, team) in enumerate(zip(page.candidates, teams, strict=True), 1)
        ]

    async def _vectors(self, part: Part, sought: Sought, page: Page) -> dict[str, Vector]:
        """Of the best part of each item of the page, in the index of the arm that found it."""
        theirs = [one for one in page.candidates if page.teams.get(one.hit.item_id) == "treatment"]
        ours = [one for one in page.candidates if page.teams.get(one.hit.item_id) != "treatment"]
        vectors = await self._pager.vectors(sought.collection, ours)
        if theirs and part.trial:
            vectors |= await self._pager.vectors(part.trial.treatment.collection, theirs)
        return vectors

    async def _facets(
        self, collection: Collection, paths: Sequence[str], query: Query
    ) -> dict[str, Sequence[FacetValue]]:
        if not paths:
            return {}
        with stage("facets"):
            async with self._pool.acquire() as connection:
                return await count_facets(connection, collection, query, paths)

    async def _record(self, part: Part, sought: Sought, found: Found, *, took_ms: float) -> str | None:
        request = sought.request
        session = NewSession(
            collection=sought.collection.name,
            query=_recorded(request, sought.asked.query, sought.way),
            filter=request.filter_tree,
            user_id=request.user_id,
            meta=request.meta,
            results=[
                Shown(one.candidate.hit.item_id, one.position, one.candidate.score, one.propensity, one.team)
                for one in found.results
            ],
            mode=found.mode or "listing",
            model_version=found.model_version,
            index_version=found.index_version,
            variant=part.variant,
            experiment=part.trial.id if part.trial else None,
            seed=part.seed,
            took_ms=round(took_ms, 3),
            shown_before=sought.start.shown,
        )
        try:
            with stage("record"):
                return await self._clickstream.record(session, part.session_id)
        except PyMongoError:
            SESSIONS_LOST.inc()
            logger.exception("a search of %r was answered but not recorded", sought.collection.name)
            return None


def _recorded(request: SearchRequest, query: Query, way: Plan) -> dict[str, Any]:
    """The query as the session keeps it: of an image, that there was one; `searched`, where processors changed it."""
    vector = None if request.vector is None else query.vector
    searched = way.text if way.mode and way.text != request.text else None
    given = {"text": request.text, "vector": vector, "item_id": request.item_id, "searched": searched}
    recorded: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return recorded | ({"image": True} if request.image is not None else {}) or {"text": None}
