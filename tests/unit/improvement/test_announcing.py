"""Workers are told at once, of many sessions by one message, and again of what has waited."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import redis

from embedding_studio.improvement.announcing import Announcer
from embedding_studio.improvement.backlog import Backlog
from embedding_studio.improvement.jobs import LEARN
from embedding_studio.infra.jobs import JobQueue, Signal

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Noted:
    """In place of the documents in MongoDB."""

    def __init__(self) -> None:
        self.sessions: list[tuple[str, Sequence[str]]] = []

    async def add(self, collection: str, session_ids: Sequence[str], at: datetime) -> None:
        assert at == NOON
        self.sessions.append((collection, session_ids))

    async def waiting(self, before: datetime) -> list[str]:
        assert before < NOON
        return sorted({name for name, _ in self.sessions})


class Queue:
    """In place of Redis: takes its time, or is down."""

    def __init__(self, *, down: bool = False) -> None:
        self.sent: list[tuple[Signal, str]] = []
        self._down = down

    async def signal(self, signal: Signal, about: str) -> None:
        await asyncio.sleep(0)
        if self._down:
            raise redis.ConnectionError("down")
        self.sent.append((signal, about))


def announcer(noted: Noted, queue: Queue) -> Announcer:
    return Announcer(backlog=cast("Backlog", noted), queue=cast("JobQueue", queue), clock=lambda: NOON)


async def test_many_sessions_share_a_message() -> None:
    noted, queue = Noted(), Queue()
    one = announcer(noted, queue)
    for number in range(100):
        await one.tell("shop", [f"s{number}"])
    await one.close()
    assert len(noted.sessions) == 100
    assert queue.sent == [(LEARN, "shop")]


async def test_each_collection_is_told_of() -> None:
    noted, queue = Noted(), Queue()
    one = announcer(noted, queue)
    await asyncio.gather(*(one.tell(name, ["s"]) for name in ("shop", "films", "shop")))
    await one.close()
    assert {about for _, about in queue.sent} == {"shop", "films"}


async def test_what_was_noted_counts_though_redis_is_down() -> None:
    noted, down = Noted(), Queue(down=True)
    one = announcer(noted, down)
    await one.tell("shop", ["s"])
    await one.close()
    assert noted.sessions == [("shop", ["s"])]
    up: Any = Queue()
    await announcer(noted, up).remind()
    assert up.sent == [(LEARN, "shop")]
