"""Section `rivals`: the same vectors and queries against ChromaDB's server and LanceDB, at equal recall."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.figures import Figure, at_most, seen
from embedding_studio.bench.search import rival_script
from embedding_studio.bench.search.clusters import Clusters, Numbers, Vectors
from embedding_studio.bench.search.exact import similarities
from embedding_studio.bench.search.stage import VECTORS, Stage, caller, found_items, search_path, vector_query
from embedding_studio.bench.search.timing import by_turns
from embedding_studio.bench.search.vectors import ONE_PERCENT
from embedding_studio.bench.search.wire import post
from embedding_studio.infra.embedded import free_port

__all__ = ["PACKAGES", "Measured", "compare", "measure_rivals"]

PACKAGES = ("chromadb==1.5.9", "lancedb==0.40.0")
"""In an environment of their own: they need other versions of what we use."""

_LOOPBACK = "127.0.0.1"

_NAME = "rivals"
_QUERIES = 330
_LIMIT = 10
_ENOUGH = 0.97
_INSTALL_S = 1_200.0
_MEASURE_S = 2_400.0
_READY_S = 60.0
_STOP_S = 10.0
_QUIET = {"ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, slots=True)
class Measured:
    """One client's searches with one setting, in milliseconds."""

    recall: float
    p50: float
    p99: float


async def measure_rivals(stage: Stage) -> list[Figure]:
    """Medians of one client, with a filter that one item in a hundred passes and without.

    Rivals are tuned up to our recall, or to 0.97 where ours is better than that.
    """
    clusters = stage.vectors
    queries, _ = clusters.queries(_QUERIES)
    folder = stage.data_dir / "rivals"
    python = _installed(stage, folder)
    nearest = _nearest(clusters, queries)
    _save(folder / "data", clusters, queries, nearest)
    ours = await _ours(stage, queries, nearest)
    target = min(_ENOUGH, *(one.recall for one in ours.values()))
    stage.say(f"Measuring ChromaDB at a recall of {target:.3f}")
    with _chroma_server(stage, python, folder) as port:
        rows = _run(stage, python, "chroma", folder / "data", target, port)
    stage.say("Measuring LanceDB")
    rows += _run(stage, python, "lance", folder / "data", target)
    shutil.rmtree(folder / "data")
    return compare(ours, rows)


def compare(ours: Mapping[bool, Measured], rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Our times beside each rival's.

    Args:
        ours: With a filter, and without.
        rows: What the script printed.
    """
    figures = []
    for row in rows:
        own, name = ours[row["filtered"]], f"{row['rival']}{'_1%' if row['filtered'] else ''}"
        figures += [
            at_most(_NAME, f"p50_vs_{name}", own.p50, row["p50"], unit="ms", floor=row["p50"]),
            seen(_NAME, f"p99_vs_{name}", own.p99, "ms", floor=row["p99"]),
            seen(_NAME, f"recall_vs_{name}", own.recall, floor=row["recall"], note=row["setting"]),
        ]
    return figures


async def _ours(stage: Stage, queries: Vectors, nearest: Mapping[bool, Numbers]) -> dict[bool, Measured]:
    wire = stage.wire()
    asked = {filtered: _requests(queries, filtered=filtered) for filtered in nearest}
    times = await by_turns([caller(wire, requests) for requests in asked.values()], len(queries))
    ours = {}
    for (filtered, requests), time in zip(asked.items(), times, strict=True):
        found = [found_items(await wire.send(request)) for request in requests]
        shares = [np.isin(wanted, items).mean() for wanted, items in zip(nearest[filtered], found, strict=True)]
        ours[filtered] = Measured(float(np.mean(shares)), time.p50, time.p99)
    wire.close()
    return ours


def _requests(queries: Vectors, *, filtered: bool) -> list[bytes]:
    more = {"filter": ONE_PERCENT} if filtered else {}
    return [post(search_path(VECTORS), vector_query(query, limit=_LIMIT, **more)) for query in queries]


def _nearest(clusters: Clusters, queries: Vectors) -> dict[bool, Numbers]:
    """The ten nearest items of each query, with the filter and without."""
    cosines = similarities(clusters.vectors, queries)
    narrow = np.where(clusters.groups["r100"] == 0, cosines, -np.inf)
    return {filtered: np.argsort(-one, axis=1)[:, :_LIMIT] for filtered, one in ((False, cosines), (True, narrow))}


def _save(folder: Path, clusters: Clusters, queries: Vectors, nearest: Mapping[bool, Numbers]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arrays: dict[str, NDArray[Any]] = {
        "vectors": clusters.vectors,
        "groups": clusters.groups["r100"],
        "queries": queries,
        "nearest": nearest[False],
        "nearest_filtered": nearest[True],
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def _installed(stage: Stage, folder: Path) -> Path:
    """The interpreter of the rivals' environment, which is made at first use."""
    python, done = folder / "venv" / "bin" / "python", folder / "venv" / " ".join(PACKAGES)
    if not done.exists():
        stage.say(f"Installing {', '.join(PACKAGES)} in {folder / 'venv'}, once")
        log = folder / "install.log"
        stage.supervisor.run("venv", [sys.executable, "-m", "venv", "--clear", folder / "venv"], log=log)
        install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", *PACKAGES]
        stage.supervisor.run("pip", install, log=log, deadline_s=_INSTALL_S)
        done.touch()
    return python


@contextmanager
def _chroma_server(stage: Stage, python: Path, folder: Path) -> Iterator[int]:
    """The port of a ChromaDB server with empty data, which ends with the block."""
    port, data = free_port(), folder / "data" / "chroma"
    argv: list[str | Path] = [
        python.with_name("chroma"),
        "run",
        "--path",
        data,
        "--host",
        _LOOPBACK,
        "--port",
        str(port),
    ]
    server = stage.supervisor.start("chroma", argv, log=folder / "chroma.log", env=os.environ | _QUIET)
    try:
        server.wait_until(lambda: _answers(port), _READY_S)
        yield port
    finally:
        server.stop(_STOP_S)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{_LOOPBACK}:{port}/api/v2/heartbeat", timeout=5.0).is_success
    except httpx.TransportError:
        return False


def _run(
    stage: Stage, python: Path, rival: str, folder: Path, target: float, port: int | None = None
) -> list[dict[str, Any]]:
    result = folder / f"{rival}.json"
    argv: list[str | Path] = [
        python,
        rival_script.__file__,
        rival,
        folder,
        f"{target:.4f}",
        result,
        *([str(port)] if port else []),
    ]
    stage.supervisor.run(rival, argv, log=folder.parent / f"{rival}-client.log", deadline_s=_MEASURE_S)
    rows: list[dict[str, Any]] = json.loads(result.read_text(encoding="utf-8"))
    return rows
