"""Section `vectors`: the API by vector beside the bare query, one client and sixteen, with a filter and without."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from embedding_studio.bench.figures import Figure, at_least, at_most, seen
from embedding_studio.bench.search.clusters import Clusters, Vectors
from embedding_studio.bench.search.exact import mean_recall, recall, similarities
from embedding_studio.bench.search.floor import Statement, bare_call, bare_queries
from embedding_studio.bench.search.stage import VECTORS, Stage, caller, found_items, search_path, vector_query
from embedding_studio.bench.search.timing import by_turns, throughputs
from embedding_studio.bench.search.wire import Wire, post

__all__ = ["ONE_PERCENT", "measure_vectors"]

ONE_PERCENT = {"field": "r100", "eq": 0}
"""A filter that one item in a hundred passes, whatever the query."""

_NAME = "vectors"
_QUERIES = 1_000
_CLIENTS = 16
_SECONDS = 15.0
_OVERHEAD_MS = 1.5
_SHARE = 0.6
_RECALL = 0.97
_FILTER_TIMES = 3.0
_FILTER_RECALL = 0.99
_LIMIT = 10


async def measure_vectors(stage: Stage) -> list[Figure]:
    """Recall, times and throughput of searches by vector, tracked as all searches are."""
    clusters = stage.vectors
    queries, _ = clusters.queries(_QUERIES)
    plain = _requests(queries, None)
    async with AsyncExitStack() as held:
        statements = await held.enter_async_context(bare_queries(stage.settings, VECTORS, queries[0], count=_CLIENTS))
        wires = [stage.wire() for _ in range(_CLIENTS)]
        for wire in wires:
            held.callback(wire.close)
        stage.say(f"Searching {_QUERIES} times, by turns with the bare query and with a filter")
        figures = await _one_client(wires[0], statements[0], clusters, queries, plain)
        stage.say(f"Searching with {_CLIENTS} clients at a time")
        return [*figures, *await _many_clients(wires, statements, queries, plain)]


async def _one_client(
    wire: Wire, statement: Statement, clusters: Clusters, queries: Vectors, plain: list[bytes]
) -> list[Figure]:
    filtered = _requests(queries, ONE_PERCENT)
    api, bare = await by_turns([caller(wire, plain), bare_call(statement, queries)], _QUERIES)
    broad, narrow = await by_turns([caller(wire, plain), caller(wire, filtered)], _QUERIES)
    found = [found_items(await wire.send(request)) for request in plain]
    narrow_found = [found_items(await wire.send(request)) for request in filtered]
    return [
        at_least(_NAME, "recall@10", mean_recall(clusters.vectors, queries, found, _LIMIT), _RECALL),
        at_most(_NAME, "api_p50", api.p50, bare.p50 + _OVERHEAD_MS, unit="ms", floor=bare.p50),
        seen(_NAME, "api_p99", api.p99, "ms", floor=bare.p99),
        at_most(_NAME, "filter_1%_p50", narrow.p50, _FILTER_TIMES * broad.p50, unit="ms", floor=broad.p50),
        at_least(_NAME, "filter_1%_recall@10", _filtered_recall(clusters, queries, narrow_found), _FILTER_RECALL),
    ]


async def _many_clients(
    wires: Sequence[Wire], statements: Sequence[Statement], queries: Vectors, plain: list[bytes]
) -> list[Figure]:
    crews = [[caller(wire, plain) for wire in wires], [bare_call(statement, queries) for statement in statements]]
    api, bare = await throughputs(crews, seconds=_SECONDS)
    return [at_least(_NAME, f"api_{_CLIENTS}_clients", api, _SHARE * bare, unit="/s", floor=bare)]


def _requests(queries: Vectors, condition: dict[str, object] | None) -> list[bytes]:
    more = {"filter": condition} if condition else {}
    return [post(search_path(VECTORS), vector_query(query, limit=_LIMIT, **more)) for query in queries]


def _filtered_recall(clusters: Clusters, queries: Vectors, found: Sequence[Sequence[int]]) -> float:
    matching = clusters.groups["r100"] == 0
    cosines = similarities(clusters.vectors[matching], queries)
    numbers = {int(item): row for row, item in enumerate(matching.nonzero()[0])}
    rows = [[numbers[item] for item in items if item in numbers] for items in found]
    return sum(map(partial(recall, limit=_LIMIT), cosines, rows)) / len(queries)
