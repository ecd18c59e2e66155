"""`bench search`: the API beside its floors, all measured in one run on the films."""

import asyncio
import http.client
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.client import BenchClient
from embedding_studio.demo.catalog import load_films
from embedding_studio.demo.queries import compose_queries
from embedding_studio.inference import OnnxEncoder
from embedding_studio.infra.embedded import free_port
from embedding_studio.infra.postgres import open_pool
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, find_plugins
from embedding_studio.settings import Settings
from embedding_studio.up import studio
from embedding_studio.vector_store import Catalog

__all__ = ["SearchFigures", "bench_search"]

_NAME = "bench"
_QUERIES = 400
_WARM_UP = 50
_LIMIT = 10


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """Times in milliseconds, throughput in documents per second.

    Attributes:
        api_p50: A tracked search by text, one client, over HTTP on the loopback.
        encode_p50: The same texts through the encoder alone.
        sql_p50: The same vectors through `ORDER BY embedding <=> $1 LIMIT 10` on one connection.
        api_to_floor: `api_p50 / (encode_p50 + sql_p50)`.
        ingest: All items through the API, from the first request until all are searchable. The approximate index is
            built after that, by a task of its own, which the searches wait for.
        encode_documents: The same texts through the encoder alone, all at once, with as many threads as a worker.
        ingest_to_floor: `ingest / encode_documents`.
    """

    items: int
    queries: int
    api_p50: float
    encode_p50: float
    sql_p50: float
    api_to_floor: float
    ingest: float
    encode_documents: float
    ingest_to_floor: float


def bench_search(data_dir: Path, *, films: int | None, say: Callable[[str], None]) -> SearchFigures:
    """Start everything on `data_dir`, ingest the films into a new collection and measure.

    Args:
        data_dir: Where servers keep their data; made if it is not there.
        films: How many to ingest; None: all.
        say: Tells the person what happens.
    """
    host, port = "127.0.0.1", free_port()
    catalog = load_films(films)
    items = [film.item() for film in catalog]
    queries = [query.text for query in compose_queries(catalog)][: _QUERIES + _WARM_UP]
    with studio(data_dir, host=host, port=port, say=say) as (_, settings):
        plugin = find_plugins(settings.plugins).get("movies")
        say(f"Encoding {len(items)} documents without the API")
        bulk = _encoder(settings, plugin, settings.inference.bulk_threads)
        encode_documents = _documents_per_second(bulk, plugin, items)
        say("Ingesting them through the API")
        ingest = _ingest(f"http://{host}:{port}", items)
        say(f"Searching {len(queries)} times")
        encoder = _encoder(settings, plugin, settings.inference.threads)
        api, encode, sql = asyncio.run(_search(settings, encoder, queries, host, port))
        _client(host, port)("DELETE", f"/api/v1/collections/{_NAME}", None)
    return SearchFigures(
        items=len(items),
        queries=len(queries) - _WARM_UP,
        api_p50=api,
        encode_p50=encode,
        sql_p50=sql,
        api_to_floor=api / (encode + sql),
        ingest=ingest,
        encode_documents=encode_documents,
        ingest_to_floor=ingest / encode_documents,
    )


def _encoder(settings: Settings, plugin: EmbeddingPlugin, threads: int) -> OnnxEncoder:
    if plugin.encoder is None:
        raise UnavailableError("the plugin `movies` has no encoder")
    folder = settings.inference.encoders / plugin.encoder.build().key
    return OnnxEncoder.load(folder, threads=threads)


def _documents_per_second(encoder: OnnxEncoder, plugin: EmbeddingPlugin, items: Sequence[dict[str, Any]]) -> float:
    if plugin.text is None:
        raise UnavailableError("the plugin `movies` makes no text")
    text_of = plugin.text.build()
    texts = [piece.text for item in items for piece in text_of(item["payload"])]
    started = time.perf_counter()
    encoder.encode(texts, "item")
    return len(texts) / (time.perf_counter() - started)


def _ingest(url: str, items: Sequence[dict[str, Any]]) -> float:
    client = BenchClient(url, _NAME)
    client.create("movies")
    seconds = client.send(items)
    client.settle()
    return len(items) / seconds


async def _search(
    settings: Settings, encoder: OnnxEncoder, queries: Sequence[str], host: str, port: int
) -> tuple[float, float, float]:
    """Medians in milliseconds; the three take turns, so that whatever else the machine does meets them alike."""
    request = _client(host, port)
    api, encode, sql = [], [], []
    async with open_pool(settings.postgres) as pool, pool.acquire() as connection:
        collection = await Catalog(pool, grace=timedelta(0)).get(_NAME)
        statement = await connection.prepare(
            f"SELECT item_id, embedding <=> $1 FROM parts_{collection.id}_{collection.index_version}"  # noqa: S608  # our own numbers
            f" ORDER BY embedding <=> $1 LIMIT {_LIMIT}"
        )
        for query in queries:
            encode.append(_timed(partial(encoder.encode, [query], "query")))
            vector = encoder.encode([query], "query")[0]
            sql.append(await _fetched(statement, vector))
            body = json.dumps({"query": query, "limit": _LIMIT}).encode()
            api.append(_timed(partial(request, "POST", f"/api/v1/collections/{_NAME}/search", body)))
    return _p50(api), _p50(encode), _p50(sql)


async def _fetched(statement: "asyncpg.prepared_stmt.PreparedStatement[Any]", vector: NDArray[np.float32]) -> float:
    started = time.perf_counter()
    await statement.fetch(vector)
    return time.perf_counter() - started


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _p50(seconds: Sequence[float]) -> float:
    return median(seconds[_WARM_UP:]) * 1000


def _client(host: str, port: int) -> Callable[[str, str, bytes | None], bytes]:
    """A client that adds next to nothing: one kept-alive connection of the standard library."""
    connection = http.client.HTTPConnection(host, port, timeout=30.0)

    def request(method: str, path: str, body: bytes | None) -> bytes:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            raise UnavailableError(f"{method} {path}: {answer.status} {content.decode()[:200]}")
        return content

    return request
