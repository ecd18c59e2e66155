"""`bench inference`: short queries through each engine, beside ONNX Runtime alone, in one run."""

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import uvloop

from embedding_studio.bench.figures import Figure, at_least, at_most, seen
from embedding_studio.bench.sections import machine
from embedding_studio.inference import Encoders, Fetcher, InferenceSettings, TritonSettings, open_encoders
from embedding_studio.infra.embedded import Supervisor, start_triton
from embedding_studio.infra.objects import ObjectFolder
from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.sdk import EncoderSource, SentenceEncoder

__all__ = ["bench_inference"]

_CLIENTS = (1, 8, 32)
_BATCH = 16
_ROUNDS = 5
_TURN_S = 3.0
_WARM_S = 1.0
_CORES = os.cpu_count() or 1
_WORDS = ("red", "leather", "sofa", "scary", "film", "about", "oak", "table", "with", "drawers", "old", "song")


@dataclass(frozen=True, slots=True)
class _Turn:
    """Seconds that each query took, and all of them together."""

    seconds: Sequence[float]
    whole: float


Way = Callable[[int, float], Coroutine[Any, Any, _Turn]]
"""Embeds queries with so many clients for so many seconds."""


@dataclass
class _Seen:
    """What was seen of one way with one number of clients."""

    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Queries a second, the median of the turns."""
        return statistics.median(self.rates)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return float(np.percentile(self.seconds, 99)) * 1000


Found = Mapping[tuple[str, int], _Seen]


def bench_inference(data_dir: Path, *, triton: Path | None, say: Callable[[str], None]) -> list[Figure]:
    """Measure, all ways in turns.

    Args:
        data_dir: Keeps the exported encoder; made if it is not there.
        triton: A virtual environment with a Triton; None: that is left out.
        say: Tells the person what happens.
    """
    from embedding_studio.ml.export import export_encoder  # noqa: PLC0415  # torch, for the export alone

    folder, source = data_dir.resolve(), SentenceEncoder().build()
    export_encoder(source.model, folder / "encoders" / source.key)
    figures = machine()
    with Supervisor() as supervisor:
        settings = InferenceSettings(encoders=folder / "encoders", threads=_CORES, spinning=True, cached_queries=0)
        url = None
        if triton:
            say("Starting Triton")
            server = start_triton(supervisor, folder, environment=triton, repository=folder / "models")
            url = server.url_when_ready()
            settings.triton = TritonSettings(
                url=url,
                repository=folder / "models",
                backend="python",
                manages=True,
                model_threads=_CORES,
            )
        found = uvloop.run(_measure(settings, source, say, with_triton=triton is not None))
    return [*figures, *_rates(found), *_asked(found, with_triton=triton is not None)]


async def _measure(
    settings: InferenceSettings, source: EncoderSource, say: Callable[[str], None], *, with_triton: bool
) -> Found:
    fetcher = Fetcher(ObjectFolder(settings.encoders), settings.encoders)
    found: dict[tuple[str, int], _Seen] = {}
    async with AsyncExitStack() as stack:
        bare = _Bare(settings.encoders / source.key)
        own = await stack.enter_async_context(open_encoders(settings, fetcher))
        ways: dict[str, Way] = {
            "bare": bare.one_by_one,
            "bare_batches": bare.in_batches,
            "in_process": partial(_through, own, source),
        }
        if with_triton:
            remote = settings.model_copy(update={"engine": "triton"})
            encoders = await stack.enter_async_context(open_encoders(remote, fetcher))
            await encoders.make_ready(source)
            process = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
            ways["triton"] = partial(_apart, process, remote, source)
        for clients in _CLIENTS:
            say(f"{clients} clients, {_ROUNDS} rounds of {_TURN_S:g} s each way")
            for _, (name, way) in itertools.product(range(_ROUNDS), ways.items()):
                turn = await way(clients, _TURN_S)
                one = found.setdefault((name, clients), _Seen())
                one.rates.append(len(turn.seconds) / turn.whole)
                one.seconds += turn.seconds
    return found


async def _through(encoders: Encoders, source: EncoderSource, clients: int, for_s: float) -> _Turn:
    await _send(encoders, source, clients, _WARM_S)
    started = time.perf_counter()
    seconds = await _send(encoders, source, clients, for_s)
    return _Turn(seconds, time.perf_counter() - started)


async def _send(encoders: Encoders, source: EncoderSource, clients: int, for_s: float) -> list[float]:
    """Each client sends a query, waits for its vector, and sends the next."""
    seconds: list[float] = []
    end = time.perf_counter() + for_s

    async def client(number: int) -> None:
        for query in _queries(number):
            started = time.perf_counter()
            if started > end:
                return
            await encoders.encode(source, [query], "query")
            seconds.append(time.perf_counter() - started)

    await asyncio.gather(*map(client, range(clients)))
    return seconds


async def _apart(
    process: ProcessPoolExecutor, settings: InferenceSettings, source: EncoderSource, clients: int, for_s: float
) -> _Turn:
    """As an API process has it whose encoders run elsewhere: nothing beside the clients wants its time."""
    return await asyncio.get_running_loop().run_in_executor(process, _turn_apart, settings, source, clients, for_s)


def _turn_apart(settings: InferenceSettings, source: EncoderSource, clients: int, for_s: float) -> _Turn:
    async def turn() -> _Turn:
        fetcher = Fetcher(ObjectFolder(settings.encoders), settings.encoders)
        async with open_encoders(settings, fetcher) as encoders:
            return await _through(encoders, source, clients, for_s)

    return uvloop.run(turn())


class _Bare:
    """ONNX Runtime and a tokenizer with the settings they come with, on threads of their own."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415  # beside what it is compared with

        description = EncoderDescription.read(folder / "encoder.json")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(description.max_length)
        self._tokenizer.enable_padding()
        self._session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    async def one_by_one(self, clients: int, for_s: float) -> _Turn:
        return await self._on_threads(clients, for_s, 1)

    async def in_batches(self, _clients: int, for_s: float) -> _Turn:
        """One caller, who has sixteen queries at a time."""
        return await self._on_threads(1, for_s, _BATCH)

    async def _on_threads(self, threads: int, for_s: float, batch: int) -> _Turn:
        with ThreadPoolExecutor(threads) as pool:
            await self._call_for(pool, threads, _WARM_S, batch)
            started = time.perf_counter()
            seconds = await self._call_for(pool, threads, for_s, batch)
            return _Turn(seconds, time.perf_counter() - started)

    async def _call_for(self, pool: Executor, threads: int, for_s: float, batch: int) -> list[float]:
        loop, end = asyncio.get_running_loop(), time.perf_counter() + for_s
        calls = [loop.run_in_executor(pool, self._call, number, end, batch) for number in range(threads)]
        return [one for seconds in await asyncio.gather(*calls) for one in seconds]

    def _call(self, number: int, end: float, batch: int) -> list[float]:
        seconds: list[float] = []
        queries = _queries(number)
        while (started := time.perf_counter()) < end:
            self._encode(list(itertools.islice(queries, batch)))
            seconds += [time.perf_counter() - started] * batch
        return seconds

    def _encode(self, texts: Sequence[str]) -> None:
        tokens = self._tokenizer.encode_batch_fast(texts)
        ids = np.asarray([one.ids for one in tokens], np.int64)
        mask = np.asarray([one.attention_mask for one in tokens], np.int64)
        self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})


