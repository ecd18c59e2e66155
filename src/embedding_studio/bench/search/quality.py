"""Section `quality`: how good the rankings are on judged sets, in every mode and with both fusions."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from embedding_studio.bench.figures import Figure, at_least, seen
from embedding_studio.bench.search.floor import connection_to
from embedding_studio.bench.search.stage import Stage, search_path
from embedding_studio.bench.search.wire import Wire, post
from embedding_studio.infra.postgres import open_pool
from embedding_studio.settings import Settings
from embedding_studio.simulation.judged import JudgedSet
from embedding_studio.simulation.quality import ndcg_at_10
from embedding_studio.vector_store import Catalog, Collection

__all__ = ["measure_quality"]

_NAME = "quality"
_ASKED = {"esci": 0.735, "scifact": 0.725, "chorus": 0.765}
_FUSIONS: Mapping[str, Mapping[str, object]] = {
    "weighted": {"kind": "weighted", "vector": 0.5},
    "reciprocal_rank": {"kind": "reciprocal_rank", "k": 60},
}
_DEFAULT_FUSION = "weighted"
_LIMIT = 10
_COPIED = {
    "items": "id, payload, source, seq, ordinal",
    "parts": "item_id, part_no, text, content_hash, embedding",
}


async def measure_quality(stage: Stage) -> list[Figure]:
    """nDCG@10 over the whole catalogs, through the API; a set that is not there is skipped."""
    figures: list[Figure] = []
    for name in _ASKED:
        if (stage.sets / name / "items.jsonl.gz").is_file():
            figures += await _measure(stage, JudgedSet.read(stage.sets / name))
        else:
            stage.say(f"Skipping {name}: it is not in {stage.sets}")
    return figures


async def _measure(stage: Stage, judged: JudgedSet) -> list[Figure]:
    collections = await _fill(stage, judged)
    first = collections[_DEFAULT_FUSION]
    wire = stage.wire()
    stage.say(f"Searching {len(judged.queries)} times in every mode")
    halves = {mode: await _mean(wire, judged, first, mode) for mode in ("vector", "lexical")}
    fused = {fusion: await _mean(wire, judged, name, "hybrid") for fusion, name in collections.items()}
    wire.close()
    for name in collections.values():
        stage.client(name).delete()
    return _figures(judged.name, halves, fused)


def _figures(name: str, halves: Mapping[str, float], fused: Mapping[str, float]) -> list[Figure]:
    """The default fusion must be as good as asked; and no fusion worse than the better half."""
    better = max(halves.values())
    return [
        *(seen(_NAME, f"{name}_{mode}_ndcg@10", mean) for mode, mean in halves.items()),
        at_least(_NAME, f"{name}_hybrid_ndcg@10", fused[_DEFAULT_FUSION], _ASKED[name], floor=better),
        *(
            at_least(_NAME, f"{name}_hybrid_{fusion}_not_below_halves", mean, better, floor=better)
            for fusion, mean in fused.items()
        ),
    ]


async def _fill(stage: Stage, judged: JudgedSet) -> dict[str, str]:
    """A collection a fusion, by the fusion; the first is filled by the API, the others with copies of its rows."""
    names = {fusion: f"bench-{judged.name}-{fusion.partition('_')[0]}" for fusion in _FUSIONS}
    for fusion, name in names.items():
        stage.client(name).create("text", fusion=_FUSIONS[fusion])
    source, *others = names.values()
    stage.say(f"Sending {len(judged.items):,} items of {judged.name}")
    stage.client(source).send(judged.items)
    stage.client(source).settle()
    for other in others:
        await _copy(stage.settings, source, other)
    for name in names.values():
        stage.client(name).finish([stage.client(name).optimize()])
        stage.client(name).settle()
    return names


async def _copy(settings: Settings, source: str, target: str) -> None:
    """Fill a collection with the rows of another: the same vectors, which need not be made twice."""
    async with open_pool(settings.postgres) as pool:
        catalog = Catalog(pool, grace=timedelta(0))
        tables = [_tables(await catalog.get(name)) for name in (source, target)]
    async with connection_to(settings) as connection:
        for kind, columns in _COPIED.items():
            from_table, to_table = (names[kind] for names in tables)
            await connection.execute(
                f"INSERT INTO {to_table} ({columns}) SELECT {columns} FROM {from_table}",  # noqa: S608  # our own names
                timeout=600.0,
            )


def _tables(collection: Collection) -> dict[str, str]:
    return {"items": f"items_{collection.id}", "parts": f"parts_{collection.id}_{collection.index_version}"}


async def _mean(wire: Wire, judged: JudgedSet, collection: str, mode: str) -> float:
    scores = []
    for query, text in judged.queries.items():
        body = {"query": text, "mode": mode, "limit": _LIMIT, "track": False}
        answer = msgspec.json.decode(await wire.send(post(search_path(collection), body)))
        scores.append(ndcg_at_10([result["id"] for result in answer["results"]], judged.gains[query]))
    return sum(scores) / len(scores)
