"""Whether the process lives, and whether it can serve."""

import asyncio
from collections.abc import Callable

import asyncpg
import pymongo.errors
import pytest
import redis

from studio import Studio

pytestmark = pytest.mark.anyio


async def test_a_process_that_serves_is_live_and_ready(studio: Studio) -> None:
    assert (await studio.client.get("/health/live")).json() == {"status": "ok"}
    answer = await studio.client.get("/health/ready")
    names = ("postgres", "mongo", "redis", "inference")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": dict.fromkeys(names, "ok")})


def raising(error: Exception) -> Callable[..., object]:
    async def down(*_: object, **__: object) -> None:  # in place of a coroutine
        raise error

    return down


async def hanging(*_: object) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("name", "place", "attribute", "fault"),
    [
        ("postgres", "pool", "fetchval", raising(asyncpg.CannotConnectNowError("10.0.0.1"))),
        ("mongo", "database", "command", raising(pymongo.errors.ServerSelectionTimeoutError("10.0.0.1"))),
        ("redis", "queue", "ping", raising(redis.ConnectionError("10.0.0.1"))),
        ("redis", "queue", "ping", raising(redis.ResponseError("MISCONF: cannot persist"))),
        ("redis", "queue", "ping", hanging),
    ],
)
async def test_a_server_that_does_not_answer_is_named(
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    place: str,
    attribute: str,
    fault: Callable[..., object],
) -> None:
    if fault is hanging:
        monkeypatch.setattr("embedding_studio.api.health._DEADLINE", 2.0)
    monkeypatch.setattr(type(getattr(studio.container, place)), attribute, fault)
    answer = await studio.client.get("/health/ready")
    checks = answer.json()["checks"]
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert {one for one, state in checks.items() if state != "ok"} == {name}
    assert "10.0" not in answer.text
    assert (await studio.client.get("/health/live")).status_code == 200


async def test_an_encoder_that_was_not_exported_is_named(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = studio.container.encoders
    monkeypatch.setattr(type(encoders), "missing", lambda _self, sources: list(sources))
    answer = await studio.client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["inference"] == "not exported yet: all-MiniLM-L6-v2"


async def test_requests_are_counted_by_their_endpoint_and_not_by_their_address(studio: Studio) -> None:
    for n in range(3):
        await studio.client.get(f"/api/v1/collections/no-such-collection-{n}")
        await studio.client.get(f"/no/such/address/{n}")
    text = (await studio.client.get("/metrics")).text
    assert "embedding_studio_requests_total" in text
    assert "no-such-collection" not in text
    assert "such/address" not in text
