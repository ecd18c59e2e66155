"""Documents that meet an insert under way go together into the next one."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from pymongo.errors import AutoReconnect, WaitQueueTimeoutError

from embedding_studio.clickstream.batcher import Batcher

pytestmark = pytest.mark.anyio


class Server:
    """Takes documents once it may go on, and keeps what it was given; `bad` ones fail, and all while it is down."""

    def __init__(self) -> None:
        self.inserts: list[list[str]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.down = False

    async def insert(self, documents: Sequence[str]) -> Mapping[int, Exception]:
        self.inserts.append(list(documents))
        await self.go.wait()
        if self.down:
            raise AutoReconnect("no answer")
        return {place: ValueError(one) for place, one in enumerate(documents) if one.startswith("bad")}


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
def batcher(server: Server) -> Batcher[str]:
    return Batcher(server.insert, at_once=4, waiting=6)


async def waiting(batcher: Batcher[str], *documents: str) -> list["asyncio.Task[None]"]:
    tasks = [asyncio.create_task(batcher.add(one)) for one in documents]
    await asyncio.sleep(0)
    return tasks


async def busy(server: Server, batcher: Batcher[str]) -> "asyncio.Task[None]":
    """A document whose insert is under way until `server.go` is set."""
    server.go.clear()
    (first,) = await waiting(batcher, "first")
    await asyncio.sleep(0)
    assert server.inserts == [["first"]]
    return first


async def outcomes(tasks: Sequence["asyncio.Task[None]"]) -> list[object]:
    return [error and str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)]


async def test_what_meets_no_insert_is_inserted_at_once(server: Server, batcher: Batcher[str]) -> None:
    await batcher.add("a")
    await batcher.add("b")
    assert server.inserts == [["a"], ["b"]]


async def test_what_comes_meanwhile_goes_together_in_its_order(server: Server, batcher: Batcher[str]) -> None:
    first = await busy(server, batcher)
    tasks = await waiting(batcher, "a", "b", "c", "d", "e")
    assert not any(task.done() for task in (first, *tasks))
    server.go.set()
    await asyncio.gather(first, *tasks)
    assert server.inserts == [["first"], ["a", "b", "c", "d"], ["e"]]


async def test_one_that_fails_fails_alone(server: Server, batcher: Batcher[str]) -> None:
    first = await busy(server, batcher)
    tasks = await waiting(batcher, "a", "bad", "b")
    server.go.set()
    assert await outcomes([first, *tasks]) == [None, None, "bad", None]


async def test_an_outage_is_told_to_each_and_is_over_with_the_next_insert(
    server: Server, batcher: Batcher[str]
) -> None:
    first = await busy(server, batcher)
    tasks = await waiting(batcher, "a", "b")
    server.down = True
    server.go.set()
    assert await outcomes([first, *tasks]) == ["no answer"] * 3
    server.down = False
    await batcher.add("c")


async def test_what_nobody_waits_for_is_not_inserted(server: Server, batcher: Batcher[str]) -> None:
    first = await busy(server, batcher)
    kept, gone = await waiting(batcher, "kept", "gone")
    gone.cancel()
    server.go.set()
    await asyncio.gather(first, kept)
    assert server.inserts == [["first"], ["kept"]]


async def test_a_caller_that_goes_during_its_insert_disturbs_nobody(server: Server, batcher: Batcher[str]) -> None:
    first = await busy(server, batcher)
    (kept,) = await waiting(batcher, "kept")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    server.go.set()
    await kept
    assert server.inserts == [["first"], ["kept"]]


async def test_only_so_many_wait(server: Server, batcher: Batcher[str]) -> None:
    first = await busy(server, batcher)
    tasks = await waiting(batcher, *"abcdef")
    with pytest.raises(WaitQueueTimeoutError, match="too many"):
        await batcher.add("g")
    server.go.set()
    await asyncio.gather(first, *tasks)
    await batcher.add("g")
