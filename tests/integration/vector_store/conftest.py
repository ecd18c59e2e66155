"""A collection of two-dimensional points, without the API around it."""

from collections.abc import AsyncIterator

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Catalog, Collection, CollectionOptions
from studio import Studio


@pytest.fixture
def catalog(studio: Studio) -> Catalog:
    return studio.container.catalog


@pytest.fixture
async def points(catalog: Catalog) -> AsyncIterator[Collection]:
    name = f"points-{new_id()}"
    yield await catalog.create(name=name, plugin="vectors", metric="cosine", dimensions=2, options=CollectionOptions(2))
    if any(one.name == name for one in await catalog.page(after="", limit=1000)):
        await catalog.delete(name)
