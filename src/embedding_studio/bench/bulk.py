"""`bench bulk`: a million given vectors through the API, and the memory that every process takes meanwhile."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import psutil

from embedding_studio.bench.client import BenchClient
from embedding_studio.infra.embedded import free_port
from embedding_studio.up import studio

__all__ = ["BulkFigures", "bench_bulk"]

_ITEMS_PER_REQUEST = 5_000
_SAMPLE_EVERY_S = 1.0
_MB = 1_000_000
_WATCHED = {"api": "serve", "upsert worker": "upsert"}


@dataclass(frozen=True, slots=True)
class BulkFigures:
    """Memory in megabytes (proportional set size), by process, at its highest in each quarter of the run.

    Attributes:
        growth: The last quarter's peak over the second's, for the process that grew most; 1 is flat.
    """

    items: int
    dimensions: int
    seconds: float
    items_per_second: float
    memory: Mapping[str, list[float]]
    growth: float


def bench_bulk(data_dir: Path, *, items: int, dimensions: int, say: Callable[[str], None]) -> BulkFigures:
    """Start everything on `data_dir`, send random unit vectors and wait until all are searchable."""
    host, port = "127.0.0.1", free_port()
    with studio(data_dir, host=host, port=port, say=say) as _, _MemoryWatch() as watch:
        client = BenchClient(f"http://{host}:{port}", "bench-bulk")
        client.create("vectors", dimensions=dimensions)
        started = time.perf_counter()
        tasks = []
        for start in range(0, items, _ITEMS_PER_REQUEST):
            tasks.append(client.post_items(_body(start, min(_ITEMS_PER_REQUEST, items - start), dimensions)))
            if start % (items // 10 or 1) < _ITEMS_PER_REQUEST:
                say(f"{start:,} of {items:,} sent after {time.perf_counter() - started:.0f} s")
        client.finish(tasks)
        seconds = time.perf_counter() - started
        memory = watch.by_quarter()
        client.delete()
    growth = max(quarters[3] / quarters[1] for quarters in memory.values())
    return BulkFigures(items, dimensions, seconds, items / seconds, memory, growth)


def _body(start: int, count: int, dimensions: int) -> bytes:
    vectors = np.random.default_rng(start).normal(size=(count, dimensions)).round(4)
    items = [
        {"id": f"i{start + row}", "payload": {"title": f"item {start + row}", "group": row % 100}, "vector": vector}
        for row, vector in enumerate(vectors.tolist())
    ]
    return json.dumps({"items": items}).encode()


class _MemoryWatch:
    """Looks once a second at the processes that carry the load."""

    def __init__(self) -> None:
        below = psutil.Process().children()
        self._processes = {
            name: process for name, word in _WATCHED.items() for process in below if process.cmdline()[-1:] == [word]
        }
        self._samples: dict[str, list[float]] = {name: [] for name in self._processes}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def by_quarter(self) -> dict[str, list[float]]:
        """The peak in each quarter of the time so far."""
        return {
            name: [float(max(quarter, default=0.0)) for quarter in np.array_split(np.asarray(samples), 4)]
            for name, samples in self._samples.items()
        }

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_EVERY_S):
            for name, process in self._processes.items():
                self._samples[name].append(process.memory_full_info().pss / _MB)
