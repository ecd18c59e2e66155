"""Searches read at a replica that is in step, and at the primary whenever it is not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from embedding_studio.infra.migrations import migrate
from embedding_studio.infra.postgres import Connection, Pool, PostgresSettings, open_pool
from embedding_studio.infra.replica import Replica, open_replica
from embedding_studio.search import Reads
from embedding_studio.vector_store import Catalog, Collection, CollectionOptions, Query, find
from replication import Pair, replicated

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with replicated() as pair:
        yield pair


def settings_of(pair: Pair, lag: float) -> PostgresSettings:
    return PostgresSettings(dsn=SecretStr(pair.primary), replica_dsn=SecretStr(pair.replica), replica_lag=lag)


@asynccontextmanager
async def reading(pair: Pair, *, lag: float) -> AsyncIterator[tuple[Reads, Replica, Pool]]:
    """Reads at both, with the replica in step at first."""
    settings = settings_of(pair, lag)
    await migrate(settings)
    async with open_pool(settings) as pool, open_replica(settings, pool) as replica:
        assert replica
        await until(replica, in_step=True)
        yield Reads(pool, replica), replica, pool


async def until(replica: Replica, *, in_step: bool) -> None:
    async with asyncio.timeout(60):
        while (replica.pool is not None) is not in_step:  # noqa: ASYNC110  # time itself makes it so
            await asyncio.sleep(0.05)


async def create(pool: Pool, name: str) -> Collection:
    catalog = Catalog(pool, grace=timedelta(0))
    return await catalog.create(
        name=name, plugin="vectors", metric="cosine", dimensions=2, options=CollectionOptions(dimensions=2)
    )


async def is_replica(connection: Connection) -> bool:
    return bool(await connection.fetchval("SELECT pg_is_in_recovery()"))


async def known(reads: Reads, collection: Collection) -> None:
    """Return once the replica has come to the collection."""
    async with asyncio.timeout(60):
        while not await reads.run(collection, is_replica):
            pass


async def test_a_replica_in_step_answers(pair: Pair) -> None:
    async with reading(pair, lag=5) as (reads, _, pool):
        collection = await create(pool, "instep")
        await known(reads, collection)
        assert await reads.run(collection, lambda one: find(one, collection, Query(), limit=10)) == []


async def test_one_that_is_too_far_behind_does_not_until_it_has_caught_up(pair: Pair) -> None:
    async with reading(pair, lag=1) as (reads, replica, pool):
        collection = await create(pool, "lagging")
        await known(reads, collection)
        await pair.pause(paused=True)
        await pool.execute("UPDATE collections SET options = options")
        await until(replica, in_step=False)
        assert not await reads.run(collection, is_replica)
        await pair.pause(paused=False)
        await known(reads, collection)


async def test_an_index_that_it_does_not_know_is_searched_at_the_primary(pair: Pair) -> None:
    """However little it is behind."""
    async with reading(pair, lag=600) as (reads, replica, pool):
        await pair.pause(paused=True)
        collection = await create(pool, "unknown")
        assert replica.pool is not None
        assert not await reads.run(collection, is_replica)
        assert await reads.run(collection, lambda one: find(one, collection, Query(), limit=10)) == []
        await pair.pause(paused=False)
        await known(reads, collection)


async def test_an_index_that_is_being_filled_there_is_not_read_there(pair: Pair) -> None:
    async with reading(pair, lag=600) as (reads, _, pool):
        collection = await create(pool, "filling")
        await known(reads, collection)
        other = replace(collection, index_version=2)
        await pool.execute(
            "INSERT INTO index_versions (collection_id, version, state, model_version, dimensions)"
            " VALUES ($1, 2, 'building', 1, 2)",
            collection.id,
        )
        assert not await reads.run(other, is_replica)


async def test_what_fails_there_is_done_here(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    async with reading(pair, lag=600) as (reads, replica, pool):
        collection = await create(pool, "failing")
        await known(reads, collection)
        look, is_next, may_look = replica._look, asyncio.Event(), asyncio.Event()

        async def look_later(there: Pool) -> None:
            is_next.set()
            await may_look.wait()
            await look(there)

        monkeypatch.setattr(replica, "_look", look_later)
        await is_next.wait()  # until it was looked at again, nothing but the failure counts

        async def fail_there(connection: Connection) -> bool:
            if await is_replica(connection):
                raise asyncpg.SerializationError("canceling statement due to conflict with recovery")
            return True

        is_read = replica.pool is not None
        assert await reads.run(collection, fail_there)
        assert (is_read, replica.pool) == (True, None)
        may_look.set()
        await until(replica, in_step=True)


async def test_a_mistake_of_ours_is_no_reason_to_ask_again(pair: Pair) -> None:
    async with reading(pair, lag=600) as (reads, _, pool):
        collection = await create(pool, "mistaken")
        await known(reads, collection)
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await reads.run(collection, lambda one: one.fetch("SELEC"))


async def test_a_primary_named_as_a_replica_is_never_read_as_one(pair: Pair) -> None:
    settings = settings_of(pair, 600).model_copy(update={"replica_dsn": SecretStr(pair.primary)})
    async with open_pool(settings) as pool:
        replica = Replica(settings, pool, most_lag=600)
        await replica._look(pool)
        replica._pool = pool
        assert replica.pool is None


async def test_without_its_replica_the_primary_answers_and_a_start_needs_none(pair: Pair) -> None:
    async with reading(pair, lag=600) as (reads, replica, pool):
        collection = await create(pool, "alone")
        await known(reads, collection)
        pair.child.kill()
        for _ in range(10):
            assert not await reads.run(collection, is_replica)
        assert replica.pool is None
    settings = settings_of(pair, 600)
    async with open_pool(settings) as pool, open_replica(settings, pool) as absent:
        assert not await Reads(pool, absent).run(collection, is_replica)
