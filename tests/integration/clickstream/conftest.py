"""A collection with a few items, and searches that showed them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from embedding_studio.kernel.ids import new_id
from studio import Studio

NAME = "clicks"


@pytest.fixture(scope="module", autouse=True)
async def _collection(studio: Studio) -> AsyncIterator[None]:
    await studio.create(NAME, "vectors", options={"dimensions": 2})
    items = [{"id": f"i{n}", "payload": {"title": f"item {n}"}, "vector": [1.0, n / 10]} for n in range(5)]
    await studio.add(NAME, items)
    yield
    await studio.client.delete(f"/api/v1/collections/{NAME}")


@pytest.fixture
async def session(studio: Studio) -> dict[str, Any]:
    """A search that showed i0, i1 and i2 at the positions 1, 2 and 3."""
    return await studio.search(NAME, query={"vector": [1, 0]}, limit=3, user_id="ann", meta={"page": "home"})


def event(session: dict[str, Any], item: str = "i1", **fields: object) -> dict[str, Any]:
    return {"event_id": new_id(), "session_id": session["session_id"], "item_id": item, "type": "click", **fields}


async def send(studio: Studio, *events: dict[str, Any]) -> dict[str, Any]:
    answer = await studio.client.post("/api/v1/events", json={"events": list(events)})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())
