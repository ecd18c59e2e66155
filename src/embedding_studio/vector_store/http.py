"""The endpoints of collections."""

from contextlib import suppress
from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from embedding_studio.access import Caller, needs
from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.errors import CollectionNotFoundError
from embedding_studio.vector_store.schemas import CollectionPage, CollectionView, CreateCollection
from embedding_studio.vector_store.service import CollectionService

__all__ = ["CollectionController"]


class CollectionController(Controller):
    """Collections."""

    path = "/api/v1/collections"
    tags = ("collections",)
    opt = needs("admin", minds_grants=True)

    @post()
    async def create_collection(
        self,
        collections: NamedDependency[CollectionService],
        caller: NamedDependency[Caller],
        data: JSONBody[CreateCollection],
    ) -> CollectionView:
        """Make an empty collection."""
        caller.require(data.name)
        collection = await collections.create(
            name=data.name,
            plugin_name=data.plugin,
            metric=data.metric,
            options=data.options,
        )
        return await _view(collections, collection)

    @get(opt=needs("ingest", minds_grants=True))
    async def list_collections(
        self,
        collections: NamedDependency[CollectionService],
        caller: NamedDependency[Caller],
        cursor: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> CollectionPage:
        """List collections by name; the sizes of large ones are estimates."""
        after = decode_cursor(cursor, str)[0] if cursor else ""
        found = await collections.page(after=after, limit=limit, within=caller.collections)
        views: list[CollectionView] = []
        for one in found:
            with suppress(CollectionNotFoundError):
                views.append(await _view(collections, one, exactly=False))
        return CollectionPage(views, encode_cursor(found[-1].name) if len(found) == limit else None)

    @get("/{name:str}", opt=needs("ingest"))
    async def get_collection(
        self,
        collections: NamedDependency[CollectionService],
        name: FromPath[str],
    ) -> CollectionView:
        """Look at a collection."""
        return await _view(collections, await collections.current(name))

    @delete("/{name:str}")
    async def delete_collection(
        self,
        collections: NamedDependency[CollectionService],
        name: FromPath[str],
    ) -> None:
        """Delete a collection and everything of it."""
        await collections.delete(name)


async def _view(collections: CollectionService, collection: Collection, *, exactly: bool = True) -> CollectionView:
    versions = await collections.index_versions(collection, exactly=exactly)
    return CollectionView.of(collection, versions, await collections.recalls(collection))
