"""Every document goes out and comes back as it was, whatever its id."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import ObjectId
from pydantic import SecretStr
from pymongo import MongoClient

from embedding_studio.backup.documents import (
    collections_of,
    drop_documents,
    drop_replaced,
    dump_collection,
    has_documents,
    load_collection,
)
from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.infra.mongo import Database, MongoSettings, open_database
from embedding_studio.kernel.ids import new_id

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(urls: ServerUrls) -> AsyncIterator[Database]:
    settings = MongoSettings(url=SecretStr(urls.mongo), database=f"backup_{new_id()}")
    async with open_database(settings, ()) as database:
        yield database
        await database.client.drop_database(database.name)


async def test_documents_of_any_id_go_out_and_come_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.backup.documents._BATCH", 3)
    ids = [3, 1.5, "a", "b", {"x": 1}, ObjectId(), b"\x01", datetime(2026, 1, 31, tzinfo=UTC), True, "zz", 7]
    documents = [{"_id": one, "number": n, "deep": {"list": [n, None]}} for n, one in enumerate(ids)]
    await database["things"].insert_many(documents)
    told: list[int] = []
    file = tmp_path / "things.bson.gz"
    assert await dump_collection(database, "things", file, told.append) == len(ids) == sum(told)
    assert await has_documents(database)
    await drop_documents(database)
    assert not await has_documents(database)
    assert await load_collection(database, "things", file, told.append) == len(ids)
    assert await database["things"].find(sort=[("number", 1)]).to_list() == documents


async def test_what_goes_meanwhile_takes_nobody_along(
    database: Database, urls: ServerUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document that a batch ended with is deleted before the next batch, which starts there, is read."""
    monkeypatch.setattr("embedding_studio.backup.documents._BATCH", 2)
    await database["things"].insert_many([{"_id": n} for n in range(9)])
    with MongoClient[dict[str, int]](urls.mongo) as other:

        def meanwhile(_: int) -> None:
            other[database.name]["things"].delete_one({"_id": 1})

        written = await dump_collection(database, "things", tmp_path / "things.bson.gz", meanwhile)
    assert written == 9


async def test_empty_collections_are_kept_in_mind(database: Database, tmp_path: Path) -> None:
    await database.create_collection("empty")
    assert await dump_collection(database, "empty", tmp_path / "empty.bson.gz", lambda _: None) == 0
    assert await load_collection(database, "empty", tmp_path / "empty.bson.gz", lambda _: None) == 0
    assert await collections_of(database) == ["empty"]


async def test_what_was_made_anew_meanwhile_comes_back_once(database: Database) -> None:
    rows = [("a1", "shop", "x"), ("a2", "shop", "y"), ("a3", "shop", "x"), ("a4", "other", "x"), ("a5", "shop", "x")]
    await database["pairs"].insert_many({"_id": one, "collection": name, "item": item} for one, name, item in rows)
    await drop_replaced(database, "pairs", ("collection", "item"))
    left = await database["pairs"].find(sort=[("_id", 1)]).to_list()
    assert [one["_id"] for one in left] == ["a2", "a4", "a5"]
