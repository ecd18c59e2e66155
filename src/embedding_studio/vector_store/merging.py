"""Merging what each statement added to the terms of an index version into one row a term."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embedding_studio.infra.postgres import Connection, Pool, Record
from embedding_studio.vector_store.bm25 import without
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.tables import parts_table, terms_table

__all__ = ["is_fragmented", "merge_terms"]

_FRAGMENTS = 500
_TERMS_AT_A_TIME = 500
_TIMEOUT_S = 3600.0

_Row = tuple[str, int, int, bytes]


async def is_fragmented(connection: Connection, collection: Collection, version: int) -> bool:
    """Whether so many statements have added to the terms that searches feel it."""
    terms = terms_table(collection.id, version)
    fragments: int = await connection.fetchval(
        f"SELECT count(*) FROM (SELECT FROM {terms} WHERE term = '' LIMIT {_FRAGMENTS:d}) f"
    )
    return fragments >= _FRAGMENTS


async def merge_terms(pool: Pool, collection: Collection, version: int) -> int:
    """Write one row a term, without the postings of parts that are gone; returns how many terms there are.

    One snapshot shows both the parts and the terms, so that no part that is being written is taken for gone, and what
    is added meanwhile stays beside the merged rows. The caller sees to it that one merge runs at a time.
    """
    terms = terms_table(collection.id, version)
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        keys = await connection.fetch(f"SELECT key FROM {parts_table(collection.id, version)}", timeout=_TIMEOUT_S)
        live = np.sort(np.fromiter((row["key"] for row in keys), np.int64, len(keys)))
        await connection.execute(f"CREATE TEMP TABLE merged (LIKE {terms} INCLUDING STORAGE) ON COMMIT DROP")
        merged = 0
        async for rows in _batches(connection, terms):
            records = [row for row in await asyncio.to_thread(_merge, rows, live) if row[1] > 0]
            await connection.copy_records_to_table("merged", records=records, timeout=_TIMEOUT_S)
            merged += len(records)
        await connection.execute(f"DELETE FROM {terms}", timeout=_TIMEOUT_S)
        await connection.execute(f"INSERT INTO {terms} SELECT * FROM merged", timeout=_TIMEOUT_S)
    return merged


async def _batches(connection: Connection, terms: str) -> AsyncIterator[Sequence[Record]]:
    cursor = await connection.cursor(
        "SELECT term, sum(parts)::bigint, sum(length)::bigint, string_agg(postings, ''::bytea)"
        f" FROM {terms} GROUP BY term ORDER BY term"
    )
    while rows := await cursor.fetch(_TERMS_AT_A_TIME, timeout=_TIMEOUT_S):
        yield rows


def _merge(rows: Sequence[Record], live: NDArray[np.int64]) -> list[_Row]:
    return [(row[0], row[1], row[2], without(row[3], live)) for row in rows]
