"""All the Tritons that an address stands for."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.infra.triton import TritonAbsentError, TritonClient, TritonSilentError
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["Tritons", "open_tritons"]

_LOOK_EVERY = 5.0  # seconds
_RETRY_AFTER = 2
_DOUBT_FOR = 1.0  # seconds, and until it answers


class Tritons:
    """Servers that have the same models, asked in turn; names are looked up again and again, as servers come and go.

    One that let the time for an answer pass is asked last until it answers again.
    """

    def __init__(self, addresses: str, connect: Callable[[str, str], TritonClient], *, patience: float) -> None:
        """Know servers by addresses that are not looked up yet.

        Args:
            addresses: host:port of each, with commas between them; a name stands for all that it resolves to.
            connect: Makes the client of a server, given its host:port and the name by which it was looked up.
            patience: Seconds that requests under way have when their server is known no more.
        """
        self._places = [_place(one) for one in addresses.split(",")]
        self._is_fixed = all(_is_number(host) for host, _ in self._places)
        self._connect = connect
        self._patience = patience
        self._servers: dict[str, TritonClient] = {}
        self._turn = 0
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._parting: set[asyncio.Task[None]] = set()
        self._doubted: dict[TritonClient, asyncio.Task[None]] = {}

    async def servers(self) -> Mapping[str, TritonClient]:
        """Every server that there is now, by its host:port.

        Raises:
            UnavailableError: None is known by these names.
        """
        if not (self._is_fixed and self._servers):
            await self._look()
        return dict(self._servers)

    async def infer(
        self, model: str, inputs: Mapping[str, NDArray[Any]], output: str, *, priority: int
    ) -> NDArray[np.float32]:
        """Run a model as `TritonClient.infer` does; where a server is not there or lacks it, once more on the next."""
        first, *others = await self._in_turn()
        try:
            return await self._infer(first, model, inputs, output, priority=priority)
        except TritonAbsentError:
            if not others:
                raise
        return await self._infer(others[0], model, inputs, output, priority=priority)

    async def is_live(self) -> None:
        """Return as soon as a server answers, however long others do not.

        Raises:
            UnavailableError: None does.
        """
        servers = (await self.servers()).values()
        asking = [asyncio.create_task(one.is_live()) for one in servers]
        try:
            await _any(asking)
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._looking is not None:
            self._looking.cancel()
        for task in (*self._parting, *self._doubted.values()):
            task.cancel()
        await asyncio.gather(*(one.close() for one in self._servers.values()))

    async def _in_turn(self) -> list[TritonClient]:
        """The servers that are known, the one whose turn it is first; what is known is renewed meanwhile."""
        if not self._servers:
            await self.servers()
        elif not self._is_fixed and asyncio.get_running_loop().time() - self._looked > _LOOK_EVERY:
            self._looked = asyncio.get_running_loop().time()
            self._looking = asyncio.create_task(self._look_again())
        servers = list(self._servers.values())
        self._turn = (self._turn + 1) % len(servers)
        return sorted(servers[self._turn :] + servers[: self._turn], key=self._doubted.__contains__)

    async def _infer(
        self, server: TritonClient, model: str, inputs: Mapping[str, NDArray[Any]], output: str, *, priority: int
    ) -> NDArray[np.float32]:
        try:
            return await server.infer(model, inputs, output, priority=priority)
        except TritonSilentError:
            if server not in self._doubted and server in self._servers.values():
                self._doubted[server] = asyncio.create_task(self._doubt(server))
            raise

    async def _doubt(self, server: TritonClient) -> None:
        """Have a server asked last until it answers."""
        try:
            while True:
                await asyncio.sleep(_DOUBT_FOR)
                with suppress(UnavailableError):
                    await server.is_live()
                    return
        finally:
            self._doubted.pop(server, None)

    async def _look_again(self) -> None:
        with suppress(UnavailableError):  # those that are known are all there is to try
            await self._look()

    async def _look(self) -> None:
        found: dict[str, str] = {}
        for host, port in self._places:
            found |= dict.fromkeys(await _addresses(host, port), host)
        if not found:
            names = ", ".join(host for host, _ in self._places)
            raise UnavailableError(f"no address is known of Triton's name {names}", retry_after=_RETRY_AFTER)
        self._looked = asyncio.get_running_loop().time()
        for address in self._servers.keys() - found.keys():
            self._part(self._servers.pop(address))
        new = {address: self._connect(address, name) for address, name in found.items() if address not in self._servers}
        self._servers |= new

    def _part(self, server: TritonClient) -> None:
        if server in self._doubted:
            self._doubted[server].cancel()

        async def close_later() -> None:
            try:
                await asyncio.sleep(self._patience)
            finally:
                await server.close()

        task = asyncio.create_task(close_later())
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)


@asynccontextmanager
async def open_tritons(
    addresses: str, *, ssl: bool, channels: int, answer_within: float, load_within: float
) -> AsyncIterator[Tritons]:
    """Yield the servers; no connection is opened before the first call.

    Args:
        addresses: host:port of each gRPC service, with commas between them.
        ssl: Whether the connections are encrypted.
        channels: Connections to a server that requests take turns on.
        answer_within: Seconds an inference may take, in Triton's queue and out.
        load_within: Seconds a model may take to load.
    """
    connect = partial(TritonClient.to, ssl=ssl, channels=channels, answer_within=answer_within, load_within=load_within)
    tritons = Tritons(addresses, connect, patience=answer_within)
    try:
        yield tritons
    finally:
        await tritons.close()


async def _any(asking: Sequence[asyncio.Task[None]]) -> None:
    """Return when the first has succeeded; raise the last one's error if none does."""
    for number, answer in enumerate(asyncio.as_completed(asking), 1):
        try:
            await answer
        except UnavailableError:
            if number == len(asking):
                raise
        else:
            return


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.strip().rpartition(":")
    return host.strip("[]"), int(port)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _addresses(host: str, port: int) -> Sequence[str]:
    """The host:port of everything behind a name: by IPv4 where it has that, for a server may have both."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return ()
    numbers: dict[int, set[str]] = {socket.AF_INET: set(), socket.AF_INET6: set()}
    for family, *_, place in found:
        numbers.get(family, set()).add(str(place[0]))
    return [f"{one}:{port}" for one in sorted(numbers[socket.AF_INET])] or [
        f"[{one}]:{port}" for one in sorted(numbers[socket.AF_INET6])
    ]
