"""Several API processes on one listening socket, replaced in turn.

The socket belongs to the parent, which never closes it: a connection that waits while a process stops is taken by
another. Sockets of their own on one port (SO_REUSEPORT) would each lose what waits in them when they are closed.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from embedding_studio.infra.embedded import guard
from embedding_studio.infra.leaving import LEAVE_WITHIN
from embedding_studio.infra.notify import NOTIFY_SOCKET, ReadySignal, notify_ready
from embedding_studio.kernel.errors import ConflictError, UnavailableError
from embedding_studio.settings import PREFIX, ApiSettings

__all__ = ["Processes", "listen"]

logger = logging.getLogger(__name__)

_BACKLOG = 2_048
_START_WITHIN = 60.0
_SHORT_LIFE = 10.0
_MOST_SHORT_LIVES = 10
_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_SPARE = LEAVE_WITHIN + 5.0  # seconds beyond its own deadlines until a process is killed
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConflictError: The address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConflictError(f"cannot listen on {host}, port {port}: {error.strerror}") from error


@dataclass(eq=False, slots=True)
class _Process:
    """A child that serves, or did."""

    child: asyncio.subprocess.Process
    since: float = field(default_factory=time.monotonic)
    is_asked_to_end: bool = False

    @property
    def fate(self) -> str:
        """What became of it, for people."""
        status = self.child.returncode
        if status is None:
            return "is still running"
        return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"

    def ask_to_end(self) -> None:
        """Ask once: it takes a second signal for haste."""
        if not self.is_asked_to_end:
            self.is_asked_to_end = True
            with suppress(ProcessLookupError):
                self.child.terminate()


@dataclass(eq=False, slots=True)
class _Place:
    """Where one process runs after the other."""

    process: _Process
    short_lives: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Processes:
    """Keeps the processes running until SIGINT or SIGTERM; SIGHUP replaces each by a new one, one after the other.

    A new process is a new program: it has the code and the settings' file as they are then, and the environment of
    the parent. An old one is stopped once the new one serves, so that the service is never smaller than it should be.
    """

    def __init__(self, listener: socket.socket, settings: ApiSettings) -> None:
        self._listener = listener.fileno()
        self._count = settings.processes
        self._stop_within = settings.drain_delay + settings.linger + settings.drain_within + _SPARE
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._renewal = asyncio.Event()
        self._places: list[_Place] = []
        self._running: set[_Process] = set()

    async def run(self) -> None:
        """Run until told to stop; a second signal kills what is left.

        Raises:
            UnavailableError: A process did not start, or ended again and again.
        """
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._renewal.set)
        with tempfile.TemporaryDirectory(prefix="embedding-studio-metrics-") as folder:
            os.environ.setdefault(_METRICS, folder)
            try:
                await _first(self._serve(), self._stopping.wait())
            finally:
                await asyncio.gather(*map(self._end, list(self._running)))

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    async def _serve(self) -> None:
        self._places = [_Place(await self._start()) for _ in range(self._count)]
        notify_ready(os.environ)
        await _first(self._renew(), *map(self._keep, self._places))

    async def _start(self) -> _Process:
        """A process that serves."""
        with ReadySignal() as ready:
            process = _Process(await self._launch(ready.name))
            self._running.add(process)
            if await _first(ready.wait(), process.child.wait(), asyncio.sleep(_START_WITHIN)) == 0:
                return process
        fate = process.fate
        await self._end(process)
        raise UnavailableError(f"an API process did not start: it {fate}, and its log says why")

    async def _launch(self, notify: str) -> asyncio.subprocess.Process:
        shim = (sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "-")
        command = (sys.executable, "-m", "embedding_studio", "serve", "--listener", str(self._listener))
        return await asyncio.create_subprocess_exec(
            *shim,
            *command,
            env={**os.environ, NOTIFY_SOCKET: notify, f"{PREFIX}API__PROCESSES": "1"},
            pass_fds=[self._listener],
            start_new_session=True,
        )

    async def _keep(self, place: _Place) -> None:
        """Start another process whenever one ends by itself."""
        while True:
            process = place.process
            await process.child.wait()
            async with place.lock:
                if place.process is process:
                    self._bury(process)
                    await self._revive(place)

    async def _revive(self, place: _Place) -> None:
        fate, was_short = place.process.fate, time.monotonic() - place.process.since < _SHORT_LIFE
        place.short_lives = place.short_lives + 1 if was_short else 0
        while place.short_lives < _MOST_SHORT_LIVES:
            logger.warning("an API process %s; starting another", fate)
            await asyncio.sleep(min(_LONGEST_PAUSE, _PAUSE * 2**place.short_lives))
            try:
                place.process = await self._start()
            except UnavailableError as error:
                fate = error.detail
                place.short_lives += 1
            else:
                return
        raise UnavailableError(f"API processes end soon after their start, again and again: the last one {fate}")

    async def _renew(self) -> None:
        """Replace all, whenever that is wished; where a new process does not start, the old ones go on."""
        while await self._renewal.wait():
            self._renewal.clear()
            try:
                for place in self._places:
                    await self._replace(place)
            except UnavailableError as error:
                logger.error("API processes were not replaced: %s", error.detail)  # noqa: TRY400  # it says all
            else:
                logger.info("all API processes were replaced")

    async def _replace(self, place: _Place) -> None:
        async with place.lock:
            old, place.process = place.process, await self._start()
        await self._end(old)

    async def _end(self, process: _Process) -> None:
        """Ask it to end; kill it past its deadline, or when somebody is in a hurry."""
        process.ask_to_end()
        await _first(process.child.wait(), self._hurried.wait(), asyncio.sleep(self._stop_within))
        with suppress(ProcessLookupError):
            process.child.kill()
        await process.child.wait()
        self._bury(process)

    def _bury(self, process: _Process) -> None:
        """Take the gauges of a process that ended out of the metrics; what it counted stays."""
        self._running.discard(process)
        mark_process_dead(process.child.pid)  # type: ignore[no-untyped-call]


async def _first(*ways: Coroutine[Any, Any, object]) -> int:
    """The place of the one that ends first, of several the least; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = [task.done() for task in tasks]
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    first = ended.index(True)
    if isinstance(error := outcomes[first], BaseException):
        raise error
    return first
