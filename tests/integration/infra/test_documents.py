"""Documents of an older release come to the present shape."""

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
from beanie import Document
from pydantic import SecretStr
from pymongo import IndexModel

from embedding_studio.infra.documents import migrate_documents, require_documents
from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.infra.mongo import Database, MongoSettings, open_database
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.kernel.ids import new_id

pytestmark = pytest.mark.anyio


class Thing(Document):
    """A document of the tests' own: another database would take one of the product's from whoever has it open."""

    class Settings:
        name = "things"
        indexes: ClassVar = [IndexModel([("number", 1)])]


@pytest.fixture
async def mongo(urls: ServerUrls) -> AsyncIterator[MongoSettings]:
    settings = MongoSettings(url=SecretStr(urls.mongo), database=f"migrated_{new_id()}")
    yield settings
    async with open_database(settings, ()) as database:
        await database.client.drop_database(settings.database)


async def session(database: Database, name: str, **fields: object) -> None:
    await database["sessions"].insert_one({"_id": name, "collection": "shop", **fields})


async def test_documents_come_along_and_indexes_are_made(mongo: MongoSettings) -> None:
    async with open_database(mongo, ()) as database:
        await session(database, "clicked")
        await session(database, "silent")
        await session(database, "new", has_events=False)
        await database["events"].insert_one({"_id": "e", "session_id": "clicked"})
        with pytest.raises(ConflictError, match="embedding-studio migrate"):
            await require_documents(database)
        for _ in range(2):
            await migrate_documents(mongo, (Thing,))
        await require_documents(database)
        marks = {one["_id"]: one["has_events"] async for one in database["sessions"].find()}
        assert marks == {"clicked": True, "silent": False, "new": False}
        assert len(await database["things"].index_information()) == 2


async def test_no_session_is_looked_at_again_for_each_batch(mongo: MongoSettings) -> None:
    async with open_database(mongo, ()) as database:
        await database["sessions"].insert_many(
            [{"_id": f"s{number:04}", "collection": "shop"} for number in range(5_000)]
        )
        await database.command("profile", 2)
        await migrate_documents(mongo, ())
        await database.command("profile", 0)
        reads = {"ns": f"{mongo.database}.sessions", "op": {"$in": ["query", "getmore"]}}
        examined = [one["docsExamined"] async for one in database["system.profile"].find(reads)]
        assert sum(examined) == 5_000
        assert await database["sessions"].count_documents({"has_events": False}) == 5_000
