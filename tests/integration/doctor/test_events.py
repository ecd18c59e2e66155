"""The command says which field is wrong, and its status whether anything is bad."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from embedding_studio.kernel.ids import new_id
from studio import Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(studio: Studio, any_name: str) -> AsyncIterator[str]:
    """A collection whose every search is answered by an event with the wrong position."""
    await studio.container.database["intake"].delete_many({"collection": ""})
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    await studio.add(any_name, [{"id": f"i{n}", "payload": {}, "vector": [1]} for n in range(3)])
    sessions = [await studio.search(any_name, query={"vector": [1]}, user_id="ann") for _ in range(10)]
    events = [
        {
            "event_id": new_id(),
            "session_id": one["session_id"],
            "item_id": one["results"][1]["id"],
            "type": "click",
            "position": 1,
        }
        for one in sessions
    ]
    await studio.client.post("/api/v1/events", json={"events": events})
    yield any_name
    await studio.client.delete(f"/api/v1/collections/{any_name}")


async def _run(studio: Studio, *arguments: str) -> tuple[int, str]:
    settings = studio.container.settings
    addresses = {
        "POSTGRES__DSN": settings.postgres.dsn.get_secret_value(),
        "MONGO__URL": settings.mongo.url.get_secret_value(),
        "REDIS__URL": settings.redis.url.get_secret_value(),
    }
    environment = {**os.environ, **{f"EMBEDDING_STUDIO_{name}": value for name, value in addresses.items()}}
    command = [sys.executable, "-m", "embedding_studio", "doctor", "events", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def test_the_command(studio: Studio, shop: str) -> None:
    status, printed = await _run(studio, shop, "--json")
    report: Any = json.loads(printed)
    (found,) = report["collections"]
    assert (status, report["ok"], found["collection"], found["sessions"]) == (1, False, shop, 10)
    assert (found["findings"][0]["check"], found["findings"][0]["field"]) == ("positions", "position")
    status, printed = await _run(studio, shop, "--since", "yesterday")
    assert (status, "--since" in printed) == (1, True)
