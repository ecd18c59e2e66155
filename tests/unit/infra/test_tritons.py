"""Whom a query is sent to, as servers come and go behind a name; the servers are made up, and so is the name."""

import asyncio
import socket
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_studio.infra.triton import TritonAbsentError, TritonClient, TritonSilentError
from embedding_studio.infra.tritons import Tritons
from embedding_studio.kernel.errors import UnavailableError

pytestmark = pytest.mark.anyio

ANSWER = np.ones((1, 2), np.float32)


class Made(TritonClient):
    """A server that is there, or not."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__([], answer_within=1, load_within=1)
        self.address, self.name = address, name
        self.is_there, self.closed = True, asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0

    async def infer(self, *_: object, **__: object) -> NDArray[np.float32]:
        if not self.answers.is_set():
            raise TritonSilentError("Triton did not answer in time")
        await self.is_live()
        self.asked += 1
        return ANSWER

    async def is_live(self) -> None:
        await self.answers.wait()
        if not self.is_there:
            raise TritonAbsentError("Triton does not answer")

    async def close(self) -> None:
        self.closed.set()


class World:
    """What names resolve to, and the servers that were connected to."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.servers: dict[str, Made] = {}

    async def getaddrinfo(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        numbers = self.names.get(host, [host] if host[0].isdigit() else [])
        if not numbers:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        family = {number: socket.AF_INET6 if ":" in number else socket.AF_INET for number in numbers}
        return [(family[number], socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

    def connect(self, address: str, name: str) -> Made:
        self.servers[address] = Made(address, name)
        return self.servers[address]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", made.getaddrinfo)
    return made


async def ask(tritons: Tritons, times: int = 1) -> None:
    for _ in range(times):
        assert await tritons.infer("one", {}, "vectors", priority=1) is ANSWER


async def test_servers_take_turns(world: World) -> None:
    tritons = Tritons("10.0.0.1:1, 10.0.0.2:2", world.connect, patience=0)
    await ask(tritons, 10)
    assert {address: one.asked for address, one in world.servers.items()} == {"10.0.0.1:1": 5, "10.0.0.2:2": 5}


async def test_a_query_is_sent_on_once(world: World) -> None:
    tritons = Tritons("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1", world.connect, patience=0)
    await tritons.servers()
    world.servers["10.0.0.1:1"].is_there = False
    await ask(tritons, 6)
    assert [one.asked for one in world.servers.values()] == [0, 4, 2]
    world.servers["10.0.0.2:1"].is_there = False
    outcomes = await asyncio.gather(*(ask(tritons) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(one, TritonAbsentError) for one in outcomes) == 2
    await tritons.is_live()
    world.servers["10.0.0.3:1"].is_there = False
    with pytest.raises(UnavailableError, match="does not answer"):
        await tritons.is_live()


async def test_a_name_stands_for_all_its_addresses_of_one_family(world: World) -> None:
    world.names = {"triton": ["10.0.0.2", "10.0.0.1", "fd00::1"], "six": ["fd00::2"]}
    tritons = Tritons("triton:8001,six:8002", world.connect, patience=0)
    assert set(await tritons.servers()) == {"10.0.0.1:8001", "10.0.0.2:8001", "[fd00::2]:8002"}
    assert {one.name for one in world.servers.values()} == {"triton", "six"}


async def test_servers_come_and_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.infra.tritons._LOOK_EVERY", float("inf"))
    world.names = {"triton": ["10.0.0.1"]}
    tritons = Tritons("triton:1", world.connect, patience=0)
    await ask(tritons)
    world.names = {"triton": ["10.0.0.2"]}
    await ask(tritons)
    assert list(world.servers) == ["10.0.0.1:1"]
    monkeypatch.setattr("embedding_studio.infra.tritons._LOOK_EVERY", -1.0)
    async with asyncio.timeout(10):
        while "10.0.0.2:1" not in world.servers or not world.servers["10.0.0.2:1"].asked:
            await ask(tritons)
            await asyncio.sleep(0)
        await world.servers["10.0.0.1:1"].closed.wait()
    world.names = {}
    await ask(tritons, 3)
    with pytest.raises(UnavailableError, match=r"no address is known of Triton's name triton") as caught:
        await tritons.servers()
    assert caught.value.retry_after > 0
    await tritons.close()
    assert world.servers["10.0.0.2:1"].closed.is_set()


async def test_without_any_address_the_answer_is_to_come_again(world: World) -> None:
    tritons = Tritons("nowhere:1", world.connect, patience=0)
    with pytest.raises(UnavailableError, match="nowhere"):
        await ask(tritons)


async def test_one_that_hangs_is_asked_last_until_it_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.infra.tritons._DOUBT_FOR", 0.0)
    tritons = Tritons("10.0.0.1:1,10.0.0.2:1", world.connect, patience=0)
    await tritons.servers()
    world.servers["10.0.0.1:1"].answers.clear()
    outcomes = await asyncio.gather(*(ask(tritons) for _ in range(2)), return_exceptions=True)
    assert sum(isinstance(one, TritonSilentError) for one in outcomes) == 1
    await ask(tritons, 10)
    async with asyncio.timeout(10):
        await tritons.is_live()
    await tritons.close()


async def test_one_that_answers_again_takes_its_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.infra.tritons._DOUBT_FOR", 0.0)
    tritons = Tritons("10.0.0.1:1,10.0.0.2:1", world.connect, patience=0)
    await tritons.servers()
    late = world.servers["10.0.0.1:1"]
    late.answers.clear()
    await asyncio.gather(*(ask(tritons) for _ in range(2)), return_exceptions=True)
    late.answers.set()
    async with asyncio.timeout(10):
        while not late.asked:
            await ask(tritons)
            await asyncio.sleep(0)
    await tritons.close()
