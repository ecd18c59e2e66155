"""POST …/search and …/count."""

import time

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from embedding_studio.search.schemas import CountIn, CountView, SearchIn, SearchView
from embedding_studio.search.service import SearchService

__all__ = ["SearchController"]

_MAX_BODY = 32_000_000
"""Bytes: an image may be the query."""


class SearchController(Controller):
    """Search."""

    path = "/api/v1/collections/{name:str}"
    tags = ("search",)
    request_max_body_size = _MAX_BODY

    @post("/search", status_code=200)
    async def search(
        self,
        searches: NamedDependency[SearchService],
        name: FromPath[str],
        data: JSONBody[SearchIn],
    ) -> SearchView:
        """Search a collection by words, by a vector, or list what passes a filter."""
        started = time.perf_counter()
        found = await searches.search(name, data.to_domain())
        return SearchView.of(found, explain=data.explain, took_ms=(time.perf_counter() - started) * 1000)

    @post("/count", status_code=200)
    async def count(
        self,
        searches: NamedDependency[SearchService],
        name: FromPath[str],
        data: JSONBody[CountIn],
    ) -> CountView:
        """Count the items that a search would find."""
        return CountView.of(await searches.count(name, data.conditions()))
