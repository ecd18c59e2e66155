"""`bench upsert`: writing through the API beside the bare encoder, and searching while an index is built anew."""

import gzip
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedding_studio.bench.client import BenchClient
from embedding_studio.inference import OnnxEncoder
from embedding_studio.infra.embedded import free_port
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import DEFAULT_MODEL, FieldsText, SentenceEncoder
from embedding_studio.settings import Settings
from embedding_studio.up import studio

__all__ = ["UpsertFigures", "bench_upsert"]

_SAMPLE = 1_500
_BATCH = 32
_SEARCHES = 1_000

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class UpsertFigures:
    """Throughput in documents per second, times in milliseconds.

    Attributes:
        encoder: The bare ONNX encoder on a random sample of the texts, with a worker's threads; half of it before the
            ingest and half after, for a machine's speed drifts.
        sentence_transformers: A plain loop of `SentenceTransformer.encode` over batches of 32, on the same sample.
        ingest: All items through the API, from the first request until all are searchable. The approximate index is
            built after that, by a task of its own, which all further measures wait for.
        unchanged: The same items sent once more.
        search_p99: A tracked search by text, one client.
        search_p99_reindexing: The same while all items are indexed anew.
    """

    items: int
    encoder: float
    sentence_transformers: float
    ingest: float
    ingest_to_encoder: float
    ingest_to_sentence_transformers: float
    unchanged: float
    unchanged_to_ingest: float
    search_p99: float
    search_p99_reindexing: float
    search_p99_ratio: float
    searches_reindexing: int
    reindex_seconds: float


def bench_upsert(data_dir: Path, items_file: Path, *, most: int | None, say: Callable[[str], None]) -> UpsertFigures:
    """Start everything on `data_dir` and measure.

    Args:
        data_dir: Where servers keep their data; made if it is not there.
        items_file: JSON lines, or the same gzipped, each with `id` and `payload`.
        most: How many items to take; None: all.
        say: Tells the person what happens.
    """
    items = _read(items_file, most)
    texts = [piece.text for item in items for piece in FieldsText().build()(item["payload"])]
    sample = random.Random(0).sample(texts, min(_SAMPLE, len(texts)))  # noqa: S311  # no secret
    host, port = "127.0.0.1", free_port()
    with (
        studio(data_dir, host=host, port=port, say=say) as (_, settings),
        BenchClient(f"http://{host}:{port}", "bench-upsert") as client,
    ):
        client.create("text")
        say(f"Encoding {len(sample)} of {len(texts)} texts with SentenceTransformer.encode, and without the API")
        plain = _sentence_transformers(sample, settings.inference.bulk_threads)
        before = _encoder_seconds(settings, sample[::2])
        say(f"Sending {len(items)} items")
        ingest = len(items) / client.send(items)
        client.settle()
        encoder = len(sample) / (before + _encoder_seconds(settings, sample[1::2]))
        say("Sending them once more")
        unchanged = len(items) / client.send(items)
        client.settle()
        say(f"Searching {_SEARCHES} times, then while all is indexed anew")
        queries = [" ".join(text.split()[:4]) for text in sample]
        calm = [client.search(query) for query in (queries * _SEARCHES)[:_SEARCHES]]
        busy, reindex_seconds = _search_while_reindexing(client, queries)
        client.delete()
    p99, p99_reindexing = (float(np.percentile(seconds, 99)) * 1000 for seconds in (calm, busy))
    return UpsertFigures(
        items=len(items),
        encoder=encoder,
        sentence_transformers=plain,
        ingest=ingest,
        ingest_to_encoder=ingest / encoder,
        ingest_to_sentence_transformers=ingest / plain,
        unchanged=unchanged,
        unchanged_to_ingest=unchanged / ingest,
        search_p99=p99,
        search_p99_reindexing=p99_reindexing,
        search_p99_ratio=p99_reindexing / p99,
        searches_reindexing=len(busy),
        reindex_seconds=reindex_seconds,
    )


def _read(path: Path, most: int | None) -> list[Json]:
    if not path.is_file():
        raise InvalidError.at("--items", f"there is no file {path}")
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][:most]


def _encoder_seconds(settings: Settings, texts: Sequence[str]) -> float:
    folder = settings.inference.encoders / SentenceEncoder().build().key
    encoder = OnnxEncoder.load(folder, threads=settings.inference.bulk_threads)
    started = time.perf_counter()
    encoder.encode(texts, "item")
    return time.perf_counter() - started


def _sentence_transformers(texts: Sequence[str], threads: int) -> float:
    import torch  # noqa: PLC0415  # heavy, and only this needs it

    from embedding_studio.ml.sources import load_model  # noqa: PLC0415  # as above

    torch.set_num_threads(threads)
    model = load_model(DEFAULT_MODEL)
    started = time.perf_counter()
    for start in range(0, len(texts), _BATCH):
        model.encode(list(texts[start : start + _BATCH]), show_progress_bar=False)
    return len(texts) / (time.perf_counter() - started)


def _search_while_reindexing(client: BenchClient, queries: Sequence[str]) -> tuple[list[float], float]:
    started = time.perf_counter()
    task = client.reindex()
    seconds: list[float] = []
    while not client.is_finished(task):
        seconds += [client.search(query) for query in random.Random(len(seconds)).sample(queries, 20)]  # noqa: S311  # no secret
    return seconds, time.perf_counter() - started
