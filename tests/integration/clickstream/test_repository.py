"""Sessions are in MongoDB before anyone is told so, several in one insert where they come at the same time."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from bson.binary import Binary
from bson.errors import InvalidDocument
from pymongo.errors import AutoReconnect, WriteError

from embedding_studio.clickstream import ClickstreamRepository
from embedding_studio.kernel.errors import TooLargeError
from embedding_studio.kernel.ids import new_id
from studio import Studio

from .conftest import NAME

pytestmark = pytest.mark.anyio

OLD: dict[str, Any] = {
    "collection": NAME,
    "query": {"vector": [0.123456789012345, 1.0]},
    "filter": None,
    "user_id": None,
    "meta": None,
    "results": [{"id": "i0", "position": 1, "score": 0.5, "propensity": 1.0}],
    "mode": "vector",
    "model_version": 1,
    "index_version": 1,
    "variant": None,
    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
}


def document(**fields: object) -> dict[str, Any]:
    return {**OLD, "_id": new_id(), **fields}


@pytest.fixture
def repository(studio: Studio) -> ClickstreamRepository:
    return studio.container.clickstream._repository


async def inserts(studio: Studio) -> int:
    status = await studio.container.database.client.admin.command("serverStatus")
    return int(status["metrics"]["commands"]["insert"]["total"])


async def test_sessions_of_concurrent_searches_are_all_there_after_few_inserts(studio: Studio) -> None:
    before = await inserts(studio)
    answers = await asyncio.gather(*(studio.search(NAME, query={"vector": [1, n]}, limit=1) for n in range(40)))
    assert await inserts(studio) - before < 40
    ids = [one["session_id"] for one in answers]
    assert len(set(ids)) == 40
    found = studio.container.database["sessions"].find({"_id": {"$in": ids}})
    vectors = {one["_id"]: one["query"]["vector"].as_vector().data async for one in found}
    assert [vectors[one] for one in ids] == [[1.0, float(n)] for n in range(40)]


async def test_a_session_is_there_once_it_was_recorded(studio: Studio, repository: ClickstreamRepository) -> None:
    async def record(one: dict[str, Any]) -> bool:
        await repository.add_session(one)
        return await studio.container.database["sessions"].find_one({"_id": one["_id"]}) is not None

    assert all(await asyncio.gather(*(record(document()) for _ in range(30))))


async def test_a_session_that_cannot_be_written_fails_alone(studio: Studio, repository: ClickstreamRepository) -> None:
    good = [document() for _ in range(5)]
    bad = [document(_id=good[0]["_id"]), document(meta={"a": "x" * 17_000_000}), document(meta={"a": object()})]
    writes = [repository.add_session(one) for one in (*good, *bad)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert outcomes[:5] == [None] * 5
    assert [type(one) for one in outcomes[5:]] == [WriteError, TooLargeError, InvalidDocument]
    ids = [one["_id"] for one in good]
    assert await studio.container.database["sessions"].count_documents({"_id": {"$in": ids}}) == 5


async def test_an_outage_is_told_to_each(repository: ClickstreamRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> None:  # in place of a coroutine
        raise AutoReconnect("MongoDB is gone")

    with monkeypatch.context() as broken:
        for name in ("insert_one", "insert_many"):
            broken.setattr(type(repository._sessions_in_memory), name, down)
        writes = [repository.add_session(document()) for _ in range(7)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(one) for one in outcomes] == [AutoReconnect] * 7
    await repository.add_session(document())


async def test_a_vector_is_stored_in_four_bytes_a_number_and_shown_as_it_was_asked(studio: Studio) -> None:
    session = (await studio.search(NAME, query={"vector": [0.1, -2.5]}))["session_id"]
    stored = await studio.container.database["sessions"].find_one({"_id": session})
    assert stored is not None
    assert isinstance(stored["query"]["vector"], Binary)
    assert len(stored["query"]["vector"]) == 2 + 2 * 4
    assert not {"filter", "user_id", "meta", "variant"} & stored.keys()
    shown = (await studio.client.get(f"/api/v1/sessions/{session}")).json()
    assert shown["query"] == {"vector": [0.1, -2.5]}
    assert (shown["filter"], shown["user_id"], shown["meta"], shown["variant"]) == (None, None, None, None)


async def test_a_session_of_before_is_shown_as_it_was(studio: Studio) -> None:
    old = document()
    await studio.container.database["sessions"].insert_one(old)
    shown = (await studio.client.get(f"/api/v1/sessions/{old['_id']}")).json()
    assert shown["query"] == OLD["query"]
    assert (shown["user_id"], shown["mode"], shown["created_at"]) == (None, "vector", "2026-01-01T00:00:00Z")
