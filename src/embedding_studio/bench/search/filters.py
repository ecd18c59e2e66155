"""Section `filters`: recall under filters of every selectivity, those that know of the query and those that do not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embedding_studio.bench.search.clusters import GROUPS, Clusters, Vectors
from embedding_studio.bench.search.exact import recall, similarities
from embedding_studio.bench.search.figures import Figure, at_least, seen
from embedding_studio.bench.search.stage import VECTORS, Stage, found_items, search_path, vector_query
from embedding_studio.bench.search.timing import Times, by_turns
from embedding_studio.bench.search.wire import Wire, post

__all__ = ["Kind", "chosen_group", "measure_filters"]

Kind = str
"""`random`: has nothing to do with the query; `near`: the part that the query lies in; `far`: one across from it."""

_NAME = "filters"
_KINDS: Sequence[Kind] = ("random", "near", "far")
_QUERIES = {1: 100, 10: 100, 100: 100, 1_000: 20}
_RECALL = 0.95


@dataclass(frozen=True, slots=True)
class _Cell:
    """One selectivity, one kind of filter, one limit."""

    kind: Kind
    groups: int
    limit: int

    @property
    def field(self) -> str:
        return f"{'r' if self.kind == 'random' else 'c'}{self.groups}"

    @property
    def name(self) -> str:
        return f"{100 / self.groups:g}%_{self.kind}_limit_{self.limit}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all cells are measured with."""

    clusters: Clusters
    queries: Vectors
    of_clusters: Sequence[int]
    cosines: Vectors

    def group(self, cell: _Cell, number: int) -> int:
        return chosen_group(cell.kind, cell.groups, number=number, cluster=int(self.of_clusters[number]))


def chosen_group(kind: Kind, groups: int, *, number: int, cluster: int) -> int:
    """The group that the filter of a query lets through.

    Args:
        kind: Of the filter.
        groups: How many groups there are.
        number: Of the query.
        cluster: That the query was drawn from.
    """
    if kind == "random":
        return number % groups
    own = cluster * groups // GROUPS[-1]
    return own if kind == "near" else (own + groups // 2) % groups


async def measure_filters(stage: Stage) -> list[Figure]:
    """Recall of every cell against numpy, and its median time."""
    clusters = stage.vectors
    queries, of_clusters = clusters.queries(max(_QUERIES.values()))
    asked = _Asked(clusters, queries, of_clusters.tolist(), similarities(clusters.vectors, queries))
    wire = stage.wire()
    figures: list[Figure] = []
    for cell in _cells():
        mean, times = await _measure(wire, asked, cell)
        figures += [
            at_least(_NAME, f"{cell.name}_recall", mean, _RECALL),
            seen(_NAME, f"{cell.name}_p50", times.p50, "ms"),
        ]
        stage.say(f"{cell.name}: recall {mean:.3f}, {times.p50:.1f} ms")
    wire.close()
    return [at_least(_NAME, "least_recall", _least(figures), _RECALL), *figures]


def _cells() -> Iterator[_Cell]:
    return (_Cell(kind, groups, limit) for kind in _KINDS for groups in GROUPS for limit in _QUERIES)


def _least(figures: Sequence[Figure]) -> float:
    return min(figure.measured for figure in figures if figure.name.endswith("_recall"))


async def _measure(wire: Wire, asked: _Asked, cell: _Cell) -> tuple[float, Times]:
    count = _QUERIES[cell.limit]
    found: dict[int, list[int]] = {}
    requests = [_request(asked, cell, number) for number in range(count)]

    async def call(number: int) -> None:
        found[number] = found_items(await wire.send(requests[number]))

    (times,) = await by_turns([call], count, warm_up=0)
    groups = asked.clusters.groups[cell.field]
    recalls = [
        recall(asked.cosines[number], found[number], cell.limit, groups == asked.group(cell, number))
        for number in range(count)
    ]
    return float(np.mean(recalls)), times


def _request(asked: _Asked, cell: _Cell, number: int) -> bytes:
    condition = {"field": cell.field, "eq": asked.group(cell, number)}
    return post(
        search_path(VECTORS), vector_query(asked.queries[number], limit=cell.limit, filter=condition, track=False)
    )
