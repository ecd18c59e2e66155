"""`bench bulk`: a million given vectors through the API, and the memory that every process takes meanwhile."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np

from embedding_studio.bench.client import BenchClient
from embedding_studio.bench.watching import watching
from embedding_studio.infra.embedded import free_port
from embedding_studio.up import studio

__all__ = ["BulkFigures", "bench_bulk"]

_ITEMS_PER_REQUEST = 5_000
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
    with (
        studio(data_dir, host=host, port=port, say=say),
        watching(_WATCHED) as watch,
        BenchClient(f"http://{host}:{port}", "bench-bulk") as client,
    ):
        client.create("vectors", dimensions=dimensions)
        started = time.perf_counter()
        tasks = []
        for start in range(0, items, _ITEMS_PER_REQUEST):
            tasks.append(client.post_items(_body(start, min(_ITEMS_PER_REQUEST, items - start), dimensions)))
            if start % (items // 10 or 1) < _ITEMS_PER_REQUEST:
                say(f"{start:,} of {items:,} sent after {time.perf_counter() - started:.0f} s")
        client.finish(tasks)
        seconds = time.perf_counter() - started
        memory = watch.by_quarter(attrgetter("memory"))
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
