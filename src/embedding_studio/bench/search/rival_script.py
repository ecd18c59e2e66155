"""Measures one rival; run by an interpreter that has the rivals' packages, and so imports nothing of ours.

    python rival_script.py chroma|lance FOLDER TARGET_RECALL RESULT [PORT]

Reads `vectors.npy`, `groups.npy`, `queries.npy`, `nearest.npy` and `nearest_filtered.npy` from the folder and
writes what it measured as JSON: search parameters are raised until the mean recall@10 is reached.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["main"]

_BATCH = 2_000
_WARM_UP = 30
_LIMIT = 10
_M, _EF_CONSTRUCTION = 16, 100
_EF = (10, 20, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800)
_CHROMA_EF = (10, 20, 40, 80, 160, 320, 640)
_PROBES = (1, 2, 5, 10, 20, 40, 80)
_REFINE = (None, 2, 5, 10)

Ask = Callable[[Any], list[int]]
"""Numbers of the items that a query vector finds."""

Settings = Iterator[tuple[str, Ask]]
"""What is tried in turn, from the fastest to the most thorough: how it is called, and how it asks."""


def main() -> None:
    """Measure the rival that the arguments name."""
    rival, folder, target, result, *port = sys.argv[1:]
    measure = _Measure(Path(folder), float(target))
    found = _chroma(measure, int(port[0])) if rival == "chroma" else _lance(measure)
    Path(result).write_text(json.dumps(found), encoding="utf-8")


class _Measure:
    """The data, and the loop that times."""

    def __init__(self, folder: Path, target: float) -> None:
        self.folder = folder
        self.target = target
        self.vectors, self.groups, self.queries, self._nearest, self._filtered = (
            np.load(folder / f"{name}.npy") for name in ("vectors", "groups", "queries", "nearest", "nearest_filtered")
        )

    def first_good(self, rival: str, settings: Settings, *, filtered: bool) -> dict[str, Any]:
        """The first setting with the recall that is asked for, or else the best."""
        nearest = self._filtered if filtered else self._nearest
        tried: list[dict[str, Any]] = []
        for name, ask in settings:
            row: dict[str, Any] = {"rival": rival, "filtered": filtered, "setting": name, **self._timed(ask, nearest)}
            tried.append(row)
            if row["recall"] >= self.target:
                return row
        return max(tried, key=lambda row: float(row["recall"]))

    def _timed(self, ask: Ask, nearest: Any) -> dict[str, float]:
        seconds, right = [], []
        for query, wanted in zip(self.queries, nearest, strict=True):
            started = time.perf_counter()
            found = ask(query)
            seconds.append(time.perf_counter() - started)
            right.append(len(set(found) & set(wanted.tolist())) / len(wanted))
        p50, p99 = np.percentile(np.asarray(seconds[_WARM_UP:]) * 1_000, [50, 99])
        return {"recall": float(np.mean(right)), "p50": float(p50), "p99": float(p99)}


def _chroma(measure: _Measure, port: int) -> list[dict[str, Any]]:
    import chromadb  # noqa: PLC0415  # only one rival is measured at a time

    quiet = chromadb.config.Settings(anonymized_telemetry=False)
    client = chromadb.HttpClient(host="127.0.0.1", port=port, settings=quiet)
    loaded: dict[int, Any] = {}

    def settings(where: Any) -> Settings:
        for ef in _CHROMA_EF:
            collection = loaded[ef] = loaded.get(ef) or _chroma_collection(measure, client, ef)
            yield f"ef_search {ef}", partial(_chroma_ids, collection, where)

    return [measure.first_good("chroma", settings(where), filtered=bool(where)) for where in (None, {"r100": 0})]


def _chroma_collection(measure: _Measure, client: Any, ef: int) -> Any:
    """A collection a setting: version 1.5.9 stores a new `ef_search`, but searches with that of the creation."""
    graph = {"space": "cosine", "max_neighbors": _M, "ef_construction": _EF_CONSTRUCTION, "ef_search": ef}
    collection = client.create_collection(f"bench-{ef}", configuration={"hnsw": graph}, embedding_function=None)
    for start in range(0, len(measure.vectors), _BATCH):
        rows = range(start, min(start + _BATCH, len(measure.vectors)))
        collection.add(
            ids=[f"i{row}" for row in rows],
            embeddings=measure.vectors[rows.start : rows.stop],
            metadatas=[{"title": f"item {row}", "r100": int(measure.groups[row])} for row in rows],
        )
    return collection


def _chroma_ids(collection: Any, where: Any, query: Any) -> list[int]:
    answer = collection.query(
        query_embeddings=[query], n_results=_LIMIT, where=where, include=["metadatas", "distances"]
    )
    return [int(one[1:]) for one in answer["ids"][0]]


def _lance(measure: _Measure) -> list[dict[str, Any]]:
    import lancedb  # noqa: PLC0415  # as above
    from lancedb.index import Bitmap, IvfHnswSq, IvfPq  # noqa: PLC0415  # as above

    table = lancedb.connect(measure.folder / "lance").create_table("bench", data=_arrow(measure), mode="overwrite")
    table.create_index("r100", config=Bitmap())
    graph = IvfHnswSq(distance_type="cosine", m=_M, ef_construction=_EF_CONSTRUCTION)
    return [
        *_lance_index(measure, table, "lance_hnsw", graph, _hnsw_ladder),
        *_lance_index(measure, table, "lance_ivf_pq", IvfPq(distance_type="cosine"), _ivf_ladder),
    ]


def _arrow(measure: _Measure) -> Any:
    import pyarrow as pa  # noqa: PLC0415  # as above

    count, dimensions = measure.vectors.shape
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(measure.vectors.reshape(-1)), dimensions)
    titles = [f"item {row}" for row in range(count)]
    columns = {"id": np.arange(count), "title": titles, "r100": measure.groups, "vector": vectors}
    return pa.table(columns)


def _lance_index(
    measure: _Measure, table: Any, name: str, config: Any, ladder: Callable[..., Settings]
) -> list[dict[str, Any]]:
    table.create_index("vector", config=config, replace=True)
    return [measure.first_good(name, ladder(table, where), filtered=bool(where)) for where in (None, "r100 = 0")]


def _hnsw_ladder(table: Any, where: str | None) -> Settings:
    """The index has one partition unless there are millions of rows, so the graph alone is tuned."""
    for refine in (None, 2):
        for ef in _EF:
            yield f"ef {ef}, refine {refine}", _lance_ask(table, where, ef=ef, refine_factor=refine)


def _ivf_ladder(table: Any, where: str | None) -> Settings:
    for refine in _REFINE:
        for probes in _PROBES:
            yield f"nprobes {probes}, refine {refine}", _lance_ask(table, where, nprobes=probes, refine_factor=refine)


def _lance_ask(table: Any, where: str | None, **settings: int | None) -> Ask:
    def ask(query: Any) -> list[int]:
        search = table.search(query).distance_type("cosine").limit(_LIMIT).select(["id", "title", "_distance"])
        for name, value in settings.items():
            search = getattr(search, name)(value) if value is not None else search
        rows: Sequence[dict[str, Any]] = (search.where(where) if where else search).to_list()
        return [row["id"] for row in rows]

    return ask


if __name__ == "__main__":
    main()
