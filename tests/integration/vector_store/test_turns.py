"""Whoever needs a collection alone has a turn, however many write to it all the while."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Collection, hold_alone
from studio import Studio

pytestmark = pytest.mark.anyio

WRITERS = 3


async def delete(studio: Studio, collection: Collection) -> None:
    async with studio.container.pool.acquire() as connection, connection.transaction():
        await hold_alone(connection, collection)


async def deploy(studio: Studio, collection: Collection) -> None:
    catalog = studio.container.catalog
    await catalog.deploy(
        collection, model_version=2, leaving=collection.deployment_id, task_id=new_id(), note="while items come"
    )


async def build(studio: Studio, collection: Collection) -> None:
    await studio.container.versions.begin(
        collection, task_id=new_id(), model_version=1, encoder=None, dimensions=collection.dimensions
    )


@pytest.mark.parametrize("act", [delete, deploy, build])
async def test_a_turn_comes_though_items_are_written_all_the_while(
    studio: Studio, any_name: str, act: Callable[[Studio, Collection], Awaitable[None]]
) -> None:
    """Each writer begins before another ends."""
    await studio.create(any_name, "vectors", options={"dimensions": 2})
    pool, items = studio.container.pool, studio.container.items
    collection = await studio.container.collections.current(any_name)
    has_begun = [asyncio.Event() for _ in range(WRITERS)]
    is_over = asyncio.Event()

    async def write(number: int) -> None:
        while not is_over.is_set():
            async with pool.acquire() as connection, connection.transaction():
                await items.hold(connection, collection)
                has_begun[number].set()
                await connection.execute("SELECT pg_sleep($1)", 0.1 + 0.07 * number)

    writers = [asyncio.create_task(write(number)) for number in range(WRITERS)]
    try:
        async with asyncio.timeout(60):
            for one in has_begun:
                await one.wait()
            await act(studio, collection)
    finally:
        is_over.set()
        await asyncio.gather(*writers)
