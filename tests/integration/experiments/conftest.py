"""A shop whose searches are divided between two models."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Collection
from integration.inference.models import register
from studio import Studio

Json = dict[str, Any]
Begin = Callable[..., Coroutine[Any, Any, Json]]

THINGS = ("sofa", "car", "song", "lamp", "boat")
TITLES = [f"{colour} {thing}" for colour in ("red", "green", "blue", "old", "new", "tall") for thing in THINGS]


@pytest.fixture
async def shop(studio: Studio) -> AsyncIterator[Collection]:
    """Thirty items; a click teaches no memory, as no test waits for it."""
    name = f"shop-{new_id()}"
    await studio.create(name)
    await studio.add(name, [{"id": title, "payload": {"title": title}} for title in TITLES])
    yield await studio.container.collections.current(name)
    await studio.client.delete(f"/api/v1/collections/{name}")


@pytest.fixture
async def version(studio: Studio, shop: Collection) -> int:
    """A model version whose adapter turns queries far away."""
    return (await register(studio, shop, seed=3)).version


@pytest.fixture
def begin(studio: Studio, shop: Collection, version: int) -> Begin:
    """Start an experiment in the shop, of the base model against the version, unless told otherwise."""

    async def begun(**fields: Any) -> Json:
        wish = {
            "name": "adapter",
            "kind": "ab",
            "control": {"model_version": 1},
            "treatment": {"model_version": version},
        }
        answer = await studio.client.post(f"/api/v1/collections/{shop.name}/experiments", json=wish | fields)
        assert answer.status_code == 201, answer.text
        studio.container.trials._seen.clear()
        return dict(answer.json())

    return begun
