"""Section `films`: search and ingest of whole films, beside the bare encoder and the bare query."""

import time
from collections.abc import Sequence
from typing import Any

from embedding_studio.bench.figures import Figure, seen
from embedding_studio.bench.search.encoding import bare_encoder, encode_call
from embedding_studio.bench.search.floor import bare_call, bare_queries
from embedding_studio.bench.search.stage import Stage, caller, search_path
from embedding_studio.bench.search.timing import Times, by_turns
from embedding_studio.bench.search.wire import post
from embedding_studio.demo.catalog import load_films
from embedding_studio.demo.queries import compose_queries
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, find_plugins

__all__ = ["measure_films"]

_NAME = "films"
_COLLECTION = "bench-films"
_QUERIES = 450


async def measure_films(stage: Stage) -> list[Figure]:
    """Ingest of all films, and tracked searches by text.

    Ingest counts from the first request until all are searchable. The approximate index is built after that, by a task
    of its own, which the searches wait for.
    """
    films = load_films(stage.sizes.films)
    plugin = find_plugins(stage.settings.plugins).get("movies")
    items = [film.item() for film in films]
    encoded = _encoded_per_second(stage, plugin, items)
    ingested = _ingested_per_second(stage, items)
    api, encode, bare = await _search(stage, plugin, [query.text for query in compose_queries(films)][:_QUERIES])
    stage.client(_COLLECTION).delete()
    floor = encode.p50 + bare.p50
    return [
        seen(_NAME, "encode_p50", encode.p50, "ms"),
        seen(_NAME, "bare_p50", bare.p50, "ms"),
        seen(_NAME, "api_p50", api.p50, "ms", floor=floor),
        seen(_NAME, "api_to_floor", api.p50 / floor),
        seen(_NAME, "ingest", ingested, "/s", floor=encoded),
        seen(_NAME, "ingest_to_floor", ingested / encoded),
    ]


def _encoded_per_second(stage: Stage, plugin: EmbeddingPlugin, items: Sequence[dict[str, Any]]) -> float:
    """Of the encoder alone, given all texts at once, with as many threads as a worker."""
    if plugin.text is None:
        raise UnavailableError("the plugin `movies` makes no text")
    stage.say(f"Encoding {len(items):,} films without the API")
    encoder = bare_encoder(stage.settings, plugin, threads=stage.settings.inference.bulk_threads)
    text_of = plugin.text.build()
    texts = [piece.text for item in items for piece in text_of(item["payload"])]
    started = time.perf_counter()
    encoder.encode(texts, "item")
    return len(texts) / (time.perf_counter() - started)


def _ingested_per_second(stage: Stage, items: Sequence[dict[str, Any]]) -> float:
    stage.say("Ingesting them through the API")
    client = stage.client(_COLLECTION)
    client.create("movies")
    seconds = client.send(items)
    client.settle()
    return len(items) / seconds


async def _search(stage: Stage, plugin: EmbeddingPlugin, queries: Sequence[str]) -> list[Times]:
    stage.say(f"Searching {len(queries)} times")
    encoder = bare_encoder(stage.settings, plugin, threads=stage.settings.inference.threads)
    vectors = encoder.encode(queries, "query")
    requests = [post(search_path(_COLLECTION), {"query": query}) for query in queries]
    wire = stage.wire()
    async with bare_queries(stage.settings, _COLLECTION, vectors[0], count=1) as (statement,):
        calls = [caller(wire, requests), encode_call(encoder, queries), bare_call(statement, vectors)]
        times = await by_turns(calls, len(queries))
    wire.close()
    return times
