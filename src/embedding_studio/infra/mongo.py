"""The MongoDB client and its documents."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from beanie import Document, init_beanie
from pydantic import BaseModel, Field, SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["Database", "MongoSettings", "open_database"]

Database = AsyncDatabase[dict[str, Any]]


class MongoSettings(BaseModel):
    """Where tasks, sessions, events and model records live."""

    url: SecretStr = Field(
        description="mongodb://user:password@host:port,host:port/?replicaSet=name&tls=true&tlsCAFile=file"
    )
    database: str = "embedding_studio"
    timeout: float = Field(default=5.0, gt=0, description="seconds an operation may take")


@asynccontextmanager
async def open_database(settings: MongoSettings, documents: Sequence[type[Document]]) -> AsyncIterator[Database]:
    """Yield the database with `documents` bound to it and their indexes in place.

    A write is acknowledged once it is in the journals of a majority of the replica set: neither a server that is killed
    nor a change of the primary loses it. Reads and writes that a change of the primary cut off are tried once more.
    """
    milliseconds = int(settings.timeout * 1000)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        settings.url.get_secret_value(),
        tz_aware=True,
        w="majority",
        journal=True,
        retryReads=True,
        retryWrites=True,
        timeoutMS=milliseconds,
        serverSelectionTimeoutMS=milliseconds,
    )
    try:
        database = client[settings.database]
        await init_beanie(database=database, document_models=list(documents))
        yield database
    finally:
        await client.close()
