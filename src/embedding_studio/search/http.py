"""POST …/search and …/count."""

import time

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from embedding_studio.access import needs
from embedding_studio.search.mirroring import Mirror
from embedding_studio.search.schemas import CountIn, CountView, SearchIn, SearchView
from embedding_studio.search.service import SearchService

__all__ = ["SearchController"]

_MAX_BODY = 32_000_000
"""Bytes: an image may be the query."""


class SearchController(Controller):
    """Search."""

    path = "/api/v1/collections/{name:str}"
    tags = ("search",)
    opt = needs("search")
    request_max_body_size = _MAX_BODY

    @post("/search", status_code=200)
    async def search(
        self,
        searches: NamedDependency[SearchService],
        mirror: NamedDependency[Mirror],
        name: FromPath[str],
        data: JSONBody[SearchIn],
    ) -> SearchView:
        """Search a collection by words, by a vector, or list what passes a filter."""
        started = time.perf_counter()
        request = data.to_domain()
        with mirror.giving_way():
            found = await searches.search(name, request)
        took_ms = (time.perf_counter() - started) * 1000
        mirror.offer(name, request, found)
        return SearchView.of(found, explain=data.explain, took_ms=took_ms)

    @post("/count", status_code=200)
    async def count(
        self,
        searches: NamedDependency[SearchService],
        name: FromPath[str],
        data: JSONBody[CountIn],
    ) -> CountView:
        """Count the items that a search would find."""
        return CountView.of(await searches.count(name, data.conditions()))
