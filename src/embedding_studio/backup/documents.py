"""MongoDB, collection by collection, as BSON documents one after the other, compressed."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.asynchronous.collection import AsyncCollection

from embedding_studio.infra.mongo import Database

__all__ = [
    "Advance",
    "collections_of",
    "drop_documents",
    "drop_replaced",
    "dump_collection",
    "has_documents",
    "load_collection",
]

Advance = Callable[[int], None]
"""Told how many documents were written since it was last told."""

_Raw = AsyncCollection[RawBSONDocument]
_BATCH = 1_000
_LEVEL = 3
_BY_ID = [("_id", 1)]
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


async def collections_of(database: Database) -> list[str]:
    """The names of all collections, but the server's own."""
    return sorted(name for name in await database.list_collection_names() if not name.startswith("system."))


async def has_documents(database: Database) -> bool:
    """Whether any collection has one."""
    for name in await collections_of(database):
        if await database[name].find_one({}, {"_id": 1}) is not None:
            return True
    return False


async def drop_documents(database: Database) -> None:
    """Drop every collection."""
    for name in await collections_of(database):
        await database.drop_collection(name)


async def dump_collection(database: Database, name: str, file: Path, advance: Advance) -> int:
    """Write every document that is there from beginning to end, each once; returns how many.

    What is inserted or deleted meanwhile may be in the file or not.
    """
    written = 0
    with gzip.open(file, "wb", compresslevel=_LEVEL) as stream:
        async for batch in _batches(_raw(database, name)):
            await asyncio.to_thread(stream.write, b"".join(one.raw for one in batch))
            written += len(batch)
            advance(len(batch))
    return written


async def load_collection(database: Database, name: str, file: Path, advance: Advance) -> int:
    """Insert the documents of a file into an empty collection; returns how many."""
    collection = _raw(database, name).with_options(write_concern=WriteConcern(w="majority", j=True))
    loaded = 0
    with gzip.open(file, "rb") as stream:
        documents = bson.decode_file_iter(cast("IO[bytes]", stream), _RAW)
        while batch := await asyncio.to_thread(_next, documents):
            await collection.insert_many(batch, ordered=False)
            loaded += len(batch)
            advance(len(batch))
    return loaded


async def drop_replaced(database: Database, name: str, keys: Sequence[str]) -> None:
    """Of documents that have the same keys leave the one with the last id.

    A document that was deleted and made anew while a backup was taken may be in it twice.
    """
    groups = await database[name].aggregate(
        [
            {"$sort": {"_id": 1}},
            {"$group": {"_id": {key: f"${key}" for key in keys}, "ids": {"$push": "$_id"}}},
            {"$match": {"ids.1": {"$exists": True}}},
        ],
        allowDiskUse=True,
    )
    async for one in groups:
        await database[name].delete_many({"_id": {"$in": one["ids"][:-1]}})


def _raw(database: Database, name: str) -> _Raw:
    return cast("_Raw", database.get_collection(name, codec_options=_RAW))


async def _batches(collection: _Raw) -> AsyncIterator[list[RawBSONDocument]]:
    """All documents in the order of their ids, whatever the types of these; no cursor waits for the disk."""
    last: Any = None
    while True:
        found = collection.find({}, limit=_BATCH, sort=_BY_ID, hint=_BY_ID)
        if last is not None:
            found = found.min([("_id", last)])
        batch = await found.to_list()
        fresh = batch[1:] if batch and batch[0]["_id"] == last else batch
        if fresh:
            yield fresh
            last = fresh[-1]["_id"]
        if len(batch) < _BATCH:
            return


def _next(documents: Iterator[RawBSONDocument]) -> list[RawBSONDocument]:
    return [one for _, one in zip(range(_BATCH), documents, strict=False)]