def _queries(number: int) -> Iterator[str]:
    """Three to six words, the same for every way."""
    random = np.random.default_rng(number)
    while True:
        yield " ".join(random.choice(_WORDS, size=random.integers(3, 7)))


def _rates(found: Found) -> Iterator[Figure]:
    for (name, clients), one in found.items():
        yield seen(name, f"rate_{clients}", one.rate, "/s")
        yield seen(name, f"p99_{clients}", one.p99, "ms")


def _asked(found: Found, *, with_triton: bool) -> Iterator[Figure]:
    """What the engines are to reach, as shares of what ONNX Runtime does alone."""
    alone, crowded = found["bare", 1].rate, found["bare", 32]
    yield at_least("in_process", "share_of_bare_1", found["in_process", 1].rate / alone, 0.9, floor=alone)
    ratio = found["in_process", 32].rate / crowded.rate
    yield at_least("in_process", "share_of_unbatched_32", ratio, 1.5, floor=crowded.rate)
    if with_triton:
        batches = found["bare_batches", 32].rate
        yield at_least("triton", "share_of_bare_1", found["triton", 1].rate / alone, 0.45, floor=alone)
        yield at_least("triton", "share_of_batches_32", found["triton", 32].rate / batches, 0.8, floor=batches)
        yield at_most("triton", "p99_32_asked", found["triton", 32].p99, crowded.p99, unit="ms", floor=crowded.p99)
