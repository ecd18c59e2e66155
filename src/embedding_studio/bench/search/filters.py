"""Section `filters`: recall under filters of every selectivity, those that know of the query and those that do not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.figures import Figure, at_least, at_most, seen
from embedding_studio.bench.search.clusters import GROUPS, Clusters, Vectors
from embedding_studio.bench.search.exact import recall, similarities
from embedding_studio.bench.search.stage import VECTORS, Stage, found_items, search_path, vector_query
from embedding_studio.bench.search.timing import Times, by_turns
from embedding_studio.bench.search.wire import Wire, post

__all__ = ["Kind", "chosen_group", "measure_filters"]

Kind = str
"""`random`: has nothing to do with the query; `near`: the part that the query lies in; `far`: one across from it;
`none`: no filter, for comparison."""

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

    def matching(self, cell: _Cell, number: int) -> NDArray[np.bool_]:
        if cell.kind == "none":
            return np.ones(self.clusters.count, np.bool_)
        matching: NDArray[np.bool_] = self.clusters.groups[cell.field] == self.group(cell, number)
        return matching


@dataclass(frozen=True, slots=True)
class _Measured:
    """`cut_short` counts the searches that found fewer items than there are and were asked for."""

    recall: float
    times: Times
    cut_short: int


def chosen_group(kind: Kind, groups: int, *, number: int, cluster: int) -> int:
    """The group that the filter of a query lets through.

    Args:
        kind: Of the filter.
        groups: How many groups there are.
        number: Of the query.
        cluster: That the query was drawn from.
    """
    if kind in {"random", "none"}:
        return number % groups
    own = cluster * groups // GROUPS[-1]
    return own if kind == "near" else (own + groups // 2) % groups


async def measure_filters(stage: Stage) -> list[Figure]:
    """Recall of every cell against numpy, its median time, and how many searches found fewer items than there are."""
    clusters = stage.vectors
    queries, of_clusters = clusters.queries(max(_QUERIES.values()))
    asked = _Asked(clusters, queries, of_clusters.tolist(), similarities(clusters.vectors, queries))
    wire = stage.wire()
    measured: dict[_Cell, _Measured] = {}
    for cell in _cells():
        one = measured[cell] = await _measure(wire, asked, cell)
        stage.say(f"{cell.name}: recall {one.recall:.3f}, {one.times.p50:.1f} ms")
    wire.close()
    return _figures(measured)


def _cells() -> Iterator[_Cell]:
    yield from (_Cell("none", 1, limit) for limit in _QUERIES)
    yield from (_Cell(kind, groups, limit) for kind in _KINDS for groups in GROUPS for limit in _QUERIES)


def _figures(measured: Mapping[_Cell, _Measured]) -> list[Figure]:
    least = min(one.recall for one in measured.values())
    figures = [
        at_least(_NAME, "least_recall", least, _RECALL),
        at_most(_NAME, "cut_short", sum(one.cut_short for one in measured.values()), 0),
    ]
    for cell, one in measured.items():
        figures += [
            at_least(_NAME, f"{cell.name}_recall", one.recall, _RECALL),
            seen(_NAME, f"{cell.name}_p50", one.times.p50, "ms"),
        ]
    return figures


async def _measure(wire: Wire, asked: _Asked, cell: _Cell) -> _Measured:
    count = _QUERIES[cell.limit]
    found: dict[int, list[int]] = {}
    requests = [_request(asked, cell, number) for number in range(count)]

    async def call(number: int) -> None:
        found[number] = found_items(await wire.send(requests[number]))

    (times,) = await by_turns([call], count, warm_up=0)
    matching = [asked.matching(cell, number) for number in range(count)]
    recalls = [recall(asked.cosines[number], found[number], cell.limit, matching[number]) for number in range(count)]
    cut_short = sum(len(found[number]) < min(cell.limit, matching[number].sum()) for number in range(count))
    return _Measured(float(np.mean(recalls)), times, cut_short)


def _request(asked: _Asked, cell: _Cell, number: int) -> bytes:
    group = asked.group(cell, number)
    more = {} if cell.kind == "none" else {"filter": {"field": cell.field, "eq": group}}
    return post(search_path(VECTORS), vector_query(asked.queries[number], limit=cell.limit, track=False, **more))
