"""A shop of a few words, people who search it, and a worker that learns when a test wants."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from embedding_studio.kernel.ids import new_id
from studio import Studio

Json = dict[str, Any]

DIMENSIONS = 8
ITEMS = 60


def vector_of(number: int) -> list[float]:
    """Items in a fan: the lower the number, the nearer to the first axis, each a little farther than the one before."""
    angle = 0.3 + number * 0.02
    return [float(np.cos(angle)), float(np.sin(angle)), *[0.0] * (DIMENSIONS - 2)]


QUERY = {"vector": [1.0, *[0.0] * (DIMENSIONS - 1)]}
NEAR = {"vector": [0.9, *[0.0] * (DIMENSIONS - 2), float(np.sqrt(1 - 0.81))]}
"""Cosine .9 to `QUERY`."""
FAR = {"vector": [0.5, *[0.0] * (DIMENSIONS - 2), float(np.sqrt(1 - 0.25))]}
"""Cosine .5 to `QUERY`: below the threshold."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A collection of given vectors, and what people do in it."""

    studio: Studio
    name: str

    async def search(self, query: object = QUERY, **fields: object) -> Json:
        return await self.studio.search(self.name, query=query, **{"limit": 10, "track": False, **fields})

    async def ids(self, query: object = QUERY, **fields: object) -> list[str]:
        return [one["id"] for one in (await self.search(query, **fields))["results"]]

    async def scores(self, query: object = QUERY, **fields: object) -> dict[str, float]:
        found = await self.search(query, **{"limit": ITEMS, **fields})
        return {one["id"]: one["score"] for one in found["results"]}

    async def act(
        self, item: str, *, user: str | None = None, query: object = QUERY, kinds: tuple[str, ...] = ("click",)
    ) -> str:
        """Search and do things with an item; returns the session. Nothing is learned yet."""
        shown = await self.studio.search(self.name, query=query, limit=ITEMS, user_id=user)
        events = [
            {"event_id": new_id(), "session_id": shown["session_id"], "item_id": item, "type": kind} for kind in kinds
        ]
        answer = await self.studio.client.post("/api/v1/events", json={"events": events})
        assert answer.json()["accepted"] == len(events), answer.text
        return str(shown["session_id"])

    async def learn(self) -> bool:
        return await self.studio.container.improvement.learn(self.name)

    async def teach(self, item: str, **fields: Any) -> str:
        session = await self.act(item, **fields)
        await self.learn()
        return session

    async def rows(self, **params: Any) -> list[Json]:
        answer = await self.studio.client.get(f"/api/v1/collections/{self.name}/memory", params=params)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def forget(self, **params: Any) -> None:
        answer = await self.studio.client.delete(f"/api/v1/collections/{self.name}/memory", params=params)
        assert answer.status_code == 204, answer.text


@pytest.fixture
async def shop(studio: Studio, any_name: str) -> AsyncIterator[Shop]:
    await studio.create(any_name, "vectors", options={"dimensions": DIMENSIONS})
    items = [{"id": f"i{n:02}", "payload": {"n": n, "title": f"oak {n}"}, "vector": vector_of(n)} for n in range(ITEMS)]
    assert (await studio.add(any_name, items))["state"] == "succeeded"
    yield Shop(studio, any_name)
    await studio.client.delete(f"/api/v1/collections/{any_name}")
