"""Telling whoever started a process that it is ready, by systemd's protocol of `NOTIFY_SOCKET`."""

import asyncio
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Self

__all__ = ["NOTIFY_SOCKET", "ReadySignal", "notify_ready"]

NOTIFY_SOCKET = "NOTIFY_SOCKET"
_READY = b"READY=1"
_LONGEST = 4_096


def notify_ready(environment: Mapping[str, str]) -> None:
    """Say that this process is ready, if somebody listens for it."""
    name = environment.get(NOTIFY_SOCKET)
    if not name:
        return
    address = f"\0{name[1:]}" if name.startswith("@") else name
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.sendto(_READY, address)


class ReadySignal:
    """Hears that a child is ready; `name` is what the child finds in `NOTIFY_SOCKET`."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __enter__(self) -> Self:
        self._socket.bind("")  # the kernel finds a name that nobody has
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def name(self) -> str:
        """The address as the environment carries it."""
        address: bytes = self._socket.getsockname()
        return f"@{address[1:].decode()}"

    async def wait(self) -> None:
        """Return once the child says so."""
        loop = asyncio.get_running_loop()
        while _READY not in (await loop.sock_recv(self._socket, _LONGEST)).splitlines():
            pass
