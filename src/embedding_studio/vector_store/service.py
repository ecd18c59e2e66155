"""Collections: making, finding and deleting them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, Metric, PluginRegistry
from embedding_studio.vector_store.catalog import Catalog
from embedding_studio.vector_store.domain import NAME_PATTERN, Collection, IndexVersion
from embedding_studio.vector_store.errors import CollectionNotFoundError, deletable_meanwhile
from embedding_studio.vector_store.options import CollectionOptions, Storage, parse_options
from embedding_studio.vector_store.recall import Recall
from embedding_studio.vector_store.settings import VectorStoreSettings
from embedding_studio.vector_store.versions import IndexVersions

__all__ = ["CollectionService", "DimensionsOf", "Leaving", "OnDelete"]

DimensionsOf = Callable[[EmbeddingPlugin], Awaitable[int]]
"""The dimensions of a plugin's encoder."""

OnDelete = Callable[[str], Awaitable[None]]
"""Deletes what another context keeps of a collection."""

Leaving = Callable[[str], AbstractAsyncContextManager[None]]
"""Keeps a name from everybody else while what has it is deleted."""

_NAME = re.compile(NAME_PATTERN)
_MOST_DIMENSIONS: Mapping[Storage, int] = {"halfvec": 4_000, "vector": 2_000, "binary": 4_000}


class CollectionService:
    """Keeps a short memory of collections, because every request needs one."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        versions: IndexVersions,
        plugins: PluginRegistry,
        dimensions_of: DimensionsOf,
        on_delete: Sequence[OnDelete],
        leaving: Leaving,
        settings: VectorStoreSettings,
    ) -> None:
        self._catalog = catalog
        self._versions = versions
        self._plugins = plugins
        self._dimensions_of = dimensions_of
        self._on_delete = on_delete
        self._leaving = leaving
        self._settings = settings
        self._seen: dict[str, tuple[float, Collection]] = {}

    async def create(
        self,
        *,
        name: str,
        plugin_name: str,
        metric: Metric | None,
        options: dict[str, Any],
    ) -> Collection:
        """Make an empty collection.

        Raises:
            CollectionExistsError: The name is taken.
            InvalidError: No such plugin, or options it does not take.
            UnavailableError: The plugin's encoder is still being made ready.
        """
        plugin = self._plugins.get(plugin_name)
        parsed = parse_options(options)
        dimensions = await self._dimensions(plugin, parsed)
        _check_storage(parsed, metric or plugin.metric, dimensions)
        return await self._catalog.create(
            name=name,
            plugin=plugin.name,
            metric=metric or plugin.metric,
            dimensions=dimensions,
            options=msgspec.structs.replace(parsed, language=parsed.language or plugin.ranking.language),
            encoder=plugin.encoder.build() if plugin.encoder else None,
        )

    async def get(self, name: str) -> Collection:
        """The collection, at most `seen_within` seconds old.

        Raises:
            CollectionNotFoundError: There is none of this name.
        """
        if not _NAME.fullmatch(name):
            raise CollectionNotFoundError(name)
        moment = asyncio.get_running_loop().time()
        seen = self._seen.get(name)
        if seen and moment - seen[0] < self._settings.seen_within:
            return seen[1]
        self._seen.pop(name, None)
        collection = await self._catalog.get(name)
        self._seen[name] = (moment, collection)
        return collection

    async def current(self, name: str) -> Collection:
        """The collection as it stands this moment."""
        self._seen.pop(name, None)
        return await self.get(name)

    async def dimensions_of(self, plugin: EmbeddingPlugin) -> int:
        """Of the plugin's encoder.

        Raises:
            UnavailableError: The encoder is still being made ready.
        """
        return await self._dimensions_of(plugin)

    def plugin_of(self, collection: Collection) -> EmbeddingPlugin:
        """The collection's plugin.

        Raises:
            UnavailableError: It is broken or gone, which is no fault of the request.
        """
        try:
            return self._plugins.get(collection.plugin)
        except InvalidError as error:
            raise UnavailableError(f"the collection {collection.name!r} has lost its plugin: {error.detail}") from None

    async def page(self, *, after: str, limit: int, within: AbstractSet[str] | None = None) -> list[Collection]:
        """Collections by name, of those `within`, if not of all."""
        return await self._catalog.page(after=after, limit=limit, within=within)

    async def index_versions(
        self, collection: Collection, *, exactly: bool = True
    ) -> list[tuple[IndexVersion, int, int]]:
        """The collection's live indexes, each with how many items and parts it holds, or about how many.

        Raises:
            CollectionNotFoundError: It was deleted meanwhile.
        """
        with deletable_meanwhile(collection.name):
            live = await self._versions.live(collection)
            count = self._versions.count if exactly else self._versions.about
            counted = [(one, *await count(collection, one.version)) for one in live]
        if not counted:
            raise CollectionNotFoundError(collection.name)
        return counted

    async def recalls(self, collection: Collection) -> list[Recall]:
        """What was measured of the recall of the collection's active index."""
        return await self._versions.recalls(collection)

    async def delete(self, name: str) -> None:
        """Delete the collection and all that any context keeps of it.

        The catalog goes after the other contexts: if one of them fails, the same call does the rest. Then they are
        asked again, for what requests under way wrote meanwhile. They know it by its name, which is taken until then.

        Raises:
            CollectionLeavesError: Somebody deletes it already.
            CollectionNotFoundError: There is none of this name.
        """
        await self.get(name)  # any text may come as a name: only one that there is goes further
        async with self._leaving(name):
            await self.current(name)
            await self._forget(name)
            await self._catalog.delete(name)
            self._seen.pop(name, None)
            await self._forget(name)

    async def _forget(self, name: str) -> None:
        for forget in self._on_delete:
            await forget(name)

    async def _dimensions(self, plugin: EmbeddingPlugin, options: CollectionOptions) -> int:
        if not plugin.gives_vectors:
            if options.dimensions is not None:
                raise InvalidError.at("options.dimensions", f"the encoder of the plugin {plugin.name!r} settles them")
            return await self._dimensions_of(plugin)
        if options.dimensions is None:
            raise InvalidError.at("options.dimensions", "must be given: how many numbers an item's vector has")
        if options.mode in {"vector", "hybrid"}:
            raise InvalidError.at(
                "options.mode", "items bring their own vectors, so words alone are searched lexically"
            )
        return options.dimensions


def _check_storage(options: CollectionOptions, metric: Metric, dimensions: int) -> None:
    storage = options.index.storage
    if dimensions > (most := _MOST_DIMENSIONS[storage]):
        raise InvalidError.at("options.index.storage", f"an index of {storage!r} takes up to {most} dimensions")
    if storage == "binary" and metric == "euclidean":
        raise InvalidError.at("options.index.storage", "one bit a number keeps directions, and no Euclidean distances")
