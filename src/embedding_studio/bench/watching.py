"""What the processes of a studio take while they are under load."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

__all__ = ["Watch", "Weight", "repeatedly", "watching"]

_EVERY_S = 2.0
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Weight:
    """What a process and those below it take at a moment.

    Attributes:
        memory: Megabytes, proportional set size.
        files: Open files and sockets.
        connections: Established ones over TCP.
    """

    memory: float
    files: int
    connections: int


@contextmanager
def repeatedly(every_s: float, look: Callable[[], None]) -> Iterator[None]:
    """Have somebody look every so many seconds, on a thread of its own, until the block ends."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            look()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def watching(words: Mapping[str, str]) -> Iterator["Watch"]:
    """Watch the processes that `words` gives, as `Watch` has it, until the block ends."""
    watch = Watch(words)
    with repeatedly(_EVERY_S, watch.look):
        yield watch


class Watch:
    """Looks at the children of this process that carry the load, each with all below it."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """`words` gives a process by the last word of its command line."""
        below = psutil.Process().children()
        self._processes = {
            name: process for name, word in words.items() for process in below if process.cmdline()[-1:] == [word]
        }
        self._seen: dict[str, list[Weight]] = {name: [] for name in self._processes}

    def by_quarter(
        self, figure: Callable[[Weight], float], of: Callable[[Sequence[float]], float] = max
    ) -> dict[str, list[float]]:
        """A figure of each process in each quarter of the time so far; 0 where nobody looked."""
        return {
            name: [
                float(of(quarter.tolist())) if len(quarter) else 0.0
                for quarter in np.array_split(np.asarray([figure(one) for one in seen]), 4)
            ]
            for name, seen in self._seen.items()
        }

    def look(self) -> None:
        """Weigh them all."""
        for name, process in self._processes.items():
            self._seen[name].append(_weigh(process))


def _weigh(process: psutil.Process) -> Weight:
    memory, files, connections = 0.0, 0, 0
    for one in (process, *process.children(recursive=True)):
        try:
            memory += one.memory_full_info().pss / _MB
            files += one.num_fds()
            connections += sum(link.status == psutil.CONN_ESTABLISHED for link in one.net_connections("tcp"))
        except psutil.NoSuchProcess:  # a child that ended meanwhile
            continue
    return Weight(memory, files, connections)
