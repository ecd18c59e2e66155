"""The run: fill, let the traffic flow with a reindex in each quarter, and look at what is left."""

import json
import statistics
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

import httpx
import numpy as np

from embedding_studio.bench.client import BenchClient
from embedding_studio.bench.figures import Figure, at_most, seen
from embedding_studio.bench.sections import machine
from embedding_studio.bench.soak.traffic import Rates, Search, Traffic, item
from embedding_studio.bench.watching import Watch, watching
from embedding_studio.infra.embedded import free_port
from embedding_studio.up import studio

__all__ = ["bench_soak"]

_NAME = "bench-soak"
_WATCHED = {
    "api": "serve",
    "upsert worker": "upsert",
    "improve worker": "improve",
    "inference worker": "inference",
    "finetune worker": "finetune",
}
_GROWTH = 1.1
_HANDLES = 8
_P99_GROWTH = 1.5


def bench_soak(data_dir: Path, *, minutes: float, items: int, rates: Rates, say: Callable[[str], None]) -> list[Figure]:
    """Start everything on `data_dir`, let searches, clicks, writes and reindexes run together, and count what is left.

    The second quarter of the time is compared with the last: in the first, caches fill.
    """
    host, port = "127.0.0.1", free_port()
    url = f"http://{host}:{port}"
    with studio(data_dir, host=host, port=port, say=say), BenchClient(url, _NAME) as client:
        client.create("text")
        say(f"Sending {items:,} items")
        client.send([item(number, 0) for number in range(items)])
        client.settle()
        say(f"{minutes:g} minutes of traffic")
        with httpx.Client(base_url=f"{url}/api/v1", timeout=30.0) as http:
            traffic = Traffic(http, _NAME, items)
            with watching(_WATCHED) as watch, _reindexing(client, every_s=minutes * 15) as reindexes:
                traffic.run(minutes * 60, rates)
            say("Looking for what was lost")
            client.finish(traffic.tasks)
            client.finish(reindexes)
            lost = _lost_clicks(http, traffic.clicks), _lost_writes(http, traffic.revisions)
        client.delete()
    return [*machine(), *_traffic(traffic, len(reindexes), *lost), *_stability(traffic.searches), *_leaks(watch)]


@contextmanager
def _reindexing(client: BenchClient, *, every_s: float) -> Iterator[list[str]]:
    """Ask for a new index at the start of each quarter; one that is still being built is not disturbed."""
    tasks: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            if all(map(client.is_finished, tasks[-1:])):
                tasks.append(client.reindex())
            over.wait(every_s)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield tasks
    finally:
        over.set()
        thread.join()


def _lost_clicks(http: httpx.Client, clicks: Mapping[str, Sequence[str]]) -> int:
    """How many accepted events are not in their sessions."""
    lost = 0
    for session, events in clicks.items():
        stored = http.get(f"/sessions/{session}").raise_for_status().json()["events"]
        lost += len(set(events) - {one["event_id"] for one in stored})
    return lost


def _lost_writes(http: httpx.Client, revisions: Mapping[str, int]) -> int:
    """How many items are not in the last revision that was accepted."""
    return sum(
        http.get(f"/collections/{_NAME}/items/{key}").raise_for_status().json()["payload"]["revision"] != revision
        for key, revision in revisions.items()
    )


def _traffic(traffic: Traffic, reindexes: int, lost_clicks: int, lost_writes: int) -> Iterator[Figure]:
    failed = [one for one in traffic.searches if one.status != httpx.codes.OK]
    yield seen("soak", "searches", len(traffic.searches))
    yield seen("soak", "clicks", sum(map(len, traffic.clicks.values())))
    yield seen("soak", "writes", len(traffic.tasks))
    yield seen("soak", "reindexes", reindexes)
    yield at_most("soak", "failed_searches", len(failed), 0)
    yield at_most("soak", "other_failures", len(traffic.failures), 0)
    yield at_most("soak", "lost_clicks", lost_clicks, 0)
    yield at_most("soak", "lost_writes", lost_writes, 0)


def _stability(searches: Sequence[Search]) -> Iterator[Figure]:
    in_order = [1000 * one.seconds for one in sorted(searches, key=attrgetter("at"))]
    quarters = [float(np.percentile(quarter, 99)) for quarter in np.array_split(np.asarray(in_order), 4)]
    yield seen("soak", "p50", statistics.median(in_order), "ms")
    yield seen("soak", "p99", float(np.percentile(in_order, 99)), "ms", note=f"by quarter: {_listed(quarters)}")
    yield at_most("soak", "p99_growth", quarters[3] / quarters[1], _P99_GROWTH)


def _leaks(watch: Watch) -> Iterator[Figure]:
    for name, memory in watch.by_quarter(attrgetter("memory"), statistics.median).items():
        section = name.replace(" ", "_")
        yield seen(section, "memory", memory[3], "MB", note=f"median by quarter: {_listed(memory)}")
        yield at_most(section, "memory_growth", memory[3] / memory[1], _GROWTH)
    for figure in ("files", "connections"):
        for name, counts in watch.by_quarter(attrgetter(figure)).items():
            yield at_most(name.replace(" ", "_"), f"{figure}_growth", counts[3] - counts[1], _HANDLES)


def _listed(values: Sequence[float]) -> str:
    return json.dumps([round(value, 1) for value in values])
