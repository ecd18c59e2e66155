"""The MongoDB client and its documents."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from beanie import Document, init_beanie
from pydantic import BaseModel, Field, SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from embedding_studio.infra.tracing import is_traced, note_span

__all__ = ["Database", "MongoSettings", "open_database"]

Database = AsyncDatabase[dict[str, Any]]


class MongoSettings(BaseModel):
    """Where tasks, sessions, events and model records live."""

    url: SecretStr = Field(
        description="mongodb://user:password@host:port,host:port/?replicaSet=name&tls=true&tlsCAFile=file"
    )
    database: str = "embedding_studio"
    timeout: float = Field(default=5.0, gt=0, description="seconds an operation may take")


class _Spans(CommandListener):
    """Adds commands to the trace, without the values that they carry."""

    def __init__(self) -> None:
        self._collections: dict[int, str] = {}

    def started(self, event: CommandStartedEvent) -> None:
        collection = event.command.get("collection", event.command.get(event.command_name))
        self._collections[event.request_id] = collection if isinstance(collection, str) else ""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._ended(event)

    def failed(self, event: CommandFailedEvent) -> None:
        self._ended(event, str(event.failure.get("codeName", "failed")))

    def _ended(self, event: CommandSucceededEvent | CommandFailedEvent, failure: str | None = None) -> None:
        collection = self._collections.pop(event.request_id, "")
        facts = {"db.system.name": "mongodb", "db.collection.name": collection}
        seconds = event.duration_micros / 1e6
        note_span(f"{event.command_name} {collection}".rstrip(), "client", seconds, facts, failure=failure)


@asynccontextmanager
async def open_database(
    settings: MongoSettings, documents: Sequence[type[Document]], *, make_indexes: bool = False
) -> AsyncIterator[Database]:
    """Yield the database with `documents` bound to it; their indexes are made by `embedding-studio migrate`.

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
        event_listeners=[_Spans()] if is_traced() else [],
    )
    try:
        database = client[settings.database]
        await init_beanie(database=database, document_models=list(documents), skip_indexes=not make_indexes)
        yield database
    finally:
        await client.close()
