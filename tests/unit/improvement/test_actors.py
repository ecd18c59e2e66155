"""Collections learn in turn."""

import asyncio
from typing import Any, cast

import pytest

from embedding_studio.improvement import Announcer, ImprovementService
from embedding_studio.improvement.actors import signals
from embedding_studio.improvement.jobs import LEARN
from embedding_studio.kernel.errors import UnavailableError

pytestmark = pytest.mark.anyio


class Worker:
    """In place of the memory, which learns when a test says so, and of the queue."""

    def __init__(self) -> None:
        self.learning: list[str] = []
        self.asked: list[str] = []
        self.may_end = asyncio.Event()
        self.outcome: bool | Exception = False
        self.hear = signals(cast("ImprovementService", self), cast("Announcer", self))[LEARN]

    async def learn(self, name: str) -> bool:
        self.learning.append(name)
        await self.may_end.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def ask(self, name: str) -> None:
        self.asked.append(name)

    async def hear_of(self, *names: str) -> list[asyncio.Task[Any]]:
        """Each message in a thread of the worker; returns those that are still held up."""
        heard = [asyncio.ensure_future(self.hear(name)) for name in names]
        for _ in range(5):
            await asyncio.sleep(0)
        return [one for one in heard if not one.done()]


async def test_a_collection_that_is_asked_for_all_the_while_holds_up_no_other() -> None:
    worker = Worker()
    busy = await worker.hear_of("hot", "hot", "hot", "other")
    assert worker.learning == ["hot", "other"]
    assert len(busy) == 2
    worker.may_end.set()
    await asyncio.gather(*busy)
    assert worker.asked == ["hot"]


async def test_what_is_left_after_a_turn_waits_behind_the_others() -> None:
    worker = Worker()
    worker.may_end.set()
    worker.outcome = True
    assert not await worker.hear_of("hot")
    worker.outcome = False
    assert not await worker.hear_of("hot")
    assert worker.asked == ["hot"]


async def test_a_turn_that_fails_is_given_again_by_the_reminder_alone() -> None:
    worker = Worker()
    worker.may_end.set()
    worker.outcome = UnavailableError("the memory gave way")
    assert not await worker.hear_of("hot")
    assert worker.asked == []
    assert not await worker.hear_of("hot")
    assert worker.learning == ["hot", "hot"]
