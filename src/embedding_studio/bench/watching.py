"""What the processes of a studio take while they are under load."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import psutil

__all__ = ["Watch", "Weight"]

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


class Watch:
    """Looks every two seconds at the children of this process that carry the load, each with all below it."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """`words` gives a process by the last word of its command line."""
        below = psutil.Process().children()
        self._processes = {
            name: process for name, word in words.items() for process in below if process.cmdline()[-1:] == [word]
        }
        self._seen: dict[str, list[Weight]] = {name: [] for name in self._processes}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

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

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
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
